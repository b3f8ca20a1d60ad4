/**
 * Ways to ask a server whether it is well: by a connection, a conversation, HTTP, or TLS.
 *
 * They are polite. A check that only opened a connection and dropped it would reset it, and
 * fill the server's log. These end with FIN, and hear the server out.
 *
 * @example What a check says of a server
 * ```ts
 * import { connectProbe, talkProbe } from "@tcplab/tcplab/proxy";
 * import { serveTcp } from "@tcplab/tcplab/server";
 * import { realWorld } from "@tcplab/tcplab/world";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveTcp({}, async () => {}); // accepts, and says nothing
 * const context = { timeout: 1000, signal: new AbortController().signal, world: realWorld };
 *
 * const { status } = await connectProbe()(server.addr, context);
 * assertEquals(status, "L4OK");
 * const talk = talkProbe([{ send: "PING\r\n" }, { expect: "PONG" }]);
 * assertEquals((await talk(server.addr, context)).status, "L7RSP");
 * ```
 *
 * @module
 */

import { formatAddr } from "../addr.ts";
import { dial } from "../client/dial.ts";
import { DialError } from "../client/dial_error.ts";
import { explain } from "../errors.ts";
import { closeGracefully } from "../stream/close.ts";
import { type Duplex, writeAll } from "../stream/conn.ts";
import { TimedReader } from "../stream/timed_reader.ts";
import type { World } from "../world.ts";
import type { Probe, ProbeContext } from "./health.ts";
import { BlockSeeker } from "./health_blocks.ts";
import { isShortage } from "./shortage.ts";
import type { CheckResult, CheckStatus } from "./health_state.ts";

/** Where a server is. */
export type ProbeTarget = { readonly hostname: string; readonly port: number };

/**
 * The most milliseconds that a check waits for the server's FIN once it knows its result: a
 * guess. By then ours has long arrived.
 */
const FAREWELL = 250;

/** What a step of a check found. */
export type Finding = Omit<CheckResult, "duration">;

/** Whether the server accepts connections: layer 4 only. One that says nothing passes. */
export function connectProbe(): Probe<ProbeTarget> {
  return probing(connect, () => Promise.resolve({ ok: true, status: "L4OK", detail: "" }));
}

/** One step of a conversation. */
export type TalkStep =
  | { /** What to say; text is sent as UTF-8. */ readonly send: string | Uint8Array }
  | {
    /** What must come, after whatever else comes before it. */
    readonly expect: string | Uint8Array;
    /** What it means that it comes, for the log. */
    readonly comment?: string;
  };

/** Options for {@linkcode talkProbe}. */
export interface TalkProbeOptions {
  /**
   * The most bytes of the server's to look through.
   *
   * @default {65536}
   */
  maxBytes?: number;
}

/**
 * Whether the server says what it should: the steps one after the other. The blocks that are
 * expected must come in their order, with anything between them.
 */
export function talkProbe(
  steps: readonly TalkStep[],
  options: TalkProbeOptions = {},
): Probe<ProbeTarget> {
  const { maxBytes = 65536 } = options;
  return probing(connect, (conn, left) => talk(conn, steps, maxBytes, left));
}

async function talk(
  conn: Duplex,
  steps: readonly TalkStep[],
  maxBytes: number,
  left: () => ReadOptions,
): Promise<Finding> {
  const reader = new TimedReader(conn, left());
  const seeker = new BlockSeeker(maxBytes);
  for (const [i, step] of steps.entries()) {
    if ("send" in step) {
      await writeAll(conn, bytesOf(step.send));
      continue;
    }
    const block = bytesOf(step.expect);
    while (!seeker.take(block)) {
      const buffer = new Uint8Array(4096);
      const at = `step ${i + 1}, ${step.comment ?? `expecting ${shown(step.expect)}`}`;
      const n = await late(() => reader.read(buffer, left()), "L7TOUT", at);
      if (n === null || seeker.exhausted) {
        const why = n === null ? "the server closed" : `nothing of it in ${maxBytes} bytes`;
        const got = seeker.rest === "" ? "" : `, got ${shown(seeker.rest)}`;
        throw new ProbeError("L7RSP", `${at}: ${why}${got}`);
      }
      seeker.push(buffer.subarray(0, n));
    }
  }
  return { ok: true, status: "L7OK", detail: "" };
}

/** What is left of a check's time. */
export interface ReadOptions {
  /** Milliseconds, > 0. */
  readonly timeout: number;
  /** Aborts when it is over, or nobody wants the result any more. */
  readonly signal: AbortSignal;
  /** The clock. */
  readonly world: World;
}

/** A check has failed, in a way that it knows. */
export class ProbeError extends Error {
  /** What was found. */
  readonly status: CheckStatus;
  /** Whether it is of our own making: {@linkcode CheckResult.ours}. */
  readonly ours: boolean;

  /** Says it in words. */
  constructor(status: CheckStatus, detail: string, ours = false) {
    super(detail);
    this.name = "ProbeError";
    this.status = status;
    this.ours = ours;
  }
}

/** Runs `wait`; if it takes too long, that is `status`. */
export async function late<R>(
  wait: () => Promise<R>,
  status: CheckStatus,
  what: string,
): Promise<R> {
  try {
    return await wait();
  } catch (error) {
    if (!isTimeout(error)) throw error;
    throw new ProbeError(status, what);
  }
}

/** A probe that connects, converses, and takes its leave, which is not part of its time. */
export function probing<Conn extends Duplex>(
  connect: (target: ProbeTarget, options: ReadOptions) => Promise<Conn>,
  converse: (conn: Conn, left: () => ReadOptions, target: ProbeTarget) => Promise<Finding>,
): Probe<ProbeTarget> {
  return async (target, context) => {
    let conn: Conn | undefined;
    const cut = () => conn?.[Symbol.dispose]();
    context.signal.addEventListener("abort", cut, { once: true });
    try {
      return await timed(context, async (left) => {
        conn = await connect(target, left());
        return await converse(conn, left, target);
      });
    } finally {
      context.signal.removeEventListener("abort", cut);
      if (conn !== undefined) await farewell(conn, context);
    }
  };
}

/** Runs a check against the clock, and makes a result of whatever comes of it. */
async function timed(
  { timeout, signal, world }: ProbeContext,
  check: (left: () => ReadOptions) => Promise<Finding>,
): Promise<CheckResult> {
  const started = world.now();
  const spent = () => world.now() - started;
  const left = () => ({ timeout: Math.max(timeout - spent(), 1), signal, world });
  const finding = await check(left).catch((error) => failure(error, signal));
  return { ...finding, duration: spent() };
}

/** Connects, for a check that begins with that. */
export async function connect(target: ProbeTarget, options: ReadOptions): Promise<Duplex> {
  try {
    return await dial(target, options);
  } catch (error) {
    const cause = error instanceof DialError ? error.cause : error;
    if (isTimeout(cause)) throw new ProbeError("L4TOUT", `no answer from ${formatAddr(target)}`);
    throw notConnected(cause, target);
  }
}

/** Why there is no connection: that there is no descriptor left here says nothing of the server. */
export function notConnected(cause: unknown, addr: ProbeTarget): ProbeError {
  const { what } = explain(cause, { op: "connect", addr });
  const ours = isShortage(cause);
  return new ProbeError(ours ? "SOCKERR" : "L4CON", what, ours);
}

/** FIN, and then the server's, so that nothing of its is left unread, which would reset it. */
async function farewell(conn: Duplex, { world }: ProbeContext): Promise<void> {
  await closeGracefully(conn, { timeout: FAREWELL, world });
}

/** A failure that was not foreseen: the server broke off, in most cases. */
function failure(error: unknown, { aborted, reason }: AbortSignal): Finding {
  if (error instanceof ProbeError) {
    const { status, message: detail, ours } = error;
    return { ok: false, status, detail, ...ours && { ours } };
  }
  if (isTimeout(error) || (aborted && isTimeout(reason))) {
    return { ok: false, status: "L7TOUT", detail: "not done in time" };
  }
  const { what, whose } = explain(error);
  return { ok: false, status: whose === "peer" ? "L7RSP" : "SOCKERR", detail: what };
}

/** Whether a wait was too long. */
export function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

function shown(data: string | Uint8Array): string {
  return JSON.stringify(typeof data === "string" ? data : new TextDecoder("latin1").decode(data));
}
