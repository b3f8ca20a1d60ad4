/**
 * What happened on a connection, as data: the calls that programs made and what came
 * of them, and what a narrator said in between. A {@linkcode Trace} collects them and
 * {@linkcode ladder} draws them; each is plain JSON.
 *
 * @module
 */

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
}

/** Anything that a trace holds; `kind` tells which. */
export type TraceEvent = CallEvent | NoteEvent | ErrorEvent | CheckEvent | VerdictEvent;

/** Whether `event` is a call, and not somebody's words. */
export function isCall(event: TraceEvent): event is CallEvent {
  return !["note", "error", "check", "verdict"].includes(event.kind);
}

/** What is worth keeping of whatever was thrown. */
export function errorFacts(error: unknown): ErrorFacts {
  if (!(error instanceof Error)) return { name: typeof error, message: String(error) };
  const { name, message } = error;
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? { name, code, message } : { name, message };
}

/** One name for a connection, whichever end's addresses it is made of. */
export function connName(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
