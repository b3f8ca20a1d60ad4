import { memoryPair, type MemoryPairOptions } from "../stream/memory.ts";
import type { Resettable } from "../stream/conn.ts";
import { RST } from "./fault.ts";
import { Link } from "./link.ts";
import { Connections, type FaultsOptions, type FaultyConnections } from "./link_options.ts";

/** The two ends of a connection that goes through faults. */
export interface MemoryEnds {
  /** Where a client would be. */
  readonly client: Resettable;
  /** Where a server would be. */
  readonly server: Resettable;
  /** What is between them. */
  readonly link: Link;
}

/** Options for {@linkcode memoryLink}. */
export interface MemoryLinkOptions extends FaultsOptions, MemoryPairOptions {}

/** A link without sockets. */
export interface MemoryLink extends FaultyConnections {
  /**
   * Makes one more connection.
   *
   * @throws {Deno.errors.ConnectionRefused} If a fault refuses it.
   */
  connect(): MemoryEnds;
  /** Resets what is still open, and waits until nothing is at work. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The twin of {@linkcode faultyLink} in memory, without a permission. With a
 * {@linkcode hastyWorld} its time is not ours, and with a `seededWorld()` it moves when told to.
 *
 * @throws {TypeError | RangeError} If an option is wrong.
 */
export function memoryLink(options: MemoryLinkOptions = {}): MemoryLink {
  return new InMemory(options);
}

class InMemory extends Connections implements MemoryLink {
  readonly #capacity: MemoryPairOptions;

  constructor(options: MemoryLinkOptions) {
    super(options);
    const { capacity } = options;
    this.#capacity = capacity === undefined ? {} : { capacity };
    memoryPair(this.#capacity); // says now if that is wrong
  }

  connect(): MemoryEnds {
    const connection = ++this.count;
    const at = this.world.now();
    if (this.refuses(connection)) {
      this.tell({ at, connection, type: "refused" });
      throw new Deno.errors.ConnectionRefused("Connection refused");
    }
    const [client, near] = memoryPair(this.#capacity);
    const [far, server] = memoryPair(this.#capacity);
    this.tell({ at, connection, type: "opened" });
    const link = new Link(near, far, {
      ...this.options,
      seed: this.seed,
      connection,
      world: this.world,
      onEvent: (event) => this.tell(event),
    });
    this.join(link);
    return { client, server, link };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopTimeline();
    const { links } = this.board;
    for (const link of links) link.end(RST);
    await Promise.all(links.map((link) => link.finished));
  }
}
