#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Half-close on a bad road: FIN swallowed, late, early, and followed by RST
 *
 * Chapter §5.1: shutdown() vs close()
 *
 * A protocol that ends a question by FIN relies on what is between: a FIN that never comes
 * leaves the server waiting, one that comes too early makes half a question look whole, and
 * one that a RST follows means that nobody will hear the answer. A link puts each of these
 * between a client and a server that mean well.
 *
 *     deno task lab half_close_faults
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

import { delayFin } from "../../lib/faults/delay_fin.ts";
import type { Fault } from "../../lib/faults/fault.ts";
import { faultyLink } from "../../lib/faults/faulty_link.ts";
import { finEarly } from "../../lib/faults/fin_early.ts";
import { rstAfterFin } from "../../lib/faults/rst_after_fin.ts";
import { swallowFin } from "../../lib/faults/swallow_fin.ts";
import { type Duplex, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { dialResettable } from "../../lib/stream/resettable.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

const QUESTION = "How many bytes is this?";

/** What both ends saw. */
interface Seen {
  /** What the server took for the whole question. */
  readonly asked: string | undefined;
  /** The same, while the link held FIN back. */
  readonly askedMeanwhile: string | undefined;
  /** What the client heard, or how its reading failed. */
  readonly heard: string;
  /** How the server's answer failed, if it did. */
  readonly refused: string | undefined;
}

/** The same question five times, on a good road and on four bad ones. */
export const main = scenario(import.meta, async (lab) => {
  lab.say("A link without faults: the question, FIN, the answer.");
  const good = await ask(lab);
  lab.check("good: the server has it all", good.asked, QUESTION);
  lab.check("good: the client hears the answer", good.heard, `${QUESTION.length} bytes`);

  lab.say("The link swallows the client's FIN. The server waits for the rest of the question.");
  const swallowed = await ask(lab, swallowFin(), { swallowed: true });
  lab.check(
    "swallowed: the server does not know that this was all",
    swallowed.askedMeanwhile,
    undefined,
  );
  lab.check(
    "swallowed: once the fault is gone FIN arrives",
    swallowed.heard,
    `${QUESTION.length} bytes`,
  );

  lab.say("The link holds FIN back for 50 ms, and nothing else.");
  const late = await ask(lab, delayFin(50));
  lab.check("late: the answer comes all the same", late.heard, `${QUESTION.length} bytes`);

  lab.say("The link says FIN after 8 bytes. Nothing tells the server that this was not all.");
  const early = await ask(lab, finEarly(8));
  lab.check("early: the server takes a part for the whole", early.asked, QUESTION.slice(0, 8));
  lab.check("early: the client gets an answer, and it is wrong", early.heard, "8 bytes");

  lab.say("The link lets FIN pass and resets at once, as a client does that does not wait.");
  const reset = await ask(lab, rstAfterFin(), { tooLate: true });
  lab.check("reset: the question was whole", reset.asked, QUESTION);
  lab.check("reset: the client is told so", reset.heard, "ConnectionReset");
  lab.check("reset: the answer has nowhere to go", reset.refused !== undefined);
});

interface AskOptions {
  /** Waits until the link has swallowed FIN, and then takes the fault away. */
  swallowed?: boolean;
  /** Lets the server answer when the client has heard how it ends. */
  tooLate?: boolean;
}

/** Asks through a link with this fault. */
async function ask(lab: Lab, fault?: Fault, options: AskOptions = {}): Promise<Seen> {
  const asked: string[] = [];
  const refused: string[] = [];
  const heard = Promise.withResolvers<string>();
  await using server = lab.serve(async (conn) => {
    const question = await textOf(conn);
    asked.push(question);
    if (options.tooLate) await heard.promise;
    const answer = new TextEncoder().encode(`${question.length} bytes`);
    do {
      // A kernel takes what is written before the RST is there; then it says so.
      await writeAll(conn, answer).catch((error) => refused.push(error.name));
    } while (options.tooLate && refused.length === 0);
  });
  const swallowed = Promise.withResolvers<void>();
  await using link = await faultyLink(server.addr, {
    up: fault ? [{ name: "fault", fault }] : [],
    onEvent: ({ what }) => what === "swallowed FIN" && swallowed.resolve(),
  });
  const dialling = () => dialResettable(link.addr, { signal: lab.signal });
  using client = await lab.connect(link.addr, "client", dialling);
  await writeAll(client, new TextEncoder().encode(QUESTION));
  await client.closeWrite();
  if (options.swallowed) await swallowed.promise;
  const askedMeanwhile = options.swallowed ? asked[0] : undefined;
  if (options.swallowed) link.remove("fault");
  heard.resolve(await textOf(client).catch((error) => error.name));
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();
  return { asked: asked[0], askedMeanwhile, heard: await heard.promise, refused: refused[0] };
}

async function textOf(conn: Duplex): Promise<string> {
  return new TextDecoder().decode(await readToEnd(conn));
}

if (import.meta.main) await run(main, import.meta);
