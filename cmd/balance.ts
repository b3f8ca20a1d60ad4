#!/usr/bin/env -S deno run --allow-net --v8-flags=--max-semi-space-size=8
/**
 * Shares connections out among servers. Where one does not take a connection, the next one is
 * asked, and the client never knows.
 *
 *     deno task balance --listen 8080 --to 10.0.0.1:80,10.0.0.2:80@3
 *     deno run --allow-net --allow-read=servers.txt cmd/balance.ts --servers servers.txt
 *     kill -HUP PID                                       reads servers.txt again
 *
 * A list of servers has commas or new lines between them; each is
 * `[NAME=]HOST:PORT[@WEIGHT] [backup] [drain | maintenance] [max=COUNT]`. A new list takes no
 * connection from anybody: a server that is no longer in it keeps those that it has.
 *
 * Flags:
 *
 *     --listen ADDR                where to listen: a port, HOST:PORT or unix:/PATH;
 *                                  127.0.0.1:8080. Port 0 is any free one
 *     --to SERVERS                 the servers
 *     --servers FILE               or a file with them, which SIGHUP reads again
 *     --algorithm NAME             round-robin, least-conns, random (the better one of two),
 *                                  source-hash, or first; round-robin
 *     --check HOW                  how servers are checked: connect, tls, http:/PATH,
 *                                  talk:SEND:EXPECT, such as 'talk:PING\r\n:+PONG', or off; connect
 *     --timeout TIME               for one check, and for one attempt to connect; 2s
 *     --interval TIME              from one check to the next; 2s
 *     --fast-interval TIME         the same while the last check spoke against its state; 0 is
 *                                  --interval
 *     --down-interval TIME         the same while it is down; 0 is --interval
 *     --initial STATE              before the first check: up, down, or fully-up or fully-down,
 *                                  which take as many checks as ever to leave; up
 *     --rise COUNT                 so many successes in a row bring a server up; 2
 *     --fall COUNT                 so many failures in a row bring it down; 3
 *     --slow-start TIME            in which a server that has come back gets its full share; 0
 *     --when-all-down WHAT         then refuse everybody, or try servers nevertheless; refuse
 *     --retries COUNT              attempts after the first, on other servers where there are; 3
 *     --explain                    log each decision: who was chosen, and why no other one
 *     --queue TIME                 how long one may wait where all servers have max; 5s
 *     --max-waiting COUNT          how many may wait at once; 1024
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
 *     --send-proxy VERSION         send servers a PROXY header: 1, 2, or no; no
 *     --tls-cert FILE              open TLS, with this certificate (PEM)
 *     --tls-key FILE               and its key
 *     --to-tls                     talk TLS to servers
 *     --server-name NAME           the name on their certificates; their hosts
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
 * Each connection is one line on standard error once it has ended, as docs/proxy.md explains;
 * so is each server that goes up or down. The first Ctrl-C or SIGTERM lets no one else in, and
 * connections go on for --drain; the second ends at once. With --workers the kernel shares
 * connections out among processes, which needs `--allow-run=deno`; each has its own servers'
 * counts and metrics, these on ports in a row.
 *
 * Exit codes: 0, ended; 1, could not serve; 2, wrong command line; 130 or 143, ended at once.
 *
 * @module
 */

import type { TcpAddr } from "../lib/addr.ts";
import { explainLine } from "../lib/errors.ts";
import { ALGORITHMS } from "../lib/proxy/balance_algorithms.ts";
import { decisionText } from "../lib/proxy/decision_text.ts";
import { Fleet } from "../lib/proxy/fleet.ts";
import { balancerMetrics } from "../lib/proxy/proxy_tally.ts";
import { type ListedServer, parseServerList } from "../lib/proxy/server_list.ts";
import type { OpenUpstream } from "../lib/proxy/upstream.ts";
import { type Io, type Log, run } from "./_cli.ts";
import { choice, duration, type Flag, integer, path, toggle } from "./_flag.ts";
import { onlyWith, parseFlags, UsageError, type Values } from "./_flags.ts";
import { check, healthPolicy, policyFlags } from "./_health_flags.ts";
import { need } from "./_permissions.ts";
import { proxyFlags } from "./_proxy_flags.ts";
import { runProxy, runWorkers } from "./_proxy_serving.ts";
import { opening, tlsFiles } from "./_proxy_tls.ts";
import { readFile } from "./_reload.ts";

const { listen, ...proxying } = proxyFlags;

/** What the command line may say. */
export const flags = {
  listen,
  to: serverList(),
  servers: path(""),
  algorithm: choice(ALGORITHMS, "round-robin"),
  check: check("connect"),
  ...policyFlags,
  slowStart: duration({ fallback: 0 }),
  whenAllDown: choice(["refuse", "try"], "refuse"),
  retries: integer({ fallback: 3 }),
  explain: toggle(),
  queue: duration({ min: 1, fallback: 5000 }),
  maxWaiting: integer({ fallback: 1024 }),
  ...proxying,
};

const { timeout: _, ...checking } = policyFlags;
const CHECKING = Object.keys(checking) as (keyof typeof checking)[];

/** Serves until it is interrupted. */
export async function main(args: string[], io: Io): Promise<number | void> {
  const given = parseFlags(args, flags);
  onlyWith(given, flags, "acceptProxy", ["acceptProxyTimeout"]);
  onlyWith(given, flags, "check", CHECKING);
  const { servers: file, to } = given;
  if (to === null && file === "") throw new UsageError("--to or --servers must be given");
  if (to !== null && file !== "") {
    throw new UsageError("only one of --to and --servers may be given");
  }
  need({ kind: "net" });
  const reads = [...file === "" ? [] : [file], ...tlsFiles(given)];
  const ended = await runWorkers(given, import.meta, { args, reads }, io);
  if (ended !== undefined) return ended;
  const list = to ?? await readFile(file, parseServerList);
  const open = await opening(given, given.timeout);
  await using fleet = makeFleet(list, open, given, io.log);
  const reload = async () => {
    const { added, changed, removed } = fleet.reload(await readFile(file, parseServerList));
    io.log.info("{file} read again: added {added}, changed {changed}, removed {removed}", {
      file,
      added: names(added),
      changed: names(changed),
      removed: names(removed),
    });
  };
  const { balancer, connect, queue } = fleet;
  const metrics = () => balancerMetrics(balancer, queue.waiting);
  await runProxy(given, { connect, metrics, ...file !== "" && { reload } }, io);
}

function makeFleet(
  list: ListedServer[],
  open: OpenUpstream<TcpAddr>,
  given: Values<typeof flags>,
  log: Log,
): Fleet {
  const { algorithm, slowStart, whenAllDown, retries, queue, maxWaiting } = given;
  const { timeout } = given;
  return new Fleet(list, {
    open,
    algorithm,
    slowStart,
    whenAllDown,
    retries,
    queueTimeout: queue,
    maxWaiting,
    timeout,
    ...given.explain && {
      onDecision(decision, { key }) {
        log.info("{client} to {why}", { client: key, why: decisionText(decision) });
      },
    },
    ...given.check && { health: { probe: given.check, timeout, ...healthPolicy(given) } },
    onHealth(id, { up, reason }) {
      log[up ? "info" : "warn"]("{id} is {how}: {reason}", { id, how: up ? "up" : "down", reason });
    },
    onFailure({ id, error }) {
      log.warn("{id} did not take a connection: {why}", { id, why: explainLine(error) });
    },
  });
}

function names(of: readonly string[]): string {
  return of.join(", ") || "none";
}

/** Servers, with commas between them. What is wrong with a list is more than "no such list". */
function serverList(): Flag<ListedServer[] | null> {
  const read = (text: string) => {
    try {
      return parseServerList(text);
    } catch (error) {
      throw new UsageError(`--to: ${(error as Error).message}`, { cause: error });
    }
  };
  const allowed = "servers such as 10.0.0.1:80,10.0.0.2:80@3, or web1=10.0.0.1:80 backup";
  return { allowed, read, fallback: null };
}

if (import.meta.main) await run(main, import.meta);
