#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * HTTP over raw TCP: where the head ends, and where the body does
 *
 * Chapter §4.2.3: Cas d'usage réel : protocole HTTP
 *
 * An HTTP response is lines, an empty line, and a body. Where the body ends can be
 * said in four ways: Content-Length, chunks, the end of the connection, and, as
 * the answer to HEAD, not at all.
 *
 * The chapter's recv_http_response() reads until it sees the empty line, and then
 * as many bytes as Content-Length says. But a read stops where it likes: what it
 * took of the body along with the head is thrown away, and then missing. And it
 * knows only one of the four ways. Here it runs next to the decoder of this
 * toolkit, on the same answers.
 *
 *     deno task lab http_get
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

import { frames } from "../../lib/framing/frames.ts";
import { encodeHttpRequest } from "../../lib/framing/http_request.ts";
import { HttpRequestHeadDecoder } from "../../lib/framing/http_request_head.ts";
import { WholeHttpResponseDecoder } from "../../lib/framing/http_whole_response.ts";
import { type Duplex, readExact, UnexpectedEofError, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

const PAGE = "<h1>Bonjour</h1>\n";
const OK = "HTTP/1.1 200 OK\r\nConnection: close\r\n";

/** What the server answers, in one write each, and then it closes. */
const ANSWERS: Record<string, string> = {
  "GET /length": `${OK}Content-Length: ${PAGE.length}\r\n\r\n${PAGE}`,
  "GET /chunks": `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\n<h1>\r\nd\r\n${
    PAGE.slice(4)
  }\r\n0\r\n\r\n`,
  "GET /end": `HTTP/1.0 200 OK\r\n\r\n${PAGE}`,
  "HEAD /length": `${OK}Content-Length: ${PAGE.length}\r\n\r\n`,
};

/** The four ways, each read by the chapter's reader and by ours. */
export const main = scenario(import.meta, async (lab) => {
  const missing = `${PAGE.length} bytes are missing`;

  lab.say("The length is told, and head and body come in one segment.");
  const length = await get(lab, "GET /length");
  const [read] = lab.calls("client", "read");
  lab.check("Content-Length: one read had all of it", read?.bytes, ANSWERS["GET /length"]!.length);
  lab.check("Content-Length, the chapter's reader: it has lost them", length.chapter, missing);
  lab.check("Content-Length: the page is whole", length.ours, PAGE);

  lab.say("Chunks: each says how long it is, and an empty one is the last.");
  const chunks = await get(lab, "GET /chunks");
  lab.check("chunked, the chapter's reader: takes it for an empty page", chunks.chapter, "");
  lab.check("chunked: the page is whole, without what was between the chunks", chunks.ours, PAGE);

  lab.say("Nothing is told, as in HTTP/1.0: the body ends with the connection.");
  const end = await get(lab, "GET /end");
  lab.check("until close, the chapter's reader: takes it for an empty page", end.chapter, "");
  lab.check("until close: the page is whole", end.ours, PAGE);

  lab.say("HEAD: the length of a body that does not come.");
  const head = await get(lab, "HEAD /length");
  lab.check("HEAD, the chapter's reader: waits for it, in vain", head.chapter, missing);
  lab.check("HEAD: there is no body, and nothing is missing", head.ours, "");
});

/** What the body of an answer is to both readers. */
async function get(lab: Lab, request: string): Promise<Record<"chapter" | "ours", string>> {
  const [method = "", target = ""] = request.split(" ");
  await using server = lab.serve(async (conn) => {
    for await (const { method, target } of frames(conn, new HttpRequestHeadDecoder())) {
      await writeAll(conn, new TextEncoder().encode(ANSWERS[`${method} ${target}`]));
      return;
    }
  });
  const ask = async (read: (conn: Duplex) => Promise<string>) => {
    using conn = await lab.dial(server.addr);
    await writeAll(conn, encodeHttpRequest({ method, host: "localhost", target }));
    return await read(conn);
  };
  const chapter = await ask(chaptersBody);
  lab.say(`Read by the chapter's reader: ${shown(chapter)}. The same once more:`);
  const ours = await ask((conn) => wholeBody(conn, method));
  await server.idle();
  lab.say(`Read by the decoder: ${shown(ours)}.`);
  lab.draw();
  return { chapter, ours };
}

/** The chapter's recv_http_response(), line by line. */
async function chaptersBody(conn: Duplex): Promise<string> {
  const buffer = new Uint8Array(1024);
  let headers = "";
  while (!headers.includes("\r\n\r\n")) {
    const n = await conn.read(buffer);
    if (n === null) break;
    headers += new TextDecoder().decode(buffer.subarray(0, n));
  }
  let length = 0;
  for (const line of headers.split("\r\n")) {
    if (line.startsWith("Content-Length:")) length = Number(line.split(":")[1]);
  }
  try {
    return new TextDecoder().decode(await readExact(conn, length));
  } catch (error) {
    if (!(error instanceof UnexpectedEofError)) throw error;
    return `${error.wanted - error.received.length} bytes are missing`;
  }
}

/** The decoder keeps what came with the head, and knows all four ways. */
async function wholeBody(conn: Duplex, method: string): Promise<string> {
  const decoder = new WholeHttpResponseDecoder({ request: { method } });
  for await (const { body } of frames(conn, decoder)) return new TextDecoder().decode(body);
  return "no answer";
}

function shown(body: string): string {
  return body === "" ? "no body" : body.trim();
}

if (import.meta.main) await run(main, import.meta);
