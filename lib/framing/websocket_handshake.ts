/**
 * What both sides of the opening handshake of a WebSocket know: RFC 6455, 1.3. The client's
 * side is websocket_request.ts, the server's websocket_accept.ts.
 *
 * @module
 */

import { sha1 } from "./_sha1.ts";
import type { HttpField, HttpFields } from "./http_fields.ts";
import { encodeHttpHead } from "./http_request.ts";

/** The handshake failed: no WebSocket begins. */
export class WebSocketHandshakeError extends Error {
  /** The status that the server answered, or that ours is to answer. */
  readonly status: number;

  /** Says why, and with which status. */
  constructor(status: number, rule: string) {
    super(`Cannot open a WebSocket as ${rule}`);
    this.name = "WebSocketHandshakeError";
    this.status = status;
  }

  /**
   * A response that refuses the request: a server writes it and closes. It says which
   * version would do (4.4).
   */
  response(): Uint8Array<ArrayBuffer> {
    const reason = REASONS.get(this.status) ?? "";
    return encodeHttpHead(`HTTP/1.1 ${this.status} ${reason}`, [
      ["Connection", this.status === 426 ? "Upgrade, close" : "close"],
      ...(this.status === 405 ? [["Allow", "GET"] as const] : []),
      ...(this.status === 426 ? UPGRADE_REQUIRED : []),
      ["Content-Length", "0"],
    ]);
  }
}

const REASONS: ReadonlyMap<number, string> = new Map([
  [400, "Bad Request"],
  [403, "Forbidden"],
  [405, "Method Not Allowed"],
  [426, "Upgrade Required"],
  [431, "Request Header Fields Too Large"],
  [505, "HTTP Version Not Supported"],
]);

/** The version of RFC 6455, and the only one there is. */
export const VERSION = "13";

const UPGRADE_REQUIRED: readonly HttpField[] = [
  ["Upgrade", "websocket"],
  ["Sec-WebSocket-Version", VERSION],
];

/** The key that 16 random bytes make: it proves nothing but that no cache answered. */
export function webSocketKey(nonce: Uint8Array): string {
  if (nonce.length !== 16) {
    throw new RangeError(
      `Cannot make a key as 'nonce' must be 16 bytes long: current value is ${nonce.length}`,
    );
  }
  return base64(nonce);
}

/** What a server answers to `key` (4.2.2). */
export function webSocketAccept(key: string): string {
  return base64(sha1(new TextEncoder().encode(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
}

/** Whether a head says what both requests and responses must: Upgrade to WebSocket. */
export function upgradesToWebSocket(fields: HttpFields): boolean {
  return fields.tokens("upgrade").includes("websocket") &&
    fields.tokens("connection").includes("upgrade");
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
