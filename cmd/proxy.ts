#!/usr/bin/env -S deno run --allow-net --v8-flags=--max-semi-space-size=8
/**
 * Passes connections on to a server, so that neither end can tell: FIN goes across, each way
 * by itself, and so does backpressure.
 *
 *     deno task proxy --listen 8080 --to 127.0.0.1:80
 *     deno task proxy --to example.com:80 --tap text      and show what is said
 *     deno task proxy --to 127.0.0.1:80 --send-proxy 2    and tell the server who is there
 *
 * Flags:
 *
 *     --listen ADDR                where to listen: a port, HOST:PORT or unix:/PATH;
 *                                  127.0.0.1:8080. Port 0 is any free one
 *     --to ADDR                    the server: HOST:PORT or unix:/PATH
 *     --sni NAME=ADDR,…            for TLS that is passed through: servers by the name that the
 *                                  client wants, such as a.example=10.0.0.1:443; others go --to
 *     --connect-timeout TIME       for finding the server, name resolution included; 10s
 *     --idle-timeout TIME          without a byte either way; 10m. 0 is for ever, as below
 *     --half-closed-timeout TIME   the same, once one end has said FIN; 30s
 *     --max-life TIME              for all of a connection; 0
 *     --max-conns COUNT            the most connections at once, others wait; no limit
 *     --max-conns-per-client COUNT the most of one address, others are closed; no limit
 *     --allow CIDRS                serve only clients from here, such as 10.0.0.0/8,::1
 *     --deny CIDRS                 but none from here
 *     --accept-proxy CIDRS         expect a PROXY header of these, and serve nobody else
 *     --accept-proxy-timeout TIME  with it, for the whole header; 10s
 *     --send-proxy VERSION         send the server a PROXY header: 1, 2, or no; no
 *     --tap HOW                    show what goes through: text, hex, or no; no
 *     --record FILE                keep what goes through, with times; needs --allow-write=FILE
 *     --replay FILE                play its clients to the server, and compare the answers; or,
 *                                  without --to, its server to whoever connects
 *     --speed TIMES                with --replay, so much faster than it was; 1
 *     --tls-cert FILE              open TLS, with this certificate (PEM)
 *     --tls-key FILE               and its key
 *     --to-tls                     talk TLS to the server
 *     --server-name NAME           the name on its certificate; its host
 *     --ca FILE                    whom to trust besides those whom the system trusts (PEM)
 *     --quiet                      log no connection that ended as it should
 *     --metrics ADDR               a page for Prometheus at http://ADDR/metrics, and /ready
 *     --workers COUNT              so many processes on the same port; 1
 *     --worker NUMBER              be one of them: --workers starts it so
 *     --grace TIME                 at the end, how long to go on letting others in, for who
 *                                  balances to hear of it: http://ADDR/ready says 503; 0
 *     --drain TIME                 how long connections may go on then; 10s
 *     --help, --version
 *
 * Each connection is one line on standard error once it has ended: both counts of bytes, times,
 * and why it ended, in two letters that docs/proxy.md explains, and in words. The first Ctrl-C
 * or SIGTERM lets no one else in, and connections go on for --drain; the second ends at once.
 * With --workers the kernel shares connections out among processes, which needs
 * `--allow-run=deno`; each has its own metrics, on ports in a row. With --replay and --to, each
 * connection is a line on standard output, and the exit code is 1 if an answer was another one.
 *
 * Exit codes: 0, ended; 1, could not serve; 2, wrong command line; 130 or 143, ended at once.
 *
 * @module
 */

import { formatAddr, type TcpAddr, tcpAddr } from "../lib/addr.ts";
import { type ConnectUpstream, toServer } from "../lib/proxy/upstream.ts";
import { toUnix } from "../lib/proxy/upstream_open.ts";
import { toSni } from "../lib/proxy/upstream_sni.ts";
import { type Io, run } from "./_cli.ts";
import { choice, type Flag, integer, path } from "./_flag.ts";
import { onlyWith, parseFlags, UsageError, type Values } from "./_flags.ts";
import { need } from "./_permissions.ts";
import { listenSocket, LONGEST_PATH, proxyFlags, unixPath } from "./_proxy_flags.ts";
import { runProxy, runWorkers } from "./_proxy_serving.ts";
import { printingTap, whileItWorks } from "./_proxy_tap.ts";
import { opening, tlsFiles } from "./_proxy_tls.ts";
import { bothTaps, playBack, startRecording } from "./_recording.ts";

const { listen, tlsCert, tlsKey, toTls, serverName, ca, ...others } = proxyFlags;
const { quiet, metrics, workers, worker, grace, drain, ...limits } = others;

/** What the command line may say. */
export const flags = {
  listen,
  to: serverAddr(),
  sni: routes(),
  ...limits,
  tap: choice(["no", "text", "hex"], "no"),
  record: path(""),
  replay: path(""),
  speed: integer({ min: 1, fallback: 1 }),
  tlsCert,
  tlsKey,
  toTls,
  serverName,
  ca,
  quiet,
  metrics,
  workers,
  worker,
  grace,
  drain,
};

/** Serves until it is interrupted. */
export async function main(args: string[], io: Io): Promise<number | void> {
  const given = parseFlags(args, flags);
  onlyWith(given, flags, "acceptProxy", ["acceptProxyTimeout"]);
  onlyWith(given, flags, "replay", ["speed"]);
  const { to, sni, tap, record, replay: file, speed } = given;
  if (to === null && sni === null && file === "") {
    throw new UsageError("--to, --sni or --replay must be given");
  }
  if (record !== "" && given.workers > 1) {
    throw new UsageError("--record means nothing with --workers: they would write over each other");
  }
  const servers = [to ?? [], ...Object.values(sni ?? {})].flat();
  for (const addr of servers) need({ kind: "net", to: named(addr) });
  if (file !== "") {
    return await playBack({ file, to, open: await opening(given, 10_000), speed }, given, io);
  }
  const ended = await runWorkers(given, import.meta, { args, reads: tlsFiles(given) }, io);
  if (ended !== undefined) return ended;
  const connect = await connecting(given);
  using recorder = record === "" ? undefined : await startRecording(record);
  const taps = [
    ...tap === "no" ? [] : [whileItWorks(printingTap(tap, io), `--tap ${tap}`, io.log)],
    ...recorder ? [whileItWorks(recorder.tap, `--record ${record}`, io.log)] : [],
  ];
  await runProxy(given, { connect, ...taps.length > 0 && { tap: bothTaps(...taps) } }, io);
}

async function connecting(given: Values<typeof flags>): Promise<ConnectUpstream> {
  const { to, sni } = given;
  // There is one attempt, which --connect-timeout bounds anyway.
  const timeout = Infinity;
  const open = await opening(given, timeout);
  const toOne = (addr: TcpAddr) => {
    const path = unixPath(addr);
    return path === undefined ? toServer(addr, { open }) : toUnix(path, { timeout });
  };
  const fallback = to === null ? undefined : toOne(to);
  if (sni === null) return fallback!;
  const named = Object.entries(sni).map(([name, addr]) => [name, toOne(addr)] as const);
  return toSni(Object.fromEntries(named), fallback);
}

function named(addr: TcpAddr): string {
  return unixPath(addr) === undefined ? formatAddr(addr) : addr.hostname;
}

/** Where a server is. */
function serverAddr(): Flag<TcpAddr | null> {
  const read = (text: string) => {
    const addr = listenSocket(tcpAddr("", 0)).read(text);
    return addr && (addr.port > 0 || unixPath(addr) !== undefined) ? addr : undefined;
  };
  const allowed = `an address such as 127.0.0.1:80, or unix:/PATH of ${LONGEST_PATH} bytes at most`;
  return { allowed, read, fallback: null };
}

/** Servers by name. */
function routes(): Flag<Record<string, TcpAddr> | null> {
  const read = (text: string) => {
    const pairs = text.split(",").map((pair) => {
      const [, name, addr] = /^([\w.*-]+)=(.+)$/.exec(pair) ?? [];
      return [name, addr && serverAddr().read(addr)] as const;
    });
    const known = pairs.every(([name, addr]) => name && addr);
    return known ? Object.fromEntries(pairs) as Record<string, TcpAddr> : undefined;
  };
  return { allowed: "names and servers such as a.example=10.0.0.1:443", read, fallback: null };
}

if (import.meta.main) await run(main, import.meta);
