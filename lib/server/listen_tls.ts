/**
 * TLS: {@linkcode serveTcp} for clients that have shaken hands.
 *
 * @module
 */

import { type TcpAddr, tcpAddr } from "../addr.ts";
import { addressed } from "../stream/addressed.ts";
import type { TcpSocket } from "../stream/tcp.ts";
import { realWorld, type World } from "../world.ts";
import type { Listening } from "./accept.ts";
import { bindError } from "./bind_error.ts";

/** Options for {@linkcode listenTls}. */
export interface ListenTlsOptions {
  /**
   * The address to listen on.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /**
   * The port; 0 lets the system choose.
   *
   * @default {0}
   */
  port?: number;
  /** The certificate, and those that lead from it to one that clients trust, as PEM. */
  cert: string;
  /** Its key, as PEM. */
  key: string;
  /**
   * What is spoken over it (ALPN), the best first.
   *
   * @default {[]}
   */
  alpnProtocols?: readonly string[];
  /**
   * How many connections the kernel may hold that are not accepted yet.
   *
   * @default {4096}
   */
  backlog?: number;
  /**
   * The most milliseconds that a client may take to shake hands.
   *
   * @default {10000}
   */
  handshakeTimeout?: number;
  /**
   * How many may do so at once; others wait in the kernel's queue.
   *
   * @default {1024}
   */
  maxHandshakes?: number;
  /**
   * Whether other sockets may listen on the same port: see {@linkcode ServeTcpOptions}.
   *
   * @default {false}
   */
  reusePort?: boolean;
  /** Told who did not shake hands, and why; nobody else hears of them. */
  onRefused?: (remoteAddr: TcpAddr, error: unknown) => void;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/**
 * Listens for TLS: `serveTcp({ listener: listenTls({ cert, key }) }, …)`. A client is served once it
 * has shaken hands; until then it holds nobody up.
 *
 * Deno cannot set TCP_NODELAY on these connections: small writes may wait for an ACK.
 *
 * @throws {Deno.errors.AddrInUse} If the port is taken; and more, as {@linkcode serveTcp} does.
 * @throws {Deno.errors.InvalidData} If the certificate or its key cannot be read.
 */
export function listenTls(options: ListenTlsOptions): Listening {
  return new TlsListening(options);
}

class TlsListening implements Listening {
  readonly addr: TcpAddr;
  readonly #listener: Deno.TlsListener;
  readonly #options: ListenTlsOptions;
  /** Those who have shaken hands, and nobody has asked for. */
  readonly #ready: TcpSocket[] = [];
  readonly #shaking = new Set<Deno.TlsConn>();
  #asked: PromiseWithResolvers<TcpSocket> | undefined;
  /** Whether an accept() of the listener's is pending. */
  #accepting = false;
  #closed: unknown;

  constructor(options: ListenTlsOptions) {
    const { hostname = "127.0.0.1", port = 0, cert, key, alpnProtocols = [] } = options;
    const { backlog = 4096, reusePort = false } = options;
    this.#options = options;
    try {
      this.#listener = Deno.listenTls({
        hostname,
        port,
        cert,
        key,
        alpnProtocols: [...alpnProtocols],
        tcpBacklog: backlog,
        ...(reusePort ? { reusePort } : {}),
      });
    } catch (error) {
      throw bindError(error, tcpAddr(hostname, port));
    }
    const { addr } = this.#listener;
    this.addr = tcpAddr(addr.hostname, addr.port);
  }

  accept(): Promise<TcpSocket> {
    const ready = this.#ready.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    this.#asked ??= Promise.withResolvers();
    this.#pump();
    return this.#asked.promise;
  }

  /** Accepts, as long as somebody asks and there is room. An error is for who asked. */
  async #pump(): Promise<void> {
    const { maxHandshakes = 1024 } = this.#options;
    if (this.#accepting) return;
    this.#accepting = true;
    try {
      while (this.#asked !== undefined && this.#shaking.size < maxHandshakes) {
        this.#shake(await this.#listener.accept());
      }
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) this.#closed ??= error;
      this.#asked?.reject(error);
      this.#asked = undefined;
    } finally {
      this.#accepting = false;
    }
  }

  async #shake(conn: Deno.TlsConn): Promise<void> {
    const { handshakeTimeout = 10_000, onRefused, world = realWorld } = this.#options;
    const { hostname, port } = conn.remoteAddr;
    const over = new AbortController();
    let late: DOMException | undefined;
    world.sleep(handshakeTimeout, { signal: over.signal, ref: false }).then(() => {
      late = new DOMException(`No handshake within ${handshakeTimeout} ms`, "TimeoutError");
      conn[Symbol.dispose]();
    }, () => {});
    this.#shaking.add(conn);
    try {
      await conn.handshake();
      this.#hand(addressed(conn, conn.localAddr, conn.remoteAddr));
    } catch (error) {
      conn[Symbol.dispose]();
      if (this.#closed === undefined) onRefused?.(tcpAddr(hostname, port), late ?? error);
    }
    over.abort();
    this.#shaking.delete(conn);
    this.#pump();
  }

  #hand(conn: TcpSocket): void {
    if (this.#closed !== undefined) return conn[Symbol.dispose]();
    if (this.#asked === undefined) this.#ready.push(conn);
    else this.#asked.resolve(conn);
    this.#asked = undefined;
  }

  close(): void {
    this.#closed ??= new Deno.errors.BadResource("Listener has been closed");
    this.#listener.close();
    if (!this.#accepting) {
      this.#asked?.reject(this.#closed);
      this.#asked = undefined;
    }
    for (const conn of [...this.#shaking, ...this.#ready.splice(0)]) conn[Symbol.dispose]();
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }
}
