/**
 * Asks a server for a TLS handshake: whether it speaks TLS, and has a certificate that holds.
 *
 * @module
 */

import { type TcpAddr, tcpAddr } from "../addr.ts";
import { explain } from "../errors.ts";
import type { Probe } from "./health.ts";
import {
  type Finding,
  isTimeout,
  late,
  notConnected,
  ProbeError,
  type ProbeTarget,
  probing,
  type ReadOptions,
} from "./probes.ts";

/** Options for {@linkcode tlsProbe}. */
export interface TlsProbeOptions {
  /**
   * Who is trusted besides those whom the system trusts: certificates as PEM.
   *
   * @default {[]}
   */
  caCerts?: readonly string[];
  /**
   * What to offer to speak over it (ALPN).
   *
   * @default {[]}
   */
  alpnProtocols?: readonly string[];
}

/**
 * Whether a handshake succeeds, with a certificate for the host name that is checked. It ends
 * with close_notify and FIN.
 */
export function tlsProbe(options: TlsProbeOptions = {}): Probe<ProbeTarget> {
  return probing(
    (target, left) => connectTls(target, options, left),
    (conn, left, { hostname, port }) => shakeHands(conn, tcpAddr(hostname, port), left()),
  );
}

/** Connects; Deno's TLS connections cannot be given up, so one that is late is closed. */
async function connectTls(
  { hostname, port }: ProbeTarget,
  { caCerts = [], alpnProtocols = [] }: TlsProbeOptions,
  options: ReadOptions,
): Promise<Deno.TlsConn> {
  const tls = { caCerts: [...caCerts], alpnProtocols: [...alpnProtocols] };
  const connecting = Deno.connectTls({ hostname, port, ...tls });
  try {
    return await late(() => within(connecting, options), "L4TOUT", "no connection in time");
  } catch (error) {
    connecting.then((conn) => conn[Symbol.dispose](), () => {});
    if (error instanceof ProbeError) throw error;
    throw notConnected(error, { hostname, port });
  }
}

async function shakeHands(
  conn: Deno.TlsConn,
  addr: TcpAddr,
  options: ReadOptions,
): Promise<Finding> {
  try {
    const shaken = conn.handshake();
    const { alpnProtocol } = await late(() => within(shaken, options), "L6TOUT", "no handshake");
    return { ok: true, status: "L6OK", detail: alpnProtocol ?? "" };
  } catch (error) {
    if (error instanceof ProbeError) throw error;
    if (options.signal.aborted && isTimeout(options.signal.reason)) {
      throw new ProbeError("L6TOUT", "no handshake in time");
    }
    const { what, tryThis } = explain(error, { op: "connect", addr });
    throw new ProbeError("L6RSP", `${what}; try: ${tryThis}`);
  }
}

/** Waits for `promise`, but no longer than this. */
async function within<R>(promise: Promise<R>, { timeout, signal, world }: ReadOptions): Promise<R> {
  const over = new AbortController();
  const { promise: cut, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  world.sleep(timeout, { signal: over.signal }).then(
    () => reject(new DOMException("not in time", "TimeoutError")),
    () => {},
  );
  promise.catch(() => {}); // it may fail when nobody waits for it any more
  try {
    return await Promise.race([promise, cut]);
  } finally {
    over.abort();
    signal.removeEventListener("abort", abort);
  }
}
