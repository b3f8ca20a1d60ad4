/** Listeners that answer, refuse or keep silent, and a stand-in for `Deno.connect`. */

import { type TcpAddr, tcpAddr } from "../../lib/addr.ts";
import type { SeededWorld } from "../../lib/world.ts";

/** A listener whose address is known to be TCP. */
export type Listening = Deno.TcpListener & { addr: TcpAddr };

/** Listens on 127.0.0.1, unless told otherwise, on a port that the system chooses. */
export function listen(options: Partial<Deno.TcpListenOptions> = {}): Listening {
  return Deno.listen({ hostname: "127.0.0.1", port: 0, ...options }) as Listening;
}

/** The system's addresses have no prototype, which is a difference to assertEquals(). */
export function addrOf(listener: Listening): TcpAddr {
  return tcpAddr(listener.addr.hostname, listener.addr.port);
}

/** A port that the system gave out a moment ago, and nobody listens on now. */
export function deserted(): TcpAddr {
  using listener = listen();
  return addrOf(listener);
}

/** Resolves once `count` sleeps were asked for in all, however many turns of the loop that takes. */
export async function asleep(world: SeededWorld, count: number): Promise<void> {
  while (world.sleeps.length < count) await world.advance(0);
}

/** A listener that lets no more connections in: SYN meets silence. */
export class SilentListener implements Disposable {
  /** Where it listens. */
  readonly addr: TcpAddr;
  readonly #held: Disposable[];

  private constructor(listener: Listening, queued: Deno.TcpConn) {
    this.addr = addrOf(listener);
    this.#held = [queued, listener];
  }

  /** Listens, and takes the only place. */
  static async open(options: Partial<Deno.TcpListenOptions> = {}): Promise<SilentListener> {
    const listener = listen({ ...options, tcpBacklog: 0 }); // has room for one
    return new SilentListener(listener, await Deno.connect(listener.addr));
  }

  [Symbol.dispose](): void {
    for (const held of this.#held) held[Symbol.dispose]();
  }
}

type Connect = typeof Deno.connect;

/** Puts another in the place of `Deno.connect`, until disposed, and counts the calls. */
export function fakeConnect(
  fake: (connect: Connect, options: Deno.ConnectOptions) => Promise<Deno.TcpConn>,
): Disposable & { calls: number } {
  const { connect } = Deno;
  const faked = {
    calls: 0,
    [Symbol.dispose]: () => void Object.assign(Deno, { connect }),
  };
  Object.assign(Deno, {
    connect: (options: Deno.ConnectOptions) => {
      faked.calls++;
      return fake(connect, options);
    },
  });
  return faked;
}
