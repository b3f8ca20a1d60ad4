/** Both ends of a connection with a proxy between them, on real sockets. */

import { tcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { serveProxy, type ServeProxyOptions } from "../../lib/proxy/proxy.ts";
import { toServer } from "../../lib/proxy/upstream.ts";
import type { TcpServer } from "../../lib/server/server.ts";
import type { Resettable } from "../../lib/stream/conn.ts";
import {
  dialResettable,
  listenResettable,
  type ResettableListener,
} from "../../lib/stream/resettable.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import type { DuplexPair } from "../_conformance.ts";
import { Records } from "./_records.ts";

/** A proxy, and whoever it is connected to. */
export class Proxied implements AsyncDisposable {
  readonly records = new Records();
  readonly proxy: TcpServer;
  readonly #origin: Deno.TcpListener;

  constructor(options: Partial<ServeProxyOptions> = {}) {
    this.#origin = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.proxy = serveProxy({ connect: toServer(this.to), onConn: this.records.take, ...options });
  }

  /** Where the proxy's server is. */
  get to() {
    return tcpAddr("127.0.0.1", (this.#origin.addr as Deno.NetAddr).port);
  }

  /** A new connection: the client's end, and the server's. */
  async pair(): Promise<DuplexPair & { a: TcpStream; b: TcpStream }> {
    const [a, b] = await Promise.all([dial(this.proxy.addr), this.#origin.accept()]);
    return both(a, new TcpStream(b));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy.shutdown();
    this.#origin.close();
  }
}

function both<A extends Disposable, B extends Disposable>(a: A, b: B) {
  return {
    a,
    b,
    [Symbol.asyncDispose]: () => {
      a[Symbol.dispose]();
      b[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

/** A proxy that carries RST across, between two ends that can say it. */
export class ResettableProxied implements AsyncDisposable {
  readonly records = new Records();
  readonly #origin: ResettableListener;
  readonly #proxy: TcpServer;

  private constructor(
    origin: ResettableListener,
    near: ResettableListener,
  ) {
    this.#origin = origin;
    this.#proxy = serveProxy({
      listener: near,
      connect: toServer(origin.addr, {
        open: (addr, signal) => dialResettable(addr, { signal }),
      }),
      onConn: this.records.take,
    });
  }

  /** How many connections it has now. */
  get conns(): number {
    return this.#proxy.conns;
  }

  static async start(): Promise<ResettableProxied> {
    return new ResettableProxied(await listenResettable(), await listenResettable());
  }

  async pair(): Promise<DuplexPair & { a: Resettable; b: Resettable }> {
    const [a, b] = await Promise.all([dialResettable(this.#proxy.addr), this.#origin.accept()]);
    return both(a, b);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy.shutdown();
    this.#origin.close();
  }
}
