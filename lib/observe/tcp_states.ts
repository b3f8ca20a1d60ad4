/**
 * The states of a TCP connection and what leads from one to the next, as data: RFC 9293,
 * figure 5, and what section 3.10 adds to it for resets and aborts.
 *
 * @example The two ends of an orderly close
 * ```ts
 * import { step, type TcpInput, type TcpState } from "@tcplab/tcplab/observe";
 * import { assertEquals } from "@std/assert";
 *
 * const walk = (from: TcpState, ...inputs: TcpInput[]) =>
 *   inputs.reduce((state, input) => step(state, input)!.to, from);
 *
 * assertEquals(walk("ESTABLISHED", "close", "receive ACK of FIN", "receive FIN"), "TIME-WAIT");
 * assertEquals(walk("ESTABLISHED", "receive FIN", "close", "receive ACK of FIN"), "CLOSED");
 * ```
 *
 * @module
 */

/** The states, in the order in which a connection can come to them. */
export const TCP_STATES = [
  "CLOSED",
  "LISTEN",
  "SYN-SENT",
  "SYN-RECEIVED",
  "ESTABLISHED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "CLOSE-WAIT",
  "CLOSING",
  "LAST-ACK",
  "TIME-WAIT",
] as const;

/** A state, by its name in RFC 9293. */
export type TcpState = typeof TCP_STATES[number];

/** What can happen to an end of a connection: a call of its program, a segment, or time. */
export type TcpInput =
  | "passive open"
  | "active open"
  | "send"
  | "close"
  | "abort"
  | "receive SYN"
  | "receive SYN-ACK"
  | "receive ACK of SYN"
  | "receive FIN"
  | "receive ACK of FIN"
  | "receive FIN and ACK of FIN"
  | "receive RST"
  | "2 MSL are over";

/** The segment that is sent on the way from one state to the next. */
export type TcpOutput = "SYN" | "SYN-ACK" | "ACK" | "FIN" | "RST";

/** A way from one state to another. */
export interface Transition {
  /** Where it begins. */
  readonly from: TcpState;
  /** What leads out of it. */
  readonly on: TcpInput;
  /** What is sent meanwhile. */
  readonly send?: TcpOutput;
  /** Where it leads. */
  readonly to: TcpState;
  /** When it does so, if that takes more than the input. */
  readonly when?: string;
  /** Where RFC 9293 says so. */
  readonly section: string;
}

const DRAWN = "3.3.2";

/** The ways of figure 5, with the one that its second note tells of. */
export const FIGURE_5: readonly Transition[] = [
  { from: "CLOSED", on: "passive open", to: "LISTEN", section: DRAWN },
  { from: "CLOSED", on: "active open", send: "SYN", to: "SYN-SENT", section: DRAWN },
  { from: "LISTEN", on: "receive SYN", send: "SYN-ACK", to: "SYN-RECEIVED", section: DRAWN },
  // No system that is in use lets a listening socket send.
  { from: "LISTEN", on: "send", send: "SYN", to: "SYN-SENT", section: DRAWN },
  { from: "LISTEN", on: "close", to: "CLOSED", section: DRAWN },
  { from: "SYN-SENT", on: "receive SYN-ACK", send: "ACK", to: "ESTABLISHED", section: DRAWN },
  // Both ends dial at once.
  { from: "SYN-SENT", on: "receive SYN", send: "SYN-ACK", to: "SYN-RECEIVED", section: DRAWN },
  { from: "SYN-SENT", on: "close", to: "CLOSED", section: DRAWN },
  { from: "SYN-RECEIVED", on: "receive ACK of SYN", to: "ESTABLISHED", section: DRAWN },
  // Note 1 of the figure. The listener goes on; who had dialed as well would be in CLOSED.
  {
    from: "SYN-RECEIVED",
    on: "receive RST",
    to: "LISTEN",
    when: "after a passive open",
    section: DRAWN,
  },
  { from: "SYN-RECEIVED", on: "close", send: "FIN", to: "FIN-WAIT-1", section: DRAWN },
  { from: "ESTABLISHED", on: "close", send: "FIN", to: "FIN-WAIT-1", section: DRAWN },
  { from: "ESTABLISHED", on: "receive FIN", send: "ACK", to: "CLOSE-WAIT", section: DRAWN },
  { from: "FIN-WAIT-1", on: "receive ACK of FIN", to: "FIN-WAIT-2", section: DRAWN },
  { from: "FIN-WAIT-1", on: "receive FIN", send: "ACK", to: "CLOSING", section: DRAWN },
  // Note 2 of the figure: the close in three segments.
  {
    from: "FIN-WAIT-1",
    on: "receive FIN and ACK of FIN",
    send: "ACK",
    to: "TIME-WAIT",
    section: DRAWN,
  },
  { from: "FIN-WAIT-2", on: "receive FIN", send: "ACK", to: "TIME-WAIT", section: DRAWN },
  { from: "CLOSE-WAIT", on: "close", send: "FIN", to: "LAST-ACK", section: DRAWN },
  { from: "CLOSING", on: "receive ACK of FIN", to: "TIME-WAIT", section: DRAWN },
  { from: "LAST-ACK", on: "receive ACK of FIN", to: "CLOSED", section: DRAWN },
  { from: "TIME-WAIT", on: "2 MSL are over", to: "CLOSED", section: DRAWN },
];

/** Those states in which an abort tells the peer: the others send nothing (section 3.10.5). */
const ABORT_SENDS: readonly TcpState[] = [
  "SYN-RECEIVED",
  "ESTABLISHED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "CLOSE-WAIT",
];

const SEGMENTS = "3.10.7.4";

/** The ways that figure 5 leaves out: by most of them a connection ends without FIN. */
const UNDRAWN: readonly Transition[] = [
  ...TCP_STATES.filter((state) => state !== "CLOSED").map((from): Transition => ({
    from,
    on: "abort",
    ...ABORT_SENDS.includes(from) && { send: "RST" },
    to: "CLOSED",
    section: "3.10.5",
  })),
  // Refused; the SYN was acknowledged by it.
  { from: "SYN-SENT", on: "receive RST", to: "CLOSED", section: "3.10.7.3" },
  // The ACK of our SYN comes with it.
  { from: "SYN-RECEIVED", on: "receive FIN", send: "ACK", to: "CLOSE-WAIT", section: SEGMENTS },
  ...TCP_STATES.slice(TCP_STATES.indexOf("ESTABLISHED")).map((from): Transition => ({
    from,
    on: "receive RST",
    to: "CLOSED",
    section: SEGMENTS,
  })),
  // Our last ACK was lost: it is sent again, and the wait begins anew.
  { from: "TIME-WAIT", on: "receive FIN", send: "ACK", to: "TIME-WAIT", section: SEGMENTS },
];

/** Every way: those of figure 5 first. */
export const TRANSITIONS: readonly Transition[] = [...FIGURE_5, ...UNDRAWN];

/** The way out of `state` on `input`; nothing if there is none, and it stays where it is. */
export function step(state: TcpState, input: TcpInput): Transition | undefined {
  return TRANSITIONS.find(({ from, on }) => from === state && on === input);
}
