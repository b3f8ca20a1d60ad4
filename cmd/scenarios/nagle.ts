#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Nagle: why write, write, read takes forty milliseconds
 *
 * Chapter §4.2.1: Solution 1 : Protocole avec longueur
 *
 * The chapter's send_message() sends a length and then a text: two small writes,
 * and then it waits for an answer. Nagle's algorithm (RFC 896) keeps the second
 * one back until the first is acknowledged, so that small packets do not flood the
 * net. The other kernel keeps that ACK back, for it hopes to send it along with an
 * answer (RFC 1122, 4.2.3.2: delayed ACK; on Linux 40 ms and more). So each waits
 * for the other, and nobody is at fault.
 *
 * TCP_NODELAY turns Nagle off: this toolkit does so by default, Deno and Python do
 * not. Better still is one write for each message: then there is nothing to keep
 * back. A new connection is spared at first, as Linux begins with quick ACKs.
 *
 *     deno task lab nagle
 *
 * Flags:
 *
 *     --json           print what happens as JSON, one event on each line
 *     --quiet          print the verdict only
 *     --mermaid        print the pictures as a Mermaid sequence diagram
 *     --svg FILE       write the pictures as SVG as well
 *     --pcapng FILE    write the packets for Wireshark as well
 *     --help, --version
 *
 * Exit codes: 0, every check held; 1, one did not; 2, wrong command line.
 *
 * @module
 */

import { dial } from "../../lib/client/dial.ts";
import { FixedDecoder } from "../../lib/framing/fixed.ts";
import { frames } from "../../lib/framing/frames.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { type Duplex, readExact, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** A length and a text. */
const TWO_WRITES = [new Uint8Array(4), new Uint8Array(8)];
const ONE_WRITE = [new Uint8Array(12)];

const WAYS = [
  { name: "two writes", noDelay: false, writes: TWO_WRITES },
  { name: "two writes with TCP_NODELAY", noDelay: true, writes: TWO_WRITES },
  { name: "one write", noDelay: false, writes: ONE_WRITE },
];
const ROUNDS = 12;

/** Three ways to ask, side by side; then a look at two of them. */
export const main = scenario(import.meta, async (lab) => {
  const times = await race(lab);
  const [stalled, ...others] = times;
  const told = WAYS.map(({ name }, way) => `${name}, ${median(times[way]!)} ms`).join("; ");
  lab.say(`The median of ${ROUNDS} rounds: ${told}.`);

  lab.say("Three rounds of two writes. Look at the times.");
  await watch(lab, { noDelay: false });
  for (const [at, other] of others.entries()) {
    // What disturbs a busy machine disturbs all three, and not in most rounds the same one.
    const slower = stalled!.filter((ms, round) => ms > other[round]!).length;
    const { name } = WAYS[at + 1]!;
    lab.check(`in most rounds, two writes took longer than ${name}`, slower > ROUNDS / 2);
  }

  lab.say("The same with TCP_NODELAY.");
  await watch(lab, { noDelay: true });
});

/** How many milliseconds each way took in each round, one after the other. */
async function race({ signal, trace }: Lab): Promise<number[][]> {
  await using server = serveTcp({ signal }, answer);
  using stack = new DisposableStack();
  const runs: { conn: Duplex; writes: readonly Uint8Array[]; times: number[] }[] = [];
  for (const { noDelay, writes } of WAYS) {
    const conn = stack.use(await dial(server.addr, { signal, noDelay }));
    runs.push({ conn, writes, times: [] });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { conn, writes, times } of runs) {
      const start = trace.now();
      await ask(conn, writes);
      times.push(trace.now() - start);
    }
  }
  return runs.map(({ times }) => times);
}

/** Three rounds on the record. */
async function watch(lab: Lab, { noDelay }: { noDelay: boolean }): Promise<void> {
  const { signal } = lab;
  await using server = lab.serve(answer);
  const connect = () => dial(server.addr, { signal, noDelay });
  using client = await lab.connect(server.addr, "client", connect);
  for (let round = 0; round < 3; round++) await ask(client, TWO_WRITES);
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();
}

/** Sends a message in these writes, and waits for the answer. */
async function ask(conn: Duplex, writes: readonly Uint8Array[]): Promise<void> {
  for (const bytes of writes) await writeAll(conn, bytes);
  await readExact(conn, 1);
}

/** A byte for each message. */
async function answer(conn: Duplex): Promise<void> {
  for await (const _ of frames(conn, new FixedDecoder(12))) await writeAll(conn, new Uint8Array(1));
}

function median(times: readonly number[]): string {
  return times.toSorted((a, b) => a - b)[times.length >> 1]!.toFixed(2);
}

if (import.meta.main) await run(main, import.meta);
