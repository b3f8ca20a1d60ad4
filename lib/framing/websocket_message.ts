/**
 * What two ends of a WebSocket say to each other: RFC 6455, 5.5, 5.6 and 7.4.
 *
 * @module
 */

import { FrameError, type FrameErrorCode, type FrameErrorFacts } from "./decoder.ts";

/** A message, or one of the control frames that may come between its fragments. */
export type WebSocketMessage =
  | { type: "text"; text: string }
  | { type: "binary"; bytes: Uint8Array }
  | { type: "ping"; bytes: Uint8Array }
  | { type: "pong"; bytes: Uint8Array }
  | { type: "close"; code: number; reason: string };

/** Which end we are: clients mask what they send, servers do not (5.1). */
export type WebSocketRole = "client" | "server";

/** How long messages may be. */
export interface WebSocketLimits {
  /**
   * The longest message, in bytes, all its fragments together.
   *
   * @default {1048576} 1 MiB.
   */
  maxMessage?: number;
  /**
   * The longest payload of one frame, in bytes. Longer ones from the peer are refused; our
   * own messages are sent in fragments of at most this length.
   *
   * @default {Infinity}
   */
  maxFrame?: number;
}

/** The longest payload of a control frame, in bytes (5.5). */
export const LONGEST_CONTROL = 125;

/** Close codes with names (7.4.1). */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  /** Never sent: stands for a Close frame without a code. */
  noStatus: 1005,
  /** Never sent: stands for a stream that ended without a Close frame. */
  abnormal: 1006,
  invalidText: 1007,
  tooBig: 1009,
  internalError: 1011,
} as const;

/**
 * Whether a Close frame may carry `code`: those of RFC 6455, those that IANA has added since
 * (1012 to 1014, which servers do send), and those of libraries and applications.
 */
export function isCloseCode(code: number): boolean {
  if (!Number.isInteger(code) || code >= 1004 && code <= 1006) return false;
  return code >= 1000 && code <= 1014 || code >= 3000 && code <= 4999;
}

/** The peer broke the rules of RFC 6455, or one of our limits. */
export class WebSocketFrameError extends FrameError {
  /** The code to close with (7.4.1); 1006, which is not sent, if the stream has ended. */
  readonly closeCode: number;

  /** Says what is wrong, and with which code to close. */
  constructor(closeCode: number, code: FrameErrorCode, message: string, facts: FrameErrorFacts) {
    super(code, message, facts);
    this.name = "WebSocketFrameError";
    this.closeCode = closeCode;
  }
}

/** Fills in the defaults and checks them. */
export function webSocketLimits(limits: WebSocketLimits): Required<WebSocketLimits> {
  const { maxMessage = 1024 * 1024, maxFrame = Infinity } = limits;
  for (const [name, value] of Object.entries({ maxMessage, maxFrame })) {
    if (!(value >= 1)) {
      throw new RangeError(
        `Cannot speak WebSocket as '${name}' must be >= 1: current value is ${value}`,
      );
    }
  }
  return { maxMessage, maxFrame };
}
