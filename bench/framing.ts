#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// deno-lint-ignore-file no-console
/**
 * Our framing beside what npm and std have, in one run.
 *
 * All are given the same bytes in the same chunks of 64 KiB and make the same frames of
 * them. They take turns, round after round, and what is printed is the median of the
 * rounds, and the median of the rounds' ratios: on a shared machine only a ratio of neighbours
 * means something. For the same reason a second is one of CPU time, of all threads of this process and
 * of the kernel for it, which waits for no other process: on an idle machine the clock shows no more.
 * A row is held against its target and says so where it is missed.
 *
 * Usage: `deno task bench:framing [ROUNDS]`
 *
 * @module
 */

import { DelimiterStream, TextLineStream } from "@std/streams";
import Table from "cli-table3";
import { decode as decodeLengthPrefixed } from "it-length-prefixed";
import process from "node:process";
import split2 from "split2";
import {
  type Decoder,
  DecoderStream,
  drain,
  FramedConn,
  LengthDecoder,
  LengthEncoder,
  LineDecoder,
  TextLineDecoder,
} from "../lib/framing/mod.ts";
import { chunks, readExact, UnexpectedEofError, writeAll } from "../lib/stream/conn.ts";

const CHUNK = 64 * 1024;

/** One piece of work, and those who do it. */
interface Contest {
  /** What is done. */
  work: string;
  /** How many frames there are, and how many bytes with all that is around them. */
  frames: number;
  bytes: number;
  /** Each looks at every frame, and returns how many it saw. The first one is ours. */
  entries: Record<string, () => number | Promise<number>>;
  /** What ours must reach: so many times as fast as another one, or a figure of its own. */
  targets: Target[];
}

interface Target {
  /** Whose; the first entry's, if missing. */
  by?: string;
  /** Times as fast as this entry. */
  than?: string;
  /** Or so much of this. */
  of?: "M frames/s" | "GB/s";
  least: number;
}

function chunksOf(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK) chunks.push(bytes.slice(at, at + CHUNK));
  return chunks;
}

function repeat(frame: Uint8Array, times: number): Uint8Array {
  const bytes = new Uint8Array(frame.length * times);
  for (let i = 0; i < times; i++) bytes.set(frame, i * frame.length);
  return bytes;
}

/** What the frames held, added up, so that nobody gets away with frames that nobody sees. */
let seenBytes = 0;

function count(decoder: Decoder<{ length: number }>, chunks: Uint8Array[]): number {
  let frames = 0;
  let bytes = 0;
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
      bytes += frame.length;
      frames++;
    }
  }
  decoder.end();
  for (const frame of drain(decoder)) {
    bytes += frame.length;
    frames++;
  }
  seenBytes += bytes;
  return frames;
}

async function countStream(stream: ReadableStream<{ length: number }>): Promise<number> {
  const reader = stream.getReader();
  let frames = 0;
  let bytes = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    bytes += value!.length;
    frames++;
  }
  seenBytes += bytes;
  return frames;
}

/** it-length-prefixed for lengths of 4 bytes; it wants to know how long the last one was. */
const uint32 = Object.assign(
  (bytes: { getUint32(at: number): number }) => bytes.getUint32(0),
  { bytes: 4 },
);

/**
 * What it-length-prefixed hands out is a list of pieces, and `subarray()` makes bytes of it,
 * as everybody else hands out; both are shown.
 */
function lengths(size: number, targets: Target[]): Contest {
  const frames = Math.floor(48 * 2 ** 20 / (size + 4) / (size < 1024 ? 3 : 1));
  const bytes = repeat(new LengthEncoder().encode(new Uint8Array(size).fill(7)), frames);
  const chunks = chunksOf(bytes);
  return {
    work: `frames of ${size} B with a length of 4 bytes`,
    frames,
    bytes: bytes.length,
    entries: {
      "LengthDecoder": () => count(new LengthDecoder(), chunks),
      "it-length-prefixed": () => {
        let seen = 0;
        let read = 0;
        for (const list of decodeLengthPrefixed(chunks, { lengthDecoder: uint32 })) {
          read += list.subarray().length;
          seen++;
        }
        seenBytes += read;
        return seen;
      },
      "it-length-prefixed, lists": () => {
        let seen = 0;
        let read = 0;
        for (const list of decodeLengthPrefixed(chunks, { lengthDecoder: uint32 })) {
          read += list.byteLength;
          seen++;
        }
        seenBytes += read;
        return seen;
      },
    },
    targets,
  };
}

const LINE = new TextEncoder().encode(
  "The quick brown fox jumps over the lazy dog, then does so again without pause.\r\n",
);

function linesAsBytes(): Contest {
  const frames = 200_000;
  // Without the last newline: DelimiterStream sees one more, empty line after it.
  const bytes = repeat(LINE, frames).subarray(0, -2);
  const chunks = chunksOf(bytes);
  return {
    work: "lines of 80 B, bytes to bytes",
    frames,
    bytes: bytes.length,
    entries: {
      "LineDecoder": () => count(new LineDecoder(), chunks),
      "DecoderStream(LineDecoder)": () =>
        countStream(ReadableStream.from(chunks).pipeThrough(new DecoderStream(new LineDecoder()))),
      "std DelimiterStream": () =>
        countStream(
          ReadableStream.from(chunks).pipeThrough(new DelimiterStream(Uint8Array.of(13, 10))),
        ),
    },
    targets: [{ than: "std DelimiterStream", least: 2.5 }],
  };
}

function linesAsText(): Contest {
  const frames = 200_000;
  // Without the last newline: DelimiterStream sees one more, empty line after it.
  const bytes = repeat(LINE, frames).subarray(0, -2);
  const chunks = chunksOf(bytes);
  const texts = chunks.map((chunk) => new TextDecoder().decode(chunk));
  return {
    work: "lines of 80 B, bytes to text",
    frames,
    bytes: bytes.length,
    entries: {
      "TextLineDecoder": () => count(new TextLineDecoder(), chunks),
      "DecoderStream(TextLineDecoder)": () =>
        countStream(
          ReadableStream.from(chunks).pipeThrough(new DecoderStream(new TextLineDecoder())),
        ),
      "std TextLineStream": () =>
        countStream(
          ReadableStream.from(chunks as Uint8Array<ArrayBuffer>[])
            .pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()),
        ),
      "std TextLineStream, given text": () =>
        countStream(ReadableStream.from(texts).pipeThrough(new TextLineStream())),
      "split2": () => countSplit2(chunks),
    },
    targets: [
      { than: "std TextLineStream", least: 2.5 },
      { than: "std TextLineStream, given text", least: 2.5 },
      { than: "split2", least: 3 },
    ],
  };
}

function countSplit2(chunks: Uint8Array[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let frames = 0;
  const stream = split2();
  stream.on("data", (line: string) => {
    seenBytes += line.length;
    frames++;
  });
  stream.on("end", () => resolve(frames));
  stream.on("error", reject);
  const feed = (i: number) => {
    while (i < chunks.length) {
      if (!stream.write(chunks[i++])) {
        return stream.once("drain", () => feed(i));
      }
    }
    stream.end();
  };
  feed(0);
  return promise;
}

/** Two ends of a loopback connection. */
async function tcpPair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const pair = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  for (const conn of pair) conn.setNoDelay(true);
  return pair;
}

const framing = () => ({ decoder: new LengthDecoder(), encoder: new LengthEncoder() });

/** One way, as fast as it goes. */
function bulk(size: number): Contest {
  const frames = Math.floor(192 * 2 ** 20 / (size + 4));
  const payload = new Uint8Array(size).fill(7);
  const frame = new LengthEncoder().encode(payload);
  const bytes = frame.length * frames;
  return {
    work: `frames of ${size} B one way over loopback`,
    frames,
    bytes,
    entries: {
      "FramedConn, frames lent": () => framed(payload, frames, true),
      "FramedConn": () => framed(payload, frames, false),
      "bare loop": () => pump(frame, frames, bareLoop),
      "bare loop, bytes to keep": () => pump(frame, frames, keepingLoop),
      "framing by hand": () => pump(frame, frames, framingLoop),
    },
    // Each against who does the same: the bare loop overwrites what it has read.
    targets: [
      { by: "FramedConn, frames lent", than: "bare loop", least: 0.9 },
      { by: "FramedConn", than: "bare loop, bytes to keep", least: 0.9 },
      { by: "FramedConn", than: "framing by hand", least: 0.9 },
    ],
  };
}

/** Sends a frame so many times, and receives them. */
async function framed(payload: Uint8Array, frames: number, lend: boolean): Promise<number> {
  const [a, b] = await tcpPair();
  using from = new FramedConn(a, framing());
  using to = new FramedConn(b, { ...framing(), lend });
  const sent = (async () => {
    for (let i = 0; i < frames; i++) await from.send(payload);
    await from.closeWrite();
  })();
  let seen = 0;
  let frame = await to.receive();
  while (frame !== null) {
    seenBytes += frame.length;
    seen++;
    frame = to.receiveNow() ?? await to.receive();
  }
  await sent;
  return seen;
}

/** Writes the frame again and again on one end, and has `read` take it all from the other. */
async function pump(
  frame: Uint8Array,
  times: number,
  read: (from: Deno.TcpConn) => Promise<number>,
): Promise<number> {
  const [from, to] = await tcpPair();
  using _from = from;
  using _to = to;
  const sent = (async () => {
    for (let i = 0; i < times; i++) await writeAll(from, frame);
    await from.closeWrite();
  })();
  const bytes = await read(to);
  await sent;
  return bytes / frame.length;
}

/** Reads into the same buffer again and again. */
async function bareLoop(from: Deno.TcpConn): Promise<number> {
  const buffer = new Uint8Array(CHUNK);
  let bytes = 0;
  for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) bytes += n;
  return bytes;
}

/** Reads bytes that are the caller's to keep. */
async function keepingLoop(from: Deno.TcpConn): Promise<number> {
  let bytes = 0;
  for await (const chunk of chunks(from)) bytes += chunk.length;
  return bytes;
}

/** Reads a length, then a payload, as one would without a library. */
async function framingLoop(from: Deno.TcpConn): Promise<number> {
  let bytes = 0;
  try {
    while (true) {
      const header = await readExact(from, 4);
      const length = new DataView(header.buffer).getUint32(0);
      bytes += 4 + (await readExact(from, length)).length;
    }
  } catch (error) {
    if (error instanceof UnexpectedEofError && error.received.length === 0) return bytes;
    throw error;
  }
}

/** There and back, one at a time. */
function pingPong(size: number): Contest {
  const frames = 10_000;
  const payload = new Uint8Array(size).fill(7);
  const frame = new LengthEncoder().encode(payload);
  return {
    work: `frames of ${size} B there and back over loopback`,
    frames,
    bytes: frame.length * frames * 2,
    entries: {
      "FramedConn": async () => {
        const [a, b] = await tcpPair();
        using client = new FramedConn(a, framing());
        using server = new FramedConn(b, framing());
        const served = (async () => {
          for await (const message of server) await server.send(message);
        })();
        let seen = 0;
        for (let i = 0; i < frames; i++) {
          await client.send(payload);
          if (await client.receive() !== null) seen++;
        }
        await client.closeWrite();
        await served;
        return seen;
      },
      "bare loop": async () => {
        const [client, server] = await tcpPair();
        using _client = client;
        using _server = server;
        const served = (async () => {
          for (let i = 0; i < frames; i++) {
            await writeAll(server, await readExact(server, frame.length));
          }
        })();
        let seen = 0;
        for (let i = 0; i < frames; i++) {
          await writeAll(client, frame);
          await readExact(client, frame.length);
          seen++;
        }
        await served;
        return seen;
      },
    },
    targets: [{ than: "bare loop", least: 0.9 }],
  };
}

const CONTESTS: (() => Contest)[] = [
  () =>
    lengths(16, [
      { than: "it-length-prefixed", least: 10 },
      { than: "it-length-prefixed, lists", least: 10 },
      { of: "M frames/s", least: 10 },
    ]),
  () =>
    lengths(4096, [
      { than: "it-length-prefixed", least: 1.5 },
      { than: "it-length-prefixed, lists", least: 1.5 },
      { of: "GB/s", least: 3 },
    ]),
  () => lengths(65536, [{ of: "GB/s", least: 3 }]),
  linesAsBytes,
  linesAsText,
  () => pingPong(64),
  () => pingPong(4096),
  () => bulk(4096),
  () => bulk(65536),
];

/**
 * CPU seconds that each entry took in each round but the first. Each round begins with another one,
 * so that nobody always comes after the same.
 */
async function hold(contest: Contest, rounds: number): Promise<Map<string, number[]>> {
  const entries = Object.entries(contest.entries);
  const seconds = new Map(entries.map(([who]) => [who, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    const first = round % entries.length;
    for (const [who, run] of [...entries.slice(first), ...entries.slice(0, first)]) {
      const start = process.cpuUsage();
      const seen = await run();
      const { user, system } = process.cpuUsage(start);
      const took = (user + system) / 1e6;
      if (seen !== contest.frames) {
        throw new Error(`${who} saw ${seen} of ${contest.frames} frames`);
      }
      if (round > 0) seconds.get(who)!.push(took);
    }
  }
  return seconds;
}

/** How many times as long `than` took as `one`: the median of what each round says. */
function ratio(one: readonly number[], than: readonly number[]): number {
  return median(one.map((took, round) => than[round]! / took));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function verdict(target: Target, contest: Contest, seconds: Map<string, number[]>): string {
  const ours = target.by ? seconds.get(target.by)! : seconds.values().next().value!;
  const done = target.of === "GB/s" ? contest.bytes / 1e9 : contest.frames / 1e6;
  const [reached, unit] = target.than === undefined
    ? [done / median(ours), target.of!]
    : [ratio(ours, seconds.get(target.than)!), `× ${target.than}`];
  const missed = reached < target.least ? "NOT REACHED: " : "";
  return `${missed}${reached.toFixed(2)} ${unit}, target ${target.least}`;
}

if (import.meta.main) {
  const rounds = Number(Deno.args[0] ?? 7);
  const table = new Table({
    style: { head: [], border: [], compact: true },
    head: ["work", "by", "M frames/s", "MB/s", "×", "target"],
  });
  for (const make of CONTESTS) {
    const contest = make();
    const seconds = await hold(contest, rounds);
    const ours = seconds.values().next().value!;
    for (const [i, [who, all]] of [...seconds].entries()) {
      const took = median(all);
      table.push([
        i === 0 ? contest.work : "",
        who,
        (contest.frames / took / 1e6).toFixed(3),
        (contest.bytes / took / 1e6).toFixed(0),
        ratio(all, ours).toFixed(2),
        i === 0 ? contest.targets.map((it) => verdict(it, contest, seconds)).join("\n") : "",
      ]);
    }
  }
  console.log(
    `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, ${rounds} rounds`,
  );
  console.log(table.toString());
}
