/** A listener without sockets: what a proxy does in a world whose clock only a test moves. */

import { tcpAddr } from "../../lib/addr.ts";
import type { Listening } from "../../lib/server/accept.ts";
import { type MemoryConn, memoryPair } from "../../lib/stream/memory.ts";
import type { TcpSocket } from "../../lib/stream/tcp.ts";

/** Where it says it listens. */
const ADDR = tcpAddr("192.0.2.1", 443);

/** Accepts those who {@linkcode connect}. */
export class MemoryListener implements Listening {
  readonly addr = ADDR;
  readonly #capacity: number;
  readonly #queue: TcpSocket[] = [];
  #waiting: PromiseWithResolvers<TcpSocket> | undefined;
  #closed = false;

  constructor(capacity = 65536) {
    this.#capacity = capacity;
  }

  /** The client's end of a new connection. */
  connect(hostname = "192.0.2.7", port = 51000): MemoryConn {
    const [client, conn] = memoryPair({ capacity: this.#capacity });
    const socket = Object.assign(conn, {
      localAddr: ADDR,
      remoteAddr: tcpAddr(hostname, port),
      setNoDelay() {},
      setKeepAlive() {},
      ref() {},
      unref() {},
    });
    if (this.#waiting) this.#waiting.resolve(socket);
    else this.#queue.push(socket);
    this.#waiting = undefined;
    return client;
  }

  accept(): Promise<TcpSocket> {
    const next = this.#queue.shift();
    if (next) return Promise.resolve(next);
    if (this.#closed) return Promise.reject(new Deno.errors.BadResource("closed"));
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  close(): void {
    this.#closed = true;
    this.#waiting?.reject(new Deno.errors.BadResource("closed"));
    this.#waiting = undefined;
  }

  ref(): void {}

  unref(): void {}
}
