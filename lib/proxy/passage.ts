/**
 * One connection's way through a proxy, from being accepted to its record.
 *
 * @module
 */

import type { ConnInfo } from "../server/session.ts";
import { type Duplex, writeAll } from "../stream/conn.ts";
import { relay, type RelayReport } from "../stream/relay.ts";
import type { TcpStream } from "../stream/tcp.ts";
import type { World } from "../world.ts";
import { type AccessRules, checkAccess, type CidrList } from "./cidr.ts";
import type { ClientLimit } from "./client_limit.ts";
import { type End, end, endOfConnect, endOfHeader, endOfRelay } from "./end_reason.ts";
import { OVER, Search } from "./passage_search.ts";
import { type ProxyEnd, proxyHeader, type ReceivedProxyHeader } from "./proxy_header.ts";
import { encodeProxyHeader } from "./proxy_protocol.ts";
import type { ProxyRecord } from "./proxy_record.ts";
import { readAhead } from "./read_ahead.ts";
import { receiveProxyHeader } from "./receive_proxy_header.ts";
import { type Tap, tapped } from "./tap.ts";
import type { ConnectUpstream, ProxyClient, Upstream } from "./upstream.ts";

/** What all connections of a proxy have in common; times are in milliseconds. */
export interface PassageRules extends AccessRules {
  /** Finds a server. */
  readonly connect: ConnectUpstream;
  /** For finding one and connecting. */
  readonly connectTimeout: number;
  /** Without a byte in either direction. */
  readonly idleTimeout: number;
  /** The same, once one end has said FIN. */
  readonly halfClosedTimeout: number;
  /** For an end that still sends to one that takes no more. */
  readonly lingerTimeout: number;
  /** From being accepted. */
  readonly maxLife: number;
  /** How many connections a client may have. */
  readonly limit: ClientLimit;
  /** Who must begin with a PROXY header, in which version, and in which time. */
  readonly acceptProxy:
    | { trusted: CidrList; version: 1 | 2 | "either"; timeout: number; others: "refuse" | "direct" }
    | undefined;
  /** The version of the header that servers are sent. */
  readonly sendProxy: 1 | 2 | undefined;
  /** Makes who looks on. */
  readonly tap: ((client: ProxyClient) => Tap | undefined) | undefined;
  /** The clock. */
  readonly world: World;
}

/** Passes `conn` on, and resolves with its record. If there was no server, `conn` is still open. */
export function pass(
  conn: TcpStream,
  info: ConnInfo,
  rules: PassageRules,
): Promise<ProxyRecord> {
  return new Passage(conn, info, rules).run();
}

class Passage {
  readonly #conn: TcpStream;
  readonly #info: ConnInfo;
  readonly #rules: PassageRules;
  readonly #started: number;
  #source: ProxyEnd;
  #header: ReceivedProxyHeader | undefined;
  #phase: "Q" | "C" = "C";
  #phaseSince = 0;
  #queueTime = 0;
  #connectTime = 0;
  #server: string | undefined;
  #retries = 0;
  #halfClosed = false;
  #error: unknown;
  /** Gives back the client's place. */
  #leave: (() => void) | undefined;
  /** What bounds its life, if something does. */
  #life: { over: AbortController; settled: AbortController } | undefined;

  constructor(conn: TcpStream, info: ConnInfo, rules: PassageRules) {
    this.#conn = conn;
    this.#info = info;
    this.#rules = rules;
    this.#started = rules.world.now();
    this.#source = info.remoteAddr;
  }

  // Whoever waits for long is mostly memory: while bytes go back and forth, this is the only
  // function here that waits, and what led to the server is forgotten.
  async run(): Promise<ProxyRecord> {
    const way = await this.#enter();
    if ("code" in way) return this.#record(way);
    const { upstream } = way;
    const report = await this.#relay(way);
    this.#life?.settled.abort(OVER);
    upstream.release?.();
    this.#leave?.();
    return this.#record(this.#endOf(report), report);
  }

  #record(end: End, report?: RelayReport): ProxyRecord {
    const { id, remoteAddr } = this.#info;
    const { forward = 0, backward = 0, disguised = [] } = report ?? {};
    const error = report?.error ?? this.#error;
    return {
      id,
      client: this.#source,
      ...this.#source !== remoteAddr && { via: remoteAddr },
      ...this.#server !== undefined && { server: this.#server },
      bytesUp: forward,
      bytesDown: backward,
      duration: this.#rules.world.now() - this.#started,
      queueTime: this.#queueTime,
      connectTime: this.#connectTime,
      retries: this.#retries,
      end,
      ...error !== undefined && { error },
      ...disguised.length > 0 &&
        { disguised: disguised.map((end) => end === "a" ? "client" : "server") },
    };
  }

  /** Lets the client in, or not: who is not gets nothing, not even time to finish. */
  async #enter(): Promise<Way | End> {
    const { limit, acceptProxy } = this.#rules;
    let conn: Duplex = this.#conn;
    let destination: ProxyEnd = this.#info.localAddr;
    if (acceptProxy !== undefined) {
      const trusted = acceptProxy.trusted.has(this.#info.remoteAddr.hostname);
      if (!trusted && acceptProxy.others === "refuse") {
        return this.#refuse(end("P", "R", "it is no proxy that is trusted"));
      }
      if (trusted) {
        const { version, timeout } = acceptProxy;
        const { world } = this.#rules;
        try {
          const received = await receiveProxyHeader(conn, { version, timeout, world });
          ({ conn, header: this.#header } = received);
          this.#source = received.source ?? this.#source;
          destination = received.destination ?? destination;
        } catch (error) {
          this.#error = error;
          return this.#refuse(this.#conn.closed ? killed("R") : endOfHeader(error));
        }
      }
    }
    const { allowed, why } = checkAccess(this.#source.hostname, this.#rules);
    if (!allowed) return this.#refuse(end("P", "R", why));
    this.#leave = limit.enter(this.#source.hostname.replace(/^::ffff:(?=\d+\.)/i, ""));
    if (this.#leave === undefined) {
      return this.#refuse(end("R", "R", "this client has as many connections as it may"));
    }
    const way = await this.#seek(conn, destination);
    if ("code" in way) this.#leave();
    return way;
  }

  #refuse(end: End): End {
    this.#conn[Symbol.dispose]();
    return end;
  }

  /** Finds the client a server. If there is none, the client is left to be closed gently. */
  async #seek(conn: Duplex, destination: ProxyEnd): Promise<Way | End> {
    const { connect, connectTimeout, sendProxy, world } = this.#rules;
    const { id, remoteAddr } = this.#info;
    const search = new Search(connectTimeout, world);
    const ahead = readAhead(conn, {
      world,
      onLost: (error) => search.giveUp("lost", error),
      // Whom nobody reads any more, its cut is told by the server, which is asked only then.
      onStop: () => search.endWith(this.#info, this.#conn),
    });
    const client: ProxyClient = {
      id,
      source: this.#source,
      destination,
      peer: remoteAddr,
      header: this.#header,
      peek: (decide) => ahead.peek(decide),
    };
    let upstream: Upstream | undefined;
    this.#phaseSince = world.now();
    try {
      upstream = await connect(client, {
        signal: search.signal,
        enter: (phase) => this.#turn(phase === "queue" ? "Q" : "C"),
      });
      this.#server = upstream.server;
      this.#retries = upstream.retries ?? 0;
      if (sendProxy !== undefined) {
        const header = proxyHeader(this.#source, destination);
        await writeAll(upstream.conn, encodeProxyHeader(header, { version: sendProxy }));
      }
    } catch (error) {
      ahead.stop();
      upstream?.conn[Symbol.dispose]();
      upstream?.release?.();
      this.#error = error;
      if (this.#conn.closed) return killed(this.#phase);
      if (search.outcome === "lost") return end("C", this.#phase, "the client left");
      const { failures } = error as { failures?: readonly unknown[] };
      this.#retries = Math.max(0, (failures?.length ?? 0) - 1);
      if (search.outcome === "late") {
        return end("s", this.#phase, `no server within ${connectTimeout} ms`);
      }
      return endOfConnect(error, this.#phase);
    } finally {
      search.settle();
      this.#turn(this.#phase);
    }
    return { ahead, upstream, client };
  }

  /** Adds up the time of each phase. */
  #turn(next: "Q" | "C"): void {
    const now = this.#rules.world.now();
    const spent = now - this.#phaseSince;
    if (this.#phase === "Q") this.#queueTime += spent;
    else this.#connectTime += spent;
    this.#phase = next;
    this.#phaseSince = now;
  }

  #relay({ ahead, upstream, client }: Way): Promise<RelayReport> {
    const { idleTimeout, halfClosedTimeout, lingerTimeout, maxLife, world } = this.#rules;
    const tap = this.#rules.tap?.(client);
    const a = tap ? tapped(ahead, "up", tap) : ahead;
    const b = tap ? tapped(upstream.conn, "down", tap) : upstream.conn;
    const onFin = () => {
      this.#halfClosed = true;
    };
    const options = { idleTimeout, halfClosedTimeout, lingerTimeout, onFin, world };
    if (maxLife === Infinity) return relay(a, b, options);
    const { over, settled } = this.#life = {
      over: new AbortController(),
      settled: new AbortController(),
    };
    const left = this.#started + maxLife - world.now();
    world.sleep(left, { signal: settled.signal }).then(() => over.abort(OVER), () => {});
    return relay(a, b, { ...options, signal: over.signal });
  }

  #endOf(report: RelayReport): End {
    if (report.reason !== "aborted" || !this.#life?.over.signal.aborted) {
      return endOfRelay({ ...report }, this.#halfClosed);
    }
    const why = `it was open for as long as it may, ${this.#rules.maxLife} ms`;
    return end("P", this.#halfClosed ? "L" : "D", why);
  }
}

/** What is needed to pass a connection on. */
interface Way {
  readonly ahead: Duplex;
  readonly upstream: Upstream;
  readonly client: ProxyClient;
}

function killed(phase: "R" | "Q" | "C"): End {
  return end("K", phase, "the proxy was shut down");
}
