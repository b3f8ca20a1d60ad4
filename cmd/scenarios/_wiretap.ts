/**
 * What comes in on a connection, byte for byte, besides being read.
 *
 * @module
 */

import { drain } from "../../lib/framing/decoder.ts";
import { HttpRequestHeadDecoder } from "../../lib/framing/http_request_head.ts";
import { WebSocketDecoder } from "../../lib/framing/websocket_decoder.ts";
import type { WebSocketMessage } from "../../lib/framing/websocket_message.ts";
import type { Duplex } from "../../lib/stream/conn.ts";

/** Listens in on a client's side of a WebSocket, where its server reads. */
export class Wiretap {
  #bytes: Uint8Array[] = [];

  /** The same connection, listened in on. */
  tap(conn: Duplex): Duplex {
    return {
      read: async (p) => {
        const n = await conn.read(p);
        if (n !== null) this.#bytes.push(p.slice(0, n));
        return n;
      },
      write: (p) => conn.write(p),
      closeWrite: () => conn.closeWrite(),
      [Symbol.dispose]: () => conn[Symbol.dispose](),
    };
  }

  /** The request line, and all that came after the request, control frames included. */
  heard(): { request: string; messages: WebSocketMessage[] } {
    const head = new HttpRequestHeadDecoder();
    for (const bytes of this.#bytes) head.push(bytes);
    const { method, target } = head.next()!;
    const decoder = new WebSocketDecoder({ role: "server" });
    decoder.push(head.rest());
    return { request: `${method} ${target}`, messages: [...drain(decoder)] };
  }
}
