/**
 * What happened on a connection, as data: the calls that programs made and what came
 * of them, the states that the kernel had, the segments that went over the wire, and what
 * a narrator said in between. A {@linkcode Trace} collects them and {@linkcode ladder}
 * draws them; each is plain JSON.
 *
 * @module
 */

import type { SocketTimer } from "./kernel_socket.ts";
import type { TcpFlag } from "./segment.ts";
import type { TcpState } from "./tcp_states.ts";

/** What every event says. */
export interface Happening {
  /** Milliseconds since the trace began; of a call, when it was made. */
  readonly at: number;
  /** The lifeline that it stands on, such as `"client"`; empty if it stands on none. */
  readonly who: string;
}

/** What every call says. */
export interface Called extends Happening {
  /** When it returned or threw, in milliseconds; missing while it has not. */
  readonly end?: number;
  /** What it threw. */
  readonly error?: ErrorFacts;
  /** The connection it was about; the same text at both ends: {@linkcode connName}. */
  readonly conn?: string;
}

/** What is worth keeping of an error. */
export interface ErrorFacts {
  /** Its class, such as `"ConnectionReset"`. */
  readonly name: string;
  /** The system's name for it, such as `"ECONNRESET"`, if it has one. */
  readonly code?: string;
  /** Its message. */
  readonly message: string;
}

/** A server began to listen. */
export interface ListenCall extends Called {
  /** Discriminates. */
  readonly kind: "listen";
  /** Where. */
  readonly local?: string;
}

/** A client dialed. */
export interface ConnectCall extends Called {
  /** Discriminates. */
  readonly kind: "connect";
  /** Whom. */
  readonly remote: string;
  /** From where: the port that the kernel chose. */
  readonly local?: string;
}

/** A server took a connection over from the kernel. */
export interface AcceptCall extends Called {
  /** Discriminates. */
  readonly kind: "accept";
  /** Whose. */
  readonly remote?: string;
}

/** A `read`. */
export interface ReadCall extends Called {
  /** Discriminates. */
  readonly kind: "read";
  /** Room for how many bytes. */
  readonly size: number;
  /** How many came; `null` for the peer's FIN. */
  readonly bytes?: number | null;
}

/** A `write`. */
export interface WriteCall extends Called {
  /** Discriminates. */
  readonly kind: "write";
  /** How many bytes were offered. */
  readonly size: number;
  /** How many the kernel took. */
  readonly bytes?: number;
}

/** A call that ends what this end says: FIN for the first two, RST for the third. */
export interface EndCall extends Called {
  /** Discriminates. */
  readonly kind: "closeWrite" | "close" | "reset";
}

/** A call that a program made. */
export type CallEvent = ListenCall | ConnectCall | AcceptCall | ReadCall | WriteCall | EndCall;

/** The kernel was asked how an end of a connection, or a listener, is; `who` holds it. */
export interface StateEvent extends Happening {
  /** Discriminates. */
  readonly kind: "state";
  /** Its state; `CLOSED` if the kernel knows of no such socket (any more). */
  readonly state: TcpState;
  /** The connection; a listener has none. */
  readonly conn?: string;
  /** Bytes that came and that the program has not read, if that was asked for. */
  readonly recvQueue?: number;
  /** Bytes that the peer has not acknowledged, if that was asked for. */
  readonly sendQueue?: number;
  /** What the kernel waits for, if that was asked for. */
  readonly timer?: SocketTimer;
}

/** A segment was seen on the wire; `who` sent it. */
export interface SegmentEvent extends Happening {
  /** Discriminates. */
  readonly kind: "segment";
  /** The lifeline that it went to. */
  readonly to: string;
  /** The connection. */
  readonly conn: string;
  /** Its flags. */
  readonly flags: readonly TcpFlag[];
  /** Where it begins in its sender's stream: 0 for SYN, 1 for the first byte of data. */
  readonly seq: number;
  /** The byte that its sender waits for; only with ACK. */
  readonly ack?: number;
  /** Bytes of data. */
  readonly length: number;
  /** Whether all of it had been sent before: a retransmission, or a probe. */
  readonly again?: boolean;
}

/** Words of the narrator, or of a lifeline. */
export interface NoteEvent extends Happening {
  /** Discriminates. */
  readonly kind: "note";
  /** The words. */
  readonly text: string;
}

/** An error that belongs to no call on a connection. */
export interface ErrorEvent extends Happening {
  /** Discriminates. */
  readonly kind: "error";
  /** What was thrown. */
  readonly error: ErrorFacts;
  /** What that means, in words. */
  readonly text: string;
}

/** A claim that was put to the test. */
export interface CheckEvent extends Happening {
  /** Discriminates. */
  readonly kind: "check";
  /** What must hold. */
  readonly text: string;
  /** Whether it did. */
  readonly ok: boolean;
  /** What was seen instead, if it did not. */
  readonly actual?: string;
  /** What was expected, if it did not hold. */
  readonly expected?: string;
}

/** A claim that could not be put to the test, since something could not be looked at here. */
export interface UnseenEvent extends Happening {
  /** Discriminates. */
  readonly kind: "unseen";
  /** What would have been claimed. */
  readonly text: string;
  /** Why it could not be seen. */
  readonly why: string;
}

/** How it all ended. */
export interface VerdictEvent extends Happening {
  /** Discriminates. */
  readonly kind: "verdict";
  /** The verdict in a line. */
  readonly text: string;
  /** Whether every check held, and there was one. */
  readonly ok: boolean;
  /** How many checks there were. */
  readonly checks: number;
  /** How many of them did not hold. */
  readonly failed: number;
  /** How many more could not be made. */
  readonly unseen: number;
}

/** Anything that a trace holds; `kind` tells which. */
export type TraceEvent =
  | CallEvent
  | StateEvent
  | SegmentEvent
  | NoteEvent
  | ErrorEvent
  | CheckEvent
  | UnseenEvent
  | VerdictEvent;

const NO_CALLS: ReadonlySet<TraceEvent["kind"]> = new Set(
  ["state", "segment", "note", "error", "check", "unseen", "verdict"] as const,
);

/** Whether `event` is a call, and not what somebody saw or said. */
export function isCall(event: TraceEvent): event is CallEvent {
  return !NO_CALLS.has(event.kind);
}

/** Whether a call is of one end of a connection: a listener is none, a dial that failed made none. */
export function isOfConn({ kind, conn }: CallEvent): boolean {
  return kind !== "listen" && !(kind === "connect" && conn === undefined);
}

/** What is worth keeping of whatever was thrown. */
export function errorFacts(error: unknown): ErrorFacts {
  if (!(error instanceof Error)) return { name: typeof error, message: String(error) };
  const { name, message } = error;
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? { name, code, message } : { name, message };
}

/** One name for a connection, whichever end's addresses, of either family, it is made of. */
export function connName(a: string, b: string): string {
  // An IPv6 socket that a client reached by IPv4 has its addresses as ::ffff:1.2.3.4.
  return [a, b].map((addr) => addr.replace(/^\[::ffff:([\d.]+)\](?=:)/i, "$1")).sort().join(" ");
}
