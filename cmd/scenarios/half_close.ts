#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Half-close: saying that you are done, and still hearing the answer
 *
 * Chapter §5.1: shutdown() vs close()
 *
 * A connection is two streams, one each way, and each is ended by itself. Here a
 * client sends a file, then FIN: `closeWrite()`, which C calls shutdown(SHUT_WR).
 * That FIN is how the server knows that it has everything, and only then it
 * confirms. A client that called `close()` instead could not hear that any more.
 *
 *     deno task lab half_close
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

import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import { scenario } from "./_scenario.ts";

/** A file of three lines, sent one by one. */
const LINES = ["first line\n", "second line\n", "third line\n"];

/** Sends all, says FIN, then receives the confirmation. */
export const main = scenario(import.meta, async (lab) => {
  const encoder = new TextEncoder();
  let received = 0;

  lab.say("The server reads until the client's FIN. Only then it confirms what it got.");
  await using server = lab.serve(async (conn) => {
    received = (await readToEnd(conn)).length;
    await writeAll(conn, encoder.encode(`got ${received} bytes`));
  });
  using client = await lab.dial(server.addr);
  for (const line of LINES) await writeAll(client, encoder.encode(line));

  lab.say("The client has sent all and says so: FIN. It keeps its own ears open.");
  await client.closeWrite();
  const confirmation = new TextDecoder().decode(await readToEnd(client));

  lab.say("What it may not do any more is send.");
  const refusal = await writeAll(client, encoder.encode("one more thing")).catch((error) => error);
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();

  const sent = LINES.join("").length;
  lab.check("FIN came after all the bytes", received, sent);
  lab.check("the answer came back after FIN", confirmation, `got ${sent} bytes`);
  const [fin] = lab.calls("client", "closeWrite");
  const [answer] = lab.calls("server", "write");
  lab.check("the server wrote it after the client had said FIN", answer!.at > fin!.at);
  lab.check("after FIN, a write is refused", refusal instanceof Deno.errors.BrokenPipe);
});

if (import.meta.main) await run(main, import.meta);
