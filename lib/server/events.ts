/** What a server tells of its day. */

import type { TcpAddr } from "../addr.ts";

/** The server listens. */
export interface ListeningEvent {
  /** What happened. */
  readonly type: "listening";
  /** Where, with the real port. */
  readonly addr: TcpAddr;
}

/** A connection goes to the handler. */
export interface AcceptedEvent {
  /** What happened. */
  readonly type: "accepted";
  /** The connection's number, from 1, as in {@linkcode ConnInfo}. */
  readonly id: number;
  /** The client's end. */
  readonly remoteAddr: TcpAddr;
}

/**
 * Why a connection ended:
 *
 * - `"finished"`: the handler returned, or disposed it, and the peer had no complaint;
 * - `"reset"`: the peer reset it, or would not take what we wrote;
 * - `"broken"`: it failed in another way, such as a timeout of the kernel's;
 * - `"error"`: the handler threw;
 * - `"idle"`: nothing came or went for `idleTimeout`;
 * - `"lingered"`: the handler returned, but the peer did not say FIN within `lingerTimeout`;
 * - `"cut"`: the patience of `shutdown()` was over;
 * - `"aborted"`: the server's `signal` aborted.
 */
export type CloseReason =
  | "finished"
  | "reset"
  | "broken"
  | "error"
  | "idle"
  | "lingered"
  | "cut"
  | "aborted";

/** A connection is closed and its handler has returned. */
export interface ClosedEvent {
  /** What happened. */
  readonly type: "closed";
  /** The connection's number. */
  readonly id: number;
  /** The client's end. */
  readonly remoteAddr: TcpAddr;
  /** Why. */
  readonly reason: CloseReason;
  /** Who ended it; of a connection that both finished, who did so first. */
  readonly by: "peer" | "handler" | "server";
  /** Bytes that came from the peer. */
  readonly bytesRead: number;
  /** Bytes that went to the peer, or at least into the kernel. */
  readonly bytesWritten: number;
  /** Milliseconds from being accepted to being closed. */
  readonly duration: number;
  /** What broke the connection, or what the handler threw. */
  readonly error?: unknown;
}

/** A connection was closed without being served. */
export interface RefusedEvent {
  /** What happened. */
  readonly type: "refused";
  /** The client's end. */
  readonly remoteAddr: TcpAddr;
  /** `"full"`: `maxConns` was reached; `"ended"`: its turn had not come when the server ended. */
  readonly reason: "full" | "ended";
}

/** Accepting failed, and will be tried again. */
export interface AcceptErrorEvent {
  /** What happened. */
  readonly type: "acceptError";
  /** The system's error: ENOTCONN is a client that is gone already, EMFILE our own famine. */
  readonly error: unknown;
  /** Milliseconds until the next try: 0 if the client was to blame. */
  readonly retryIn: number;
}

/** `shutdown()` was called. */
export interface DrainingEvent {
  /** What happened. */
  readonly type: "draining";
  /** Connections being served at that moment. */
  readonly conns: number;
}

/** Something a server tells through `onEvent`; `type` says what. */
export type ServerEvent =
  | ListeningEvent
  | AcceptedEvent
  | ClosedEvent
  | RefusedEvent
  | AcceptErrorEvent
  | DrainingEvent;

/** A server's counts at one moment. */
export interface ServerStats {
  /** When it began to listen, in milliseconds on its `world`'s clock. */
  readonly since: number;
  /** Connections that went to the handler. */
  readonly accepted: number;
  /** Connections closed without being served. */
  readonly refused: number;
  /** Connections being served now. */
  readonly active: number;
  /** The most that were served at once. */
  readonly peak: number;
  /** Connections that were served and are closed. */
  readonly closed: number;
  /** Calls of accept() that failed. */
  readonly acceptErrors: number;
  /** Errors that went to `onError`. */
  readonly handlerErrors: number;
  /** Bytes read, on all connections so far. */
  readonly bytesRead: number;
  /** Bytes written, on all connections so far. */
  readonly bytesWritten: number;
}
