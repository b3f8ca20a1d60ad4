/**
 * A proxy on the record: what it reads and writes on either side is drawn as its own lifeline.
 *
 * @module
 */

import type { TcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { serveProxy, type ServeProxyOptions } from "../../lib/proxy/proxy.ts";
import type { ProxyRecord } from "../../lib/proxy/proxy_record.ts";
import type { ConnectUpstream } from "../../lib/proxy/upstream.ts";
import type { Accepting, Listening } from "../../lib/server/accept.ts";
import type { TcpServer } from "../../lib/server/server.ts";
import { listenResettable, type ResettableConn } from "../../lib/stream/resettable.ts";
import type { TcpSocket } from "../../lib/stream/tcp.ts";
import type { Lab } from "./_lab.ts";

/** The lifelines of a lesson with a proxy. */
export const LIFELINES = ["client", "proxy", "server"];

/** A proxy, and what it says of its connections. */
export interface LabProxy extends AsyncDisposable {
  /** Where it listens. */
  readonly addr: TcpAddr;
  /** The next record that was not asked for yet. */
  next(): Promise<ProxyRecord>;
}

/** Starts a proxy on the record. */
export async function proxied(
  lab: Lab,
  connect: ConnectUpstream,
  options: Partial<ServeProxyOptions> = {},
): Promise<LabProxy> {
  const records: ProxyRecord[] = [];
  let wake = () => {};
  const server: TcpServer = serveProxy({
    listener: onRecord(lab, await listenResettable()),
    connect,
    onConn: (record) => {
      records.push(record);
      wake();
    },
    signal: lab.signal,
    ...options,
  });
  return {
    addr: server.addr,
    async next() {
      while (records.length === 0) await new Promise<void>((resolve) => wake = resolve);
      return records.shift()!;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Connects the proxy to a server, on the record. */
export function toOne(lab: Lab, addr: TcpAddr): ConnectUpstream {
  return async (_client, { signal }) => {
    const conn = await lab.connect(addr, "proxy", () => dial(addr, { signal }));
    return { conn, server: "server" };
  };
}

function onRecord(lab: Lab, listener: Accepting<ResettableConn> & Listening): Listening {
  return {
    addr: listener.addr,
    async accept(): Promise<TcpSocket> {
      const conn = await listener.accept();
      return Object.assign(lab.accepted(conn, "proxy"), {
        setNoDelay: () => conn.setNoDelay(),
        setKeepAlive: () => conn.setKeepAlive(),
        ref: () => conn.ref(),
        unref: () => conn.unref(),
      });
    },
    close: () => listener.close(),
    ref: () => listener.ref(),
    unref: () => listener.unref(),
  };
}
