#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=ss,tcpdump
/**
 * Reset: RST ends it all at once, and what was on its way is lost
 *
 * Chapter §5.3: Fermeture gracieuse vs brutale
 *
 * RST says: forget it. Nothing is acknowledged and nobody waits, so there is no
 * TIME-WAIT; but nothing is delivered either. Bytes that the sender's kernel still
 * held are gone, although every write() had succeeded, and the peer's read() fails
 * with ECONNRESET once it has taken what had come by then.
 *
 * A program that only reads can tell the ends of a connection apart, if it listens
 * to what its calls say: FIN, FIN and then RST, RST, silence, or its own closing.
 * Each leaves something else in the kernel.
 *
 *     deno task lab reset
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

import { type Duplex, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import type { Ending, EndingKind } from "../../lib/stream/ending.ts";
import { endingOf, type EndingOfOptions } from "../../lib/stream/ending_of.ts";
import { dialResettable, type ResettableConn } from "../../lib/stream/resettable.ts";
import { run } from "../_cli.ts";
import type { Lab, LabServer, OnRecord } from "./_lab.ts";
import { scenario } from "./_scenario.ts";
import type { Expected } from "./_states.ts";

/** A reset with bytes on their way, and then each way to end, told from the other end. */
export const main = scenario(import.meta, async (lab) => {
  await inTheMiddle(lab);
  await endings(lab);
});

type ResettableLabConn = OnRecord<ResettableConn>;

function dialed(lab: Lab, { addr }: LabServer): Promise<ResettableLabConn> {
  return lab.connect(addr, "client", () => dialResettable(addr, { signal: lab.signal }));
}

/** More than the peer's kernel takes while nobody reads, and less than ours holds. */
const UPLOAD = new Uint8Array(1024 * 1024);

async function inTheMiddle(lab: Lab): Promise<void> {
  const reading = Promise.withResolvers<void>();
  let received = 0;
  let said: string | undefined;
  lab.say("The client writes 1 MiB, and every write passes. The server does not read yet.");
  await using server = lab.serve(async (conn) => {
    await reading.promise;
    const { error } = await endingOf(conn, { onData: ({ length }) => void (received += length) });
    said = (error as { code?: string } | undefined)?.code;
  });
  const wire = await lab.wire(server.addr);
  using client = await dialed(lab, server);
  await writeAll(client, UPLOAD);
  await lab.checkState("before: both ends are ESTABLISHED", client, {
    client: "ESTABLISHED",
    server: "ESTABLISHED",
  }, { details: true });

  lab.say("Then it resets.");
  client.reset();
  await lab.checkState("RST: both kernels have forgotten it, and nobody waits", client, {
    client: "CLOSED",
    server: "CLOSED",
  });
  await lab.checkWire("RST: one segment, and no answer to it", wire, ["client RST-ACK"], {
    flags: ["FIN", "RST"],
  });

  lab.say("The server reads what had come by then, and after that it learns of the reset.");
  reading.resolve();
  await server.idle();
  lab.draw();
  lab.check("RST: the peer's read fails", said, "ECONNRESET");
  lab.check("RST: what had come before it can still be read", received > 0);
  lab.check("RST: the rest is lost, although every write had passed", received < UPLOAD.length);
}

/** A way to end a connection. */
interface Way {
  /** What it is called by whoever is at the other end. */
  readonly how: EndingKind;
  /** What the client does, in words. */
  readonly words: string;
  /** Whether all that the client wrote is known to have come. */
  readonly whole: boolean;
  /** The client's part. */
  end(client: ResettableLabConn): Promise<void> | void;
  /** How the server listens. */
  readonly listening?: EndingOfOptions;
  /** What the server does meanwhile. */
  meanwhile?(conn: Duplex): void;
  /** What the kernel is left with once the server has closed as well. */
  readonly left: Expected;
}

const GONE: Expected = { client: "CLOSED", server: "CLOSED" };

const WAYS: readonly Way[] = [
  {
    how: "fin",
    words: "FIN: the client has said all, and still listens.",
    whole: true,
    end: (client) => client.closeWrite(),
    left: { client: "TIME-WAIT", server: "CLOSED" },
  },
  {
    how: "fin-rst",
    words: "FIN, then RST: the client has closed, and takes no answer.",
    whole: true,
    end: (client) => client[Symbol.dispose](),
    listening: { probe: new Uint8Array(1), probeWait: 50 },
    left: GONE,
  },
  {
    how: "rst",
    words: "RST: the client has broken off.",
    whole: false,
    end: (client) => client.reset(),
    left: GONE,
  },
  {
    how: "silence",
    words: "Silence: the client thinks, or is gone. Nobody can tell from here.",
    whole: false,
    end: () => {},
    listening: { timeout: 50 },
    // It was the server who closed first, out of patience.
    left: { client: "CLOSED", server: "TIME-WAIT" },
  },
  {
    how: "local",
    words: "Local: the server itself closes while it listens.",
    whole: false,
    end: () => {},
    meanwhile: (conn) => conn[Symbol.dispose](),
    left: { client: "CLOSED", server: "TIME-WAIT" },
  },
];

async function endings(lab: Lab): Promise<void> {
  for (const way of WAYS) {
    const ending = Promise.withResolvers<Ending>();
    const heard = Promise.withResolvers<void>();
    lab.say(way.words);
    await using server = lab.serve(async (conn) => {
      const listening = endingOf(conn, { ...way.listening, onData: () => heard.resolve() });
      await heard.promise;
      way.meanwhile?.(conn);
      ending.resolve(await listening);
    });
    using client = await dialed(lab, server);
    await writeAll(client, new TextEncoder().encode("some bytes"));
    await heard.promise;
    await way.end(client);
    const { how, whole, bytesRead } = await ending.promise;
    await server.idle();
    // Who is still there hears the server's FIN, and closes too.
    if (way.how !== "rst" && way.how !== "fin-rst") await readToEnd(client).catch(() => {});
    client[Symbol.dispose]();
    await lab.checkState(`${way.how}: so much is left in the kernel`, client, way.left);
    lab.check(`${way.how}: the server knows that it was this`, how, way.how);
    lab.check(`${way.how}: whether that was all, it knows as well`, [whole, bytesRead], [
      way.whole,
      10,
    ]);
    lab.draw();
  }
}

if (import.meta.main) await run(main, import.meta);
