/**
 * HTTP over raw TCP: one request, and its response as it arrives.
 *
 * It follows no redirect, keeps no cookie and decodes no compression: what the server said
 * is what comes out.
 *
 * @example Ask a web server, and read what it says
 * ```ts
 * import { httpGet } from "@tcplab/tcplab/client";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen: () => {} }, () => new Response("hello"));
 *
 * using answer = await httpGet(`http://localhost:${server.addr.port}/`);
 * assertEquals(answer.head.status, 200);
 * assertEquals(answer.head.fields.get("content-length"), "5");
 *
 * let body = "";
 * for await (const bytes of answer.body()) body += new TextDecoder().decode(bytes);
 * assertEquals(body, "hello");
 * ```
 *
 * @module
 */

import { FramedConn } from "../framing/frames.ts";
import { type HttpField, HttpFields } from "../framing/http_fields.ts";
import type { HttpLimits } from "../framing/http_head.ts";
import { encodeHttpRequest, type HttpRequest, isHost } from "../framing/http_request.ts";
import {
  HttpResponseDecoder,
  type HttpResponseEvent,
  type HttpResponseHead,
} from "../framing/http_response.ts";
import { realWorld, type World } from "../world.ts";
import { dial } from "./dial.ts";

/** Options for {@linkcode httpGet}. */
export interface HttpGetOptions extends HttpLimits {
  /**
   * `"HEAD"` asks for the head alone.
   *
   * @default {"GET"}
   */
  method?: "GET" | "HEAD";
  /**
   * Further fields, in order. `Host` and `Connection: close` are sent anyway.
   *
   * @default {[]}
   */
  fields?: Iterable<HttpField>;
  /**
   * The most milliseconds that connecting may take, then each whole head, interim ones too,
   * however busily it dribbles, and then each wait for the next piece of the body.
   *
   * @default {10000}
   */
  timeout?: number;
  /** Ends it: whatever waits rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Where a URL leads, and what is asked for there. */
export interface HttpTarget {
  /** The host to connect to; an IPv6 address without brackets. */
  readonly hostname: string;
  /** The port; 80 if the URL names none. */
  readonly port: number;
  /** Whom it is for, as in the `Host` field. */
  readonly host: string;
  /** The path and the query. */
  readonly target: string;
}

/**
 * Reads an `http:` URL. Its fragment is for whoever asked, and is not sent.
 *
 * @throws {TypeError} If it is no URL, or `https:`, for which TLS is missing here, or
 * carries a name and a password, which would go over the wire in the clear, or leads to a
 * host that no `Host` field can name, or to port 0. The message repeats no password.
 */
export function httpTarget(url: string | URL): HttpTarget {
  const parsed = URL.parse(url);
  // "localhost:8000" is a URL, of a scheme called localhost: nobody means that.
  if (parsed === null || parsed.protocol !== "http:" && !parsed.href.includes("://")) {
    throw wrongUrl("look like http://example.com/ or http://127.0.0.1:8000/file", url);
  }
  if (parsed.protocol !== "http:") {
    const why = parsed.protocol === "https:" ? ", since there is no TLS here" : "";
    throw wrongUrl(`start with http://${why}`, url);
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw wrongUrl("carry no name and password, which would be sent in the clear", parsed.host);
  }
  if (!isHost(parsed.host)) throw wrongUrl("name a host or an address", parsed.host);
  if (parsed.port === "0") throw wrongUrl("name a port from 1 to 65535", parsed.host);
  return {
    hostname: parsed.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(parsed.port || 80),
    host: parsed.host,
    target: parsed.pathname + parsed.search,
  };
}

function wrongUrl(rule: string, url: string | URL): TypeError {
  const shown = String(url).replace(/^([^/]*\/\/)?.*@/s, "$1…@"); // a URL that is none may have a password
  return new TypeError(`Cannot get as the URL must ${rule}: current value is ${shown}`);
}

/** A response whose head has come; its body comes as it is asked for. Dispose it. */
export class HttpAnswer implements Disposable {
  /** Interim responses (1xx) that came ahead of it. */
  readonly interim: readonly HttpResponseHead[];
  /** What stands before the body. */
  readonly head: HttpResponseHead;
  /** Fields behind the body; empty until that was read to its end. */
  trailers: HttpFields = new HttpFields();
  readonly #conn: Disposable;
  readonly #next: () => Promise<HttpResponseEvent | null>;

  /** Takes over `conn`, on which `next` finds the events that follow the head. */
  constructor(
    conn: Disposable,
    next: () => Promise<HttpResponseEvent | null>,
    [head, ...interim]: readonly [HttpResponseHead, ...HttpResponseHead[]],
  ) {
    this.#conn = conn;
    this.#next = next;
    this.head = head;
    this.interim = interim;
  }

  /**
   * The body as it arrives; what came along with the head is its first piece. To be read
   * once. It ends only where the response does, never where the connection breaks.
   *
   * @throws {FrameError} If the response ends too early, or is no HTTP.
   * @throws {DOMException} `"TimeoutError"` if the server is silent for too long.
   */
  async *body(): AsyncGenerator<Uint8Array, void> {
    for (let event = await this.#next(); event !== null; event = await this.#next()) {
      if (event.type === "body") yield event.bytes;
      if (event.type === "end") {
        this.trailers = event.trailers;
        return;
      }
    }
  }

  /** Closes the connection, whatever is still to come. */
  [Symbol.dispose](): void {
    this.#conn[Symbol.dispose]();
  }
}

/**
 * Connects, sends the request, and resolves when the response's head is here.
 *
 * @throws {TypeError} If the URL or a field is wrong; nothing was sent then.
 * @throws {RangeError} If a limit limits nothing; nothing was sent then.
 * @throws {DialError} If it cannot connect.
 * @throws {FrameError} If what comes is no HTTP, or ends too early.
 * @throws {DOMException} `"TimeoutError"` if the head does not come in time.
 */
export async function httpGet(
  url: string | URL,
  options: HttpGetOptions = {},
): Promise<HttpAnswer> {
  const { method = "GET", fields = [], timeout = 10_000, signal, world = realWorld } = options;
  const { hostname, port, host, target } = httpTarget(url);
  const request = { method, host, target, fields: [...fields, ["Connection", "close"]] } as const;
  encodeHttpRequest(request); // a wrong field should not cost a connection, nor a wrong limit
  const decoder = new HttpResponseDecoder({ ...options, request: { method } });

  const conn = new FramedConn<HttpResponseEvent, HttpRequest>(
    await dial({ hostname, port }, { timeout, signal, world }),
    {
      decoder,
      encoder: { encode: encodeHttpRequest },
      world,
    },
  );
  const next = () => conn.receive({ timeout, signal });
  try {
    await conn.send(request);
    const interim: HttpResponseHead[] = [];
    while (true) {
      const event = (await next())!; // FIN ahead of the head is no null but the decoder's error
      if (event.type === "interim") interim.push(event);
      if (event.type === "head") return new HttpAnswer(conn, next, [event, ...interim]);
    }
  } catch (error) {
    conn[Symbol.dispose]();
    throw error;
  }
}
