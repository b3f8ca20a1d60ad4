/**
 * Keeps what goes through a proxy in a file, and plays one side of it back.
 *
 * @module
 */

import type { TcpAddr } from "../lib/addr.ts";
import { explainLine } from "../lib/errors.ts";
import {
  parseRecording,
  type Recorded,
  RECORDING_HEAD,
  recordingLine,
} from "../lib/proxy/recording.ts";
import { replay, type ReplayReport } from "../lib/proxy/replay.ts";
import type { Tap } from "../lib/proxy/tap.ts";
import type { OpenUpstream, ProxyClient } from "../lib/proxy/upstream.ts";
import { writeAll } from "../lib/stream/conn.ts";
import { realWorld } from "../lib/world.ts";
import { FailureError, type Io } from "./_cli.ts";
import { need } from "./_permissions.ts";
import type { ProxyFlags } from "./_proxy_flags.ts";
import { readFile } from "./_reload.ts";
import { serve, serveUntilInterrupted } from "./_serving.ts";

/** A file that is written to. */
export interface Recorder extends Disposable {
  /** Makes a tap for each client. */
  tap(client: ProxyClient): Tap;
}

/** Starts a file. Disposing it closes it; what is being written then may be cut. */
export async function startRecording(path: string): Promise<Recorder> {
  need({ kind: "write", to: path });
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { write: true, create: true, truncate: true });
  } catch (error) {
    throw new FailureError(`${path}: ${explainLine(error)}`, { cause: error });
  }
  const out = { write: (p: Uint8Array) => file.write(p), closeWrite: () => Promise.resolve() };
  let last = Promise.resolve();
  // One behind the other, and each connection waits for its own: a slow disk slows it down.
  const line = (text: string) =>
    last = last.then(() => writeAll(out, new TextEncoder().encode(`${text}\n`)));
  await line(RECORDING_HEAD);
  return {
    tap({ id }) {
      const since = realWorld.now();
      return (way, bytes) =>
        line(recordingLine({ conn: id, at: realWorld.now() - since, way, bytes }));
    },
    [Symbol.dispose]: () => file.close(),
  };
}

/** Both look on; the slower one is waited for. */
export function bothTaps(...taps: ((client: ProxyClient) => Tap)[]): (client: ProxyClient) => Tap {
  return (client) => {
    const each = taps.map((tap) => tap(client));
    return async (way, bytes) => {
      for (const tap of each) await tap(way, bytes);
    };
  };
}

/** What {@linkcode playBack} is told. */
export interface PlayBackOptions {
  /** The recording. */
  file: string;
  /** Whom to play the clients to; without one, the server is played to whoever comes. */
  to: TcpAddr | null;
  /** How to connect there. */
  open: OpenUpstream<TcpAddr>;
  /** How much faster than it was. */
  speed: number;
}

/** Plays a recording back; resolves with the exit code. */
export async function playBack(
  { file, to, open, speed }: PlayBackOptions,
  given: ProxyFlags,
  io: Io,
): Promise<number> {
  const conns = [...await readFile(file, parseRecording)];
  if (conns.length === 0) throw new FailureError(`${file}: no connection is in it`);
  return to === null
    ? await asServer(conns, speed, given, io)
    : await asClients(conns, (signal) => open(to, signal), speed, io);
}

type Conns = readonly (readonly [number, Recorded[]])[];

async function asClients(
  conns: Conns,
  open: (signal: AbortSignal) => ReturnType<OpenUpstream<TcpAddr>>,
  speed: number,
  io: Io,
): Promise<number> {
  let same = true;
  for (const [number, events] of conns) {
    io.interrupted.throwIfAborted();
    const conn = await open(io.interrupted);
    const report = await replay(conn, events, "client", { speed });
    same &&= report.differsAt === undefined && report.error === undefined;
    await io.print(`${told(number, report)}\n`);
  }
  return same ? 0 : 1;
}

/** Each client is served as the next one was that is in the recording, and then again. */
async function asServer(conns: Conns, speed: number, given: ProxyFlags, io: Io): Promise<number> {
  let served = 0;
  const { hostname, port } = given.listen;
  await using server = serve({ hostname, port }, async (conn) => {
    const [number, events] = conns[served++ % conns.length]!;
    await io.print(`${told(number, await replay(conn, events, "server", { speed }))}\n`);
  }, io.log);
  await serveUntilInterrupted(server, io, given.drain);
  return 0;
}

function told(number: number, report: ReplayReport): string {
  const { sent, received, recorded, differsAt, error } = report;
  const verdict = error !== undefined
    ? explainLine(error)
    : differsAt === undefined
    ? "the same"
    : `another one from byte ${differsAt + 1} on`;
  return `#${number} sent ${sent} bytes, heard ${received} of ${recorded}: ${verdict}`;
}
