/**
 * Asks a web server for a page: whether the status, and perhaps the body, are as they should.
 *
 * @module
 */

import { formatAddr } from "../addr.ts";
import { FrameError } from "../framing/decoder.ts";
import type { HttpField } from "../framing/http_fields.ts";
import { encodeHttpRequest } from "../framing/http_request.ts";
import { type HttpResponse, WholeHttpResponseDecoder } from "../framing/http_whole_response.ts";
import { type Duplex, writeAll } from "../stream/conn.ts";
import { TimedReader } from "../stream/timed_reader.ts";
import type { Probe } from "./health.ts";
import {
  connect,
  type Finding,
  late,
  ProbeError,
  type ProbeTarget,
  probing,
  type ReadOptions,
} from "./probes.ts";

/** Options for {@linkcode httpProbe}. */
export interface HttpProbeOptions {
  /**
   * What to do.
   *
   * @default {"GET"}
   */
  method?: string;
  /**
   * What to ask for: a path with its query.
   *
   * @default {"/"}
   */
  path?: string;
  /**
   * The `Host` field.
   *
   * @default {undefined} The address that is checked.
   */
  host?: string;
  /**
   * Further fields.
   *
   * @default {[]}
   */
  fields?: Iterable<HttpField>;
  /**
   * Which status is good: one, or a test.
   *
   * @default {(status) => status >= 200 && status < 400}
   */
  status?: number | ((status: number) => boolean);
  /**
   * What the body must contain, as UTF-8.
   *
   * @default {""}
   */
  body?: string;
  /**
   * The most bytes of a body to read; a longer one is no good.
   *
   * @default {65536}
   */
  maxBody?: number;
}

/**
 * Whether a web server answers as it should. The response is read to its end, and the request
 * asks for `Connection: close`.
 *
 * @throws {TypeError} If the request would be none.
 */
export function httpProbe(options: HttpProbeOptions = {}): Probe<ProbeTarget> {
  const { method = "GET", path = "/", host, fields = [], status = isGood } = options;
  const { body = "", maxBody = 65536 } = options;
  const wanted = typeof status === "number" ? (got: number) => got === status : status;
  const request = (target: ProbeTarget) =>
    encodeHttpRequest({
      method,
      target: path,
      host: host ?? formatAddr(target),
      fields: [...fields, ["User-Agent", "tcplab"], ["Connection", "close"]],
    });
  request({ hostname: "localhost", port: 80 }); // a wrong one should not wait for the first check
  return probing(connect, async (conn, left, target) => {
    await writeAll(conn, request(target));
    const response = await receive(
      conn,
      new WholeHttpResponseDecoder({
        request: { method },
        maxBody,
      }),
      left,
    );
    return judge(response, wanted, body);
  });
}

function isGood(status: number): boolean {
  return status >= 200 && status < 400;
}

async function receive(
  conn: Duplex,
  decoder: WholeHttpResponseDecoder,
  left: () => ReadOptions,
): Promise<HttpResponse> {
  const reader = new TimedReader(conn, left());
  try {
    while (true) {
      const buffer = new Uint8Array(4096);
      const n = await late(() => reader.read(buffer, left()), "L7TOUT", "no whole response");
      if (n === null) decoder.end();
      else decoder.push(buffer.subarray(0, n));
      const response = decoder.next();
      if (response !== undefined) return response;
      if (n === null) throw new ProbeError("L7RSP", "the server closed without a response");
    }
  } catch (error) {
    if (error instanceof FrameError) throw new ProbeError("L7RSP", error.message);
    throw error;
  }
}

function judge(response: HttpResponse, wanted: (status: number) => boolean, body: string): Finding {
  const line = `HTTP ${response.status} ${response.reason}`.trimEnd();
  if (!wanted(response.status)) return { ok: false, status: "L7STS", detail: line };
  if (!new TextDecoder().decode(response.body).includes(body)) {
    return { ok: false, status: "L7RSP", detail: `${line}, without ${JSON.stringify(body)}` };
  }
  return { ok: true, status: "L7OK", detail: line };
}
