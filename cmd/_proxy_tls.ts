/**
 * What the command lines of `proxy` and `balance` say of TLS, as files read and listeners opened.
 *
 * @module
 */

import { formatAddr, tcpAddr } from "../lib/addr.ts";
import { explainLine } from "../lib/errors.ts";
import type { ProxyEnd } from "../lib/proxy/proxy_header.ts";
import { openTcp, type OpenUpstream } from "../lib/proxy/upstream.ts";
import { openTls } from "../lib/proxy/upstream_open.ts";
import type { Listening } from "../lib/server/accept.ts";
import { listenTls } from "../lib/server/listen_tls.ts";
import { listenUnix } from "../lib/server/listen_unix.ts";
import type { Log } from "./_cli.ts";
import { UsageError } from "./_flags.ts";
import { need } from "./_permissions.ts";
import { type ProxyFlags, unixPath } from "./_proxy_flags.ts";
import { readFile } from "./_reload.ts";

/** The files that are read for it. */
export function tlsFiles({ tlsCert, tlsKey, ca }: ProxyFlags): string[] {
  return [tlsCert, tlsKey, ca].filter((file) => file !== "");
}

/** How to connect to servers: over TLS, if that was asked for. */
export async function opening(
  { toTls, serverName, ca }: ProxyFlags,
  timeout: number,
): Promise<OpenUpstream<ProxyEnd>> {
  if (!toTls) {
    const [without] = Object.entries({ "--server-name": serverName, "--ca": ca })
      .filter(([, value]) => value !== "");
    if (without !== undefined) throw new UsageError(`${without[0]} means nothing without --to-tls`);
    return openTcp({ timeout });
  }
  const caCerts = ca === "" ? [] : [await readFile(ca, (text) => text)];
  return openTls({ timeout, caCerts, ...serverName !== "" && { serverName } });
}

/** A listener for TLS or for a Unix socket; nothing, if it is to be neither. */
export async function listening(given: ProxyFlags, log: Log): Promise<Listening | undefined> {
  const { listen, tlsCert, tlsKey, worker } = given;
  if ((tlsCert === "") !== (tlsKey === "")) {
    throw new UsageError("--tls-cert and --tls-key must be given together");
  }
  const path = unixPath(listen);
  if (path !== undefined) {
    if (tlsCert !== "") throw new UsageError("--listen must be a port with --tls-cert");
    for (const kind of ["read", "write"] as const) need({ kind, to: path });
    return listenUnix(path);
  }
  if (tlsCert === "") return undefined;
  const [cert, key] = [
    await readFile(tlsCert, (text) => text),
    await readFile(tlsKey, (text) => text),
  ];
  const { hostname, port } = listen;
  return listenTls({
    hostname,
    port,
    cert,
    key,
    reusePort: worker > 0,
    onRefused: (addr, error) => {
      log.warn("{peer} did not shake hands: {why}", {
        peer: formatAddr(tcpAddr(addr.hostname, addr.port)),
        why: explainLine(error),
      });
    },
  });
}
