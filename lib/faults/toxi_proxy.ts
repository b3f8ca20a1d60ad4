/** A proxy as toxiproxy's API knows it: a name, two addresses, a switch, and toxics in a row. */

import { formatAddr, parseAddr } from "../addr.ts";
import { goListenAddr } from "./_go_addr.ts";
import { type AttributeValue, FAULT_TYPES, makeFault } from "./fault_types.ts";
import type { Direction } from "./fault.ts";
import type { LinkEvent } from "./link_event.ts";
import { type FaultyLink, faultyLink, type FaultyLinkOptions } from "./faulty_link.ts";

/** The two directions, as the API calls them. */
export type ToxicStream = "upstream" | "downstream";

/** A toxic as the API shows it. */
export interface ToxicJson {
  /** What its type is given. */
  attributes: Record<string, AttributeValue>;
  /** What it is called within its proxy. */
  name: string;
  /** One of {@linkcode FAULT_TYPES}. */
  type: string;
  /** Which way. */
  stream: ToxicStream;
  /** The part of all connections that have it; less than 0 is none, and more than 1 is all. */
  toxicity: number;
}

/** A proxy as the API shows it. */
export interface ProxyJson {
  /** What it is called. */
  name: string;
  /** Where it listens. */
  listen: string;
  /** Where it leads. */
  upstream: string;
  /** Whether it listens. */
  enabled: boolean;
  /** Upstream first, each in the order in which bytes pass them. */
  toxics: ToxicJson[];
}

/** How the API's proxies are made. */
export interface ToxiLinkOptions extends
  Omit<
    FaultyLinkOptions,
    "hostname" | "port" | "up" | "down" | "timeline" | "enabled" | "onEvent"
  > {
  /** Hears all that happens, as it happens, and at which proxy. */
  onEvent?: (event: LinkEvent, proxy: string) => void;
}

/** Bytes of a direction: those that came, and those that went out. */
interface Traffic {
  received: number;
  sent: number;
}

/** A proxy of the API. */
export class ToxiProxy {
  readonly name: string;
  /** Where it listens, as asked for, or as the system chose it. */
  listen: string;
  upstream: string;
  readonly toxics: ToxicJson[] = [];
  readonly #options: ToxiLinkOptions;
  #link: FaultyLink | undefined;
  /** Of links that were given up. */
  readonly #past: Record<Direction, Traffic> = {
    up: { received: 0, sent: 0 },
    down: { received: 0, sent: 0 },
  };

  /** It does not listen yet, unless it is given a link that does. */
  constructor(
    name: string,
    listen: string,
    upstream: string,
    options: ToxiLinkOptions,
    link?: FaultyLink,
  ) {
    this.name = name;
    this.listen = listen;
    this.upstream = upstream;
    this.#options = options;
    this.#link = link;
  }

  get enabled(): boolean {
    return this.#link?.listening ?? false;
  }

  /** What is behind it, once it has listened. */
  get link(): FaultyLink | undefined {
    return this.#link;
  }

  /** Listens, with its toxics. Throws what listening throws, or if an address is none. */
  async start(): Promise<void> {
    if (this.enabled) return;
    if (this.#link === undefined) {
      const { hostname, port } = goListenAddr(this.listen);
      const { onEvent, ...others } = this.#options;
      const tell = onEvent && ((event: LinkEvent) => onEvent(event, this.name));
      const unreachable = "close"; // whoever asks whether a proxy is up has no server behind it
      const options = {
        unreachable,
        ...others,
        hostname,
        port,
        ...tell && { onEvent: tell },
      } as const;
      const link = await faultyLink(targetAddr(this.upstream), options);
      for (const toxic of this.toxics) put(link, toxic);
      this.#link = link;
    } else {
      await this.#link.enable();
    }
    this.listen = formatAddr(this.#link.addr);
  }

  /** Closes every connection and listens no more. */
  async stop(): Promise<void> {
    await this.#link?.disable();
  }

  /** Moves it; it does not listen afterwards. */
  async move(listen: string, upstream: string): Promise<void> {
    const link = this.#link;
    await this.stop();
    this.listen = listen;
    this.upstream = upstream;
    this.#link = undefined;
    if (link === undefined) return;
    for (const direction of ["up", "down"] as const) {
      const { received, sent } = link.board.traffic(direction);
      this.#past[direction].received += received;
      this.#past[direction].sent += sent;
    }
  }

  add(toxic: ToxicJson): void {
    this.toxics.push(toxic);
    if (this.#link) put(this.#link, toxic);
  }

  change(toxic: ToxicJson, attributes: ToxicJson["attributes"], toxicity: number): void {
    toxic.attributes = attributes;
    toxic.toxicity = toxicity;
    this.#link?.change(toxic.name, { fault: faultOf(toxic), toxicity: partOf(toxic) });
  }

  remove(toxic: ToxicJson): void {
    this.toxics.splice(this.toxics.indexOf(toxic), 1);
    this.#link?.remove(toxic.name);
  }

  clear(): void {
    for (const toxic of [...this.toxics]) this.remove(toxic);
  }

  traffic(direction: Direction): Traffic {
    const past = this.#past[direction];
    const now = this.#link?.board.traffic(direction) ?? { received: 0, sent: 0 };
    return { received: past.received + now.received, sent: past.sent + now.sent };
  }

  json(): ProxyJson {
    const { name, listen, upstream, enabled } = this;
    const toxics = (["upstream", "downstream"] as const).flatMap((stream) =>
      this.toxics.filter((toxic) => toxic.stream === stream)
    );
    return { name, listen, upstream, enabled, toxics };
  }

  /** Whether it would be the same with these addresses. */
  isAt(listen: string, upstream: string): boolean {
    if (upstream !== this.upstream) return false;
    if (listen === this.listen) return true;
    try {
      return formatAddr(goListenAddr(listen)) === this.listen;
    } catch {
      return false;
    }
  }
}

/** Where to lead. What is no address cannot be reached, which is found out as with any other. */
function targetAddr(text: string): { hostname: string; port: number } {
  try {
    return parseAddr(text);
  } catch {
    return { hostname: text, port: 0 };
  }
}

function put(link: FaultyLink, toxic: ToxicJson): void {
  const { name, stream } = toxic;
  const toxicity = partOf(toxic);
  link.add(name, stream === "upstream" ? "up" : "down", faultOf(toxic), { toxicity });
}

function partOf({ toxicity }: ToxicJson): number {
  return Math.min(1, Math.max(0, toxicity));
}

function faultOf({ type, attributes }: ToxicJson) {
  return makeFault({ type, attributes });
}

/** Values for all attributes that the API shows for a type. */
export function defaultsOf(type: string): Record<string, AttributeValue> {
  const { attributes } = FAULT_TYPES[type]!;
  return Object.fromEntries(
    Object.entries(attributes).filter(([, { extra }]) => !extra).map((
      [name, attribute],
    ) => [name, attribute.default]),
  );
}
