#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Chat: everybody speaks and listens at once, and one who does not listen
 *
 * Chapter §4.4: Communication bidirectionnelle simultanée
 *
 * TCP is full-duplex: on one connection, both ends speak and listen at the same
 * time. The chapter's client has a thread for each direction; here two `await`
 * loops do. A server that passes on what each person says to all others meets the
 * real difficulty: somebody who does not read. When the two kernels are full, a
 * write to that person waits, and who waited with it would keep all others
 * waiting.
 *
 * So each reader has a queue of their own, and the queue has an end. When it is
 * full there are three ways to go on: keep what waits and drop what comes, drop
 * the oldest, or say goodbye.
 *
 *     deno task lab chat
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
import { LineConn } from "../../lib/framing/messages.ts";
import { chat, type ChatOptions } from "../../lib/server/chat.ts";
import { ChatRoom } from "../../lib/server/chat_room.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { type Duplex, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { FailureError, run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

const LIFELINES = ["ada", "room", "bob", "cyd"];

/** 16 MiB in lines of 8 KiB: more than both kernels hold for one connection. */
const TEXT = "x".repeat(8000);
const LINES = 2048;

/** A conversation; then three floods past somebody who does not read. */
export const main = scenario(import.meta, async (lab) => {
  await conversation(lab);

  for (const slow of ["buffer", "drop", "disconnect"] as const) {
    lab.say(`${slow}: ada says 16 MiB, and bob reads nothing of it before she is done.`);
    const { heardByCyd, left, found, missed, half } = await flood(lab, slow);
    lab.draw({ lifelines: ["room", "bob"] });
    lab.check(`${slow}: cyd heard all of it, as ada said it`, heardByCyd, LINES);
    lab.check(`${slow}: bob missed some`, found.length < LINES);
    const why = slow === "disconnect" ? "read too slowly" : "quit";
    lab.check(`${slow}: cyd is told why he left`, left, `* bob left (${why})`);
    if (slow === "disconnect") continue;
    lab.check(`${slow}: he is told how many`, found.length + missed, LINES);
    lab.check(`${slow}: what he found was whole lines`, half, "");
    const last = slow === "buffer" ? found.length - 1 : LINES - 1;
    const which = slow === "buffer" ? "first, up to the gap" : "last, after the gap";
    lab.check(`${slow}: he has what she said ${which}`, found.at(-1), last);
  }
});

async function conversation(lab: Lab): Promise<void> {
  const handler = chat();
  await using server = lab.serve((conn) => handler(conn, lab), "room");
  const join = async (name: string) => entered(await lab.dial(server.addr, name), name);

  lab.say("The first line that each sends is a name.");
  using ada = await join("ada");
  using bob = await join("bob");
  using cyd = await join("cyd");
  lab.draw({ lifelines: LIFELINES });

  lab.say("ada and cyd speak at the same time, and everybody listens while speaking.");
  await Promise.all([ada.send("hello!"), cyd.send("good morning")]);
  const byBob = [await said(bob), await said(bob)].toSorted();
  const [byAda, byCyd] = [await said(ada), await said(cyd)];
  for (const person of [cyd, bob, ada]) {
    await person.send("/quit");
    await heard(person, "Goodbye!");
    person[Symbol.dispose]();
  }
  await server.idle();
  lab.draw({ lifelines: LIFELINES });

  lab.check("bob heard both", byBob, ["ada: hello!", "cyd: good morning"]);
  lab.check("ada heard cyd, and not herself", byAda, "cyd: good morning");
  lab.check("cyd heard ada, and not herself", byCyd, "ada: hello!");
}

/** What came of a flood. */
interface Flood {
  /** How many of ada's lines cyd heard, in order and with none missing. */
  heardByCyd: number;
  /** What cyd was told when bob left. */
  left: string;
  /** Which of ada's lines bob found when he read at last. */
  found: number[];
  /** How many lines he was told that he had missed. */
  missed: number;
  /** The words in which he was told so, or sent away. */
  told: string | undefined;
  /** What he found after the last newline. */
  half: string;
}

/** Lets ada say all of it to cyd, and to bob, who listens only then. He is on the record. */
async function flood(lab: Lab, slow: NonNullable<ChatOptions["slow"]>): Promise<Flood> {
  const { signal } = lab;
  const handler = chat(new ChatRoom(), { slow, maxLine: 8192 });
  await using server = serveTcp({ signal }, (conn, info) => {
    return handler(info.id === 2 ? lab.accepted(conn, "room") : conn, info);
  });
  using ada = await entered(await dial(server.addr, { signal }), "ada");
  using bob = await lab.dial(server.addr, "bob");
  await writeAll(bob, new TextEncoder().encode("bob\n"));
  await heard(ada, "* bob joined");
  using cyd = await entered(await dial(server.addr, { signal }), "cyd");

  let heardByCyd = 0;
  const news: string[] = [];
  for (let said = 0; said < LINES;) {
    // A little at a time, so that cyd keeps up with her, however busy this machine is.
    for (const end = said + 16; said < end; said++) await ada.send(`${said} ${TEXT}`);
    for (; heardByCyd < said; heardByCyd++) await heard(cyd, `ada: ${heardByCyd} `, news);
  }
  lab.say(`All ${LINES} lines have reached cyd. Now bob reads, too.`);
  if (slow !== "disconnect") await writeAll(bob, new TextEncoder().encode("/quit\n"));
  const text = new TextDecoder().decode(await readToEnd(bob, { maxBytes: 32 * 1024 * 1024 }));
  const bobs = account(text);
  lab.say(`He finds ${bobs.found.length} of them, and "${bobs.told ?? bobs.half}"`);
  // Who was sent away may have gone long before she was done.
  const went = (line: string) => line.startsWith("* bob left");
  const left = news.find(went) ?? await heard(cyd, "* bob left");
  return { heardByCyd, left, ...bobs };
}

function account(text: string): Omit<Flood, "heardByCyd" | "left"> {
  const lines = text.split("\n");
  const half = lines.pop() ?? "";
  const found = lines.flatMap((line) => /^ada: (\d+) x+$/.exec(line)?.slice(1).map(Number) ?? []);
  const told = lines.findLast((line) => /^… |^\* you read/.test(line));
  return { found, missed: Number(/\d+/.exec(told ?? "0")), told, half };
}

/** The next line that somebody says. */
async function said(person: LineConn): Promise<string | undefined> {
  for await (const line of person) if (/^\w+: /.test(line)) return line;
  return undefined;
}

/** Says the name, and waits to be let in. */
async function entered(conn: Duplex, name: string): Promise<LineConn> {
  const person = new LineConn(conn);
  await person.send(name);
  await heard(person, `* you are ${name}`);
  return person;
}

/** The next line that begins so. What comes before it is news, and nothing that somebody says. */
async function heard(person: LineConn, start: string, news: string[] = []): Promise<string> {
  for await (const line of person) {
    if (line.startsWith(start)) return line;
    news.push(line);
    if (/^\w+: /.test(line)) throw new FailureError(`expected "${start}", and heard "${line}"`);
  }
  throw new FailureError(`expected "${start}", and heard no more`);
}

if (import.meta.main) await run(main, import.meta);
