/**
 * The opening handshake of a WebSocket over a connection, on either side. From then on it is
 * a {@linkcode WebSocketConn}.
 *
 * @example A server that lets only one page in
 * ```ts
 * import { connectWebSocket, upgradeWebSocket } from "@tcplab/tcplab/framing";
 * import { memoryPair } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [here, there] = memoryPair();
 * const [client, server] = await Promise.allSettled([
 *   connectWebSocket(here, { host: "lab", fields: [["Origin", "https://evil.example"]] }),
 *   upgradeWebSocket(there, { welcome: ({ fields }) => fields.get("origin") === "https://lab" }),
 * ]);
 * assertEquals([client.status, server.status], ["rejected", "rejected"]);
 * ```
 *
 * @module
 */

import { type Duplex, writeAll } from "../stream/conn.ts";
import { FrameError } from "./decoder.ts";
import { frames } from "./frames.ts";
import type { HttpLimits } from "./http_head.ts";
import { type HttpRequestHead, HttpRequestHeadDecoder } from "./http_request_head.ts";
import { HttpResponseDecoder } from "./http_response.ts";
import { acceptWebSocket, type AcceptWebSocketOptions } from "./websocket_accept.ts";
import { WebSocketConn, type WebSocketConnOptions } from "./websocket_conn.ts";
import { WebSocketHandshakeError, webSocketKey } from "./websocket_handshake.ts";
import {
  checkWebSocketResponse,
  encodeWebSocketRequest,
  type WebSocketRequest,
} from "./websocket_request.ts";

/** What both sides of the handshake take. */
export interface OpenWebSocketOptions extends WebSocketConnOptions, HttpLimits {
  /** Ends the handshake by cutting the connection; afterwards it means nothing. */
  signal?: AbortSignal | undefined;
}

/** Options for {@linkcode connectWebSocket}. */
export interface ConnectWebSocketOptions
  extends OpenWebSocketOptions, Omit<WebSocketRequest, "key"> {}

/** Options for {@linkcode upgradeWebSocket}. */
export interface UpgradeWebSocketOptions extends OpenWebSocketOptions, AcceptWebSocketOptions {
  /**
   * Whether a request is let in, by its `Origin` or cookies say; otherwise it is answered 403.
   *
   * @default {() => true}
   */
  welcome?: (request: HttpRequestHead) => boolean;
}

/**
 * Asks the server at the other end of `conn` for a WebSocket.
 *
 * If it fails, `conn` stays the caller's to dispose.
 *
 * @throws {WebSocketHandshakeError} If the server refuses, or what it says does not fit.
 * @throws {FrameError} If it does not speak HTTP/1.1, or ends the stream.
 */
export function connectWebSocket(
  conn: Duplex,
  options: ConnectWebSocketOptions,
): Promise<WebSocketConn> {
  return unlessAborted(conn, options.signal, async () => {
    const key = webSocketKey(crypto.getRandomValues(new Uint8Array(16)));
    await writeAll(conn, encodeWebSocketRequest({ ...options, key }));
    const decoder = new HttpResponseDecoder({ ...options, request: { upgrade: true } });
    let protocol: string | undefined;
    for await (const event of frames(conn, decoder)) {
      if (event.type === "head") protocol = checkWebSocketResponse(event, { ...options, key });
      if (event.type === "end") break;
    }
    const rest = decoder.rest();
    return new WebSocketConn(conn, { ...options, role: "client", protocol, rest });
  });
}

/**
 * Waits for a client at the other end of `conn` to ask for a WebSocket, and agrees. Who asks
 * in a wrong way is told so in a response.
 *
 * If it fails, `conn` stays the caller's to dispose.
 *
 * @throws {WebSocketHandshakeError} If the request is not one for a WebSocket, or not welcome.
 * @throws {FrameError} If it is no HTTP/1.1 request, or ends in the middle.
 */
export function upgradeWebSocket(
  conn: Duplex,
  options: UpgradeWebSocketOptions = {},
): Promise<WebSocketConn> {
  return unlessAborted(conn, options.signal, async () => {
    const decoder = new HttpRequestHeadDecoder(options);
    try {
      const request = await receiveRequest(conn, decoder);
      if (options.welcome && !options.welcome(request)) {
        throw new WebSocketHandshakeError(403, "the request must be welcome");
      }
      const { response, protocol } = acceptWebSocket(request, options);
      await writeAll(conn, response);
      const rest = decoder.rest();
      return new WebSocketConn(conn, { ...options, role: "server", protocol, rest });
    } catch (error) {
      const refusal = error instanceof FrameError
        ? new WebSocketHandshakeError(error.code === "too-long" ? 431 : 400, error.message)
        : error;
      if (refusal instanceof WebSocketHandshakeError) {
        await writeAll(conn, refusal.response()).catch(() => {}); // the peer may be gone
      }
      throw error;
    }
  });
}

async function receiveRequest(
  conn: Duplex,
  decoder: HttpRequestHeadDecoder,
): Promise<HttpRequestHead> {
  for await (const request of frames(conn, decoder)) return request;
  throw new WebSocketHandshakeError(400, "the client must ask for it before it ends the stream");
}

/** A pending read cannot be taken back, so the connection is cut. */
async function unlessAborted<T>(
  conn: Duplex,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const cut = () => conn[Symbol.dispose]();
  signal?.addEventListener("abort", cut, { once: true });
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cut);
  }
}
