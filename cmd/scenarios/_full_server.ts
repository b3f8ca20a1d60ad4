/**
 * A server whose backlog is full: who dials it meets silence, as with a machine that is off, and
 * nothing but loopback is needed.
 *
 * @module
 */

import type { TcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { readToEnd } from "../../lib/stream/conn.ts";

/** Where it listens, and its end. */
export interface FullServerOptions {
  /** @default {"127.0.0.1"} */
  hostname?: string;
  /** @default {0} */
  port?: number;
  /** Ends it at once. */
  signal: AbortSignal;
}

/** It serves one client, and has one more in its queue, which is all that a backlog of 0 holds. */
export class FullServer implements AsyncDisposable {
  readonly #server: TcpServer;
  readonly #clients: DisposableStack;

  private constructor(server: TcpServer, clients: DisposableStack) {
    this.#server = server;
    this.#clients = clients;
  }

  /** Starts it, and fills it. */
  static async start(options: FullServerOptions): Promise<FullServer> {
    const { hostname = "127.0.0.1", port = 0, signal } = options;
    const served = Promise.withResolvers<void>();
    const limits = { backlog: 0, maxConns: 1, whenFull: "wait" } as const;
    const server = serveTcp({ hostname, port, signal, ...limits }, async (conn) => {
      served.resolve();
      await readToEnd(conn);
    });
    const clients = new DisposableStack();
    clients.use(await dial(server.addr, { signal }));
    await served.promise;
    clients.use(await dial(server.addr, { signal }));
    return new FullServer(server, clients);
  }

  /** Where it listens. */
  get addr(): TcpAddr {
    return this.#server.addr;
  }

  /** Its clients go: there is room, for whoever asks again. */
  makeRoom(): void {
    this.#clients.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.makeRoom();
    await this.#server[Symbol.asyncDispose]();
  }
}
