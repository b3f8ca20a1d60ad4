/** What the tests of the server wait for instead of time: its answers, and its events. */

import { assertEquals } from "@std/assert";
import type { ServerEvent } from "../../lib/server/events.ts";
import type { TcpHandler } from "../../lib/server/session.ts";
import { type Duplex, readExact, writeAll } from "../../lib/stream/conn.ts";

/** Something to say. */
export const BYTE = Uint8Array.of(7);

/** Gives every byte back. */
export const echo: TcpHandler = async (conn) => {
  const bytes = new Uint8Array(1024);
  for (let n; (n = await conn.read(bytes)) !== null;) await writeAll(conn, bytes.subarray(0, n));
};

/** Serves until it is told to end. */
export const untilTold: TcpHandler = async (_conn, { signal }) => {
  if (signal.aborted) return;
  const told = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => told.resolve());
  await told.promise;
};

/** One byte there and back: the handler is in. */
export async function roundTrip(client: Duplex): Promise<void> {
  await writeAll(client, BYTE);
  assertEquals(await readExact(client, 1), BYTE);
}

type EventOf<Type extends ServerEvent["type"]> = Extract<ServerEvent, { type: Type }>;

/** Hears a server's events: `serveTcp({ onEvent: events.hear }, …)`. */
export class Events {
  readonly all: ServerEvent[] = [];
  #more = Promise.withResolvers<void>();

  readonly hear = (event: ServerEvent): void => {
    this.all.push(event);
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  };

  /** Those of one type so far. */
  of<Type extends ServerEvent["type"]>(type: Type): EventOf<Type>[] {
    return this.all.filter((event): event is EventOf<Type> => event.type === type);
  }

  /** Waits for the first `count` of one type, and returns the last of these. */
  async next<Type extends ServerEvent["type"]>(type: Type, count = 1): Promise<EventOf<Type>> {
    while (this.of(type).length < count) await this.#more.promise;
    return this.of(type)[count - 1]!;
  }
}

/** Catches what `reportError` would end the process for. */
export class Reported implements Disposable {
  readonly errors: unknown[] = [];

  constructor() {
    addEventListener("error", this.#hear);
  }

  readonly #hear = (event: ErrorEvent): void => {
    event.preventDefault();
    this.errors.push(event.error);
  };

  [Symbol.dispose](): void {
    removeEventListener("error", this.#hear);
  }
}
