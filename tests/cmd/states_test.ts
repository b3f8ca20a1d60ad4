import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { limitsOf } from "../../cmd/_states_flags.ts";
import { dial } from "../../lib/client/dial.ts";
import { ALARM_LIMITS } from "../../lib/observe/alarms.ts";
import { TCP_STATES, type TcpState } from "../../lib/observe/tcp_states.ts";
import { firstMissing, type Needs, needs } from "../_needs.ts";
import { ownNetwork } from "../_own_network.ts";
import { eventually } from "../_eventually.ts";
import { firstLineFlags, ROOT, start, type Started, startProgram } from "../_script.ts";

const SEEING: Needs = { run: ["deno", "ss", "nstat"], read: true };

/** A line of `--json`. */
interface Seen {
  total: number;
  states: Record<TcpState, number>;
  groups?: Record<string, Record<TcpState, number>>;
  listeners: { name: string; length: number; backlog: number }[];
  counters?: Record<string, number>;
  alarms: { kind: string; subject?: string; value: number; worst: number; since: string }[];
  raised: string[];
  cleared: string[];
}

/** Some connections to one listener: both ends are ours. */
class Crowd implements Disposable {
  readonly listener: Deno.TcpListener;
  readonly #open = new DisposableStack();

  constructor(backlog = 100) {
    this.listener = this.#open.use(
      Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: backlog }),
    );
  }

  get port(): number {
    return this.listener.addr.port;
  }

  /** Somebody dials, and waits to be accepted. */
  async dial(): Promise<Disposable & { closeWrite(): Promise<void> }> {
    return this.#open.use(await dial(this.listener.addr));
  }

  /** Somebody dials, is accepted and says FIN: the other end is in CLOSE-WAIT. */
  async left(): Promise<Disposable> {
    const client = await this.dial();
    const server = this.#open.use(await this.listener.accept());
    await client.closeWrite();
    return server;
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }
}

/** What the script says once, without counting what is still in TIME-WAIT there. */
async function once(...args: string[]): Promise<{ code: number; lines: string[]; stderr: string }> {
  await using script = await start("states", args);
  const { code, stdout, stderr } = await script.ended();
  return { code, lines: new TextDecoder().decode(stdout).trimEnd().split("\n"), stderr };
}

/** All states but TIME-WAIT, in which a port may be that was somebody else's before. */
const LIVING = "listen,syn-sent,established,fin_wait_1,FIN-WAIT-2,close-wait,last-ack";

needs(SEEING, "states counts by state, as the chapter's count_tcp_states", async () => {
  using crowd = new Crowd();
  await crowd.left();
  await crowd.left();
  await crowd.dial();
  const counted = () => once("--port", `${crowd.port}`, "--state", LIVING);
  await eventually({
    code: 0,
    lines: [
      "LISTEN             1",
      "ESTABLISHED        2",
      "FIN-WAIT-2         2",
      "CLOSE-WAIT         2",
      "total              7",
    ],
    stderr: "",
  }, counted);
});

needs(SEEING, "states --by port and --by process count apart, the largest first", async () => {
  using few = new Crowd();
  using many = new Crowd();
  await few.dial();
  await many.left();
  await many.dial();
  const ports = ["--port", `${few.port},${many.port}`];
  const by = async (group: string, ...args: string[]) => {
    const { lines } = await once(...ports, "--state", LIVING, "--by", group, ...args);
    return lines.slice(lines.indexOf("") + 1);
  };
  await eventually([
    `:${many.port}`.padEnd(12) + "       5  LISTEN 1, ESTABLISHED 2, FIN-WAIT-2 1, CLOSE-WAIT 1",
    `:${few.port}`.padEnd(12) + "       3  LISTEN 1, ESTABLISHED 2",
  ], () => by("port"));
  // Whether somebody listens there does not hang on whether listeners are shown.
  const established = await by("port", "--state", "ESTABLISHED");
  for (const { port } of [few, many]) {
    const line = `:${port}`.padEnd(12) + "       2  ESTABLISHED 2";
    assert(established.includes(line), established.join("\n"));
  }
  // Those that nobody has accepted are nobody's.
  const [ours, nobodys, ...others] = await by("process");
  assertMatch(ours!, new RegExp(`^\\S+\\[${Deno.pid}\\] +6  LISTEN 2, ESTABLISHED 2, `));
  assertMatch(nobodys!, /^- +2 {2}ESTABLISHED 2$/);
  assertEquals(others, []);
  const name = /^(.*)\[/.exec(ours!)![1]!;
  const { lines } = await once(...ports, "--state", LIVING, "--process", name);
  assertEquals(lines.at(-1), "total              6");
  const { lines: none } = await once(...ports, "--process", "nobody-has-this-name");
  assertEquals(none, ["total              0"]);
});

needs(SEEING, "states --json says all of it in an object", async () => {
  using crowd = new Crowd(7);
  await crowd.dial();
  const { code, lines, stderr } = await once("--json", "--by", "port", "--port", `${crowd.port}`);
  assertEquals([code, lines.length, stderr], [0, 1, ""]);
  const seen = JSON.parse(lines[0]!) as Seen & { time: string };
  assertEquals(seen.states.LISTEN, 1);
  assertEquals(seen.groups![`:${crowd.port}`], seen.states);
  assertEquals(seen.total, Object.values(seen.states).reduce((sum, count) => sum + count));
  const name = `127.0.0.1:${crowd.port}`;
  assertEquals(seen.listeners, [{ name, length: 1, backlog: 7 }]);
  // The kernel counts those of all ports together.
  assertEquals("counters" in seen, false);
  const { lines: all } = await once("--json", "--queue", "0", "--close-wait", "0");
  assert((JSON.parse(all[0]!) as Seen).counters!["TcpExtListenDrops"]! >= 0);
  assertEquals([seen.alarms, seen.raised, seen.cleared], [[], [], []]);
  assert(Math.abs(Date.parse(seen.time) - Date.now()) < 60_000);
});

needs(
  SEEING,
  "states ends with 3 if a queue is full or CLOSE-WAIT piles up, and says so",
  async () => {
    using crowd = new Crowd(1);
    await crowd.left();
    await crowd.left();
    await crowd.dial();
    await crowd.dial();
    const { port } = crowd;
    const full = `accept-queue: the accept queue of 127.0.0.1:${port} is 100 % full: `;
    const piled = "close-wait: 2 connections are in CLOSE-WAIT: ";
    const on = ["--port", `${port}`];
    const both = await once(...on, "--close-wait", "2");
    assertEquals(both.code, 3);
    assertStringIncludes(both.stderr, full);
    assertStringIncludes(both.stderr, piled);
    assertEquals(both.stderr.trimEnd().split("\n").length, 2);
    const one = await once(...on, "--close-wait", "3", "--state", "LISTEN");
    // What is shown is one thing, what is alarming another.
    assertEquals([one.code, one.lines.length], [3, 2]);
    assert(one.stderr.includes(full) && !one.stderr.includes(piled), one.stderr);
    const hidden = await once(...on, "--close-wait", "2", "--process", "nobody-has-this-name");
    assertEquals([hidden.code, hidden.lines], [3, ["total              0"]]);
    assertStringIncludes(hidden.stderr, piled);
    const none = await once(...on, "--close-wait", "0", "--queue", "0");
    assertEquals([none.code, none.stderr], [0, ""]);
  },
);

needs(
  { ...SEEING, run: ["deno", "ss", "nstat", "python3"] },
  "states counts every state that there can be, and is alarmed at half-open connections",
  async () => {
    await using peer = startProgram("python3", ["tests/peers/states.py", "100"]);
    const [told] = await peer.printed(/^\{.*\}$/m);
    const { made, ports } = JSON.parse(told) as { made: Record<TcpState, number>; ports: number[] };
    const halfOpen = made["SYN-RECEIVED"];
    const { code, lines, stderr } = await once(
      ...["--port", ports.join(","), "--half-open", `${halfOpen}`],
      ...["--queue", "0", "--close-wait", "0"],
    );
    const table = TCP_STATES.filter((state) => made[state] > 0)
      .map((state) => `${state.padEnd(12)}${String(made[state]).padStart(8)}`);
    // A port may have been somebody else's a minute ago.
    const living = (line: string) => !line.startsWith("TIME-WAIT");
    assertEquals(lines.slice(0, -1).filter(living), table.filter(living));
    assertEquals(lines.length - 1, table.length);
    assertEquals(code, 3);
    assertStringIncludes(
      stderr,
      `half-open: ${halfOpen} connections are half-open: a SYN flood, or`,
    );
    await peer.endInput();
    await peer.output();
  },
);

/** The looks of a watch, one after the other. */
async function* looks(script: Started): AsyncGenerator<Seen> {
  for (let told = 1;; told++) {
    const [text] = await script.printed(new RegExp(`^(?:.+\\n){${told}}`));
    yield JSON.parse(text.trimEnd().split("\n").at(-1)!);
  }
}

/** The first look for which this holds. */
async function lookUntil(script: Started, holds: (seen: Seen) => boolean): Promise<Seen> {
  for await (const seen of looks(script)) if (holds(seen)) return seen;
  throw new Error("unreachable");
}

needs(
  SEEING,
  "states --watch --json raises an alarm as it comes, and clears it when it is over",
  async () => {
    using crowd = new Crowd();
    const args = ["--port", `${crowd.port}`, "--close-wait", "2", "--quiet", "200ms"];
    await using script = await start("states", [
      ...args,
      "--watch",
      "--times",
      "100",
      "--json",
      "--interval",
      "100ms",
    ]);
    const first = await lookUntil(script, () => true);
    assertEquals([first.states["CLOSE-WAIT"], first.alarms], [0, []]);
    const servers = [await crowd.left(), await crowd.left(), await crowd.left()];
    const raised = await lookUntil(script, ({ raised }) => raised.length > 0);
    assertEquals(raised.raised, ["close-wait"]);
    assertEquals(raised.alarms.map(({ kind }) => kind), ["close-wait"]);
    assert(Math.abs(Date.parse(raised.alarms[0]!.since) - Date.now()) < 60_000);
    for (const server of servers) server[Symbol.dispose]();
    const over = await lookUntil(script, ({ cleared }) => cleared.length > 0);
    assertEquals([over.cleared, over.alarms], [["close-wait"], []]);
    script.kill("SIGINT");
    const { code, stderr } = await script.ended();
    assertEquals(code, 0);
    assertMatch(
      stderr,
      /wrn close-wait: [23] connections are in CLOSE-WAIT: .*\n.*inf close-wait: over; at worst [23]\n$/,
    );
  },
);

needs(SEEING, "states --watch tells when the kernel turns connections away", async () => {
  using crowd = new Crowd(0);
  await using script = await start("states", [
    "--watch",
    "--json",
    "--interval",
    "100ms",
    "--times",
    "100",
  ]);
  await lookUntil(script, () => true);
  await crowd.dial();
  // There is room for one: the kernel drops this SYN, and counts that it did.
  const enough = new AbortController();
  const second = dial(crowd.listener.addr, { signal: enough.signal }).catch(() => {});
  const seen = await lookUntil(script, ({ raised }) => raised.includes("turned-away"));
  assert(seen.alarms.some(({ kind, value }) => kind === "turned-away" && value > 0));
  const queue = `accept-queue 127.0.0.1:${crowd.port}`;
  await lookUntil(
    script,
    ({ alarms }) => alarms.some((it) => `${it.kind} ${it.subject}` === queue),
  );
  enough.abort();
  await second;
  script.kill("SIGTERM");
  // It stands, at the end.
  assertEquals((await script.ended()).code, 3);
});

needs(
  { ...SEEING, run: ["deno", "ss", "nstat", "python3"] },
  "states --watch tells of half-open connections, and of SYN cookies when there are many",
  async () => {
    // Where nobody else is disturbed, nor disturbs, if that can be had.
    const network = firstMissing({ run: ["unshare", "ip"] }) === undefined
      ? await ownNetwork()
      : undefined;
    const flags = await firstLineFlags("cmd/states.ts");
    const [program, ...args] = [
      ...network ?? [],
      "sh",
      "-c",
      // Else what is started beside has no input.
      'exec 3<&0; python3 tests/peers/half_open.py 30 4 <&3 & exec "$@"',
      "sh",
      ...[Deno.execPath(), "run", "--quiet", "--no-prompt", ...flags, "cmd/states.ts"],
      ...["--watch", "--json", "--interval", "100ms", "--times", "100", "--half-open", "5"],
    ];
    await using script = startProgram(program!, args);
    const before = await lookUntil(script, () => true);
    if (network !== undefined) assertEquals([before.total, before.alarms], [0, []]);
    await script.type("go\n");
    const kinds = ["half-open", "syn-cookies", "turned-away"];
    const { states } = await lookUntil(
      script,
      ({ alarms }) => kinds.every((it) => alarms.some(({ kind }) => kind === it)),
    );
    // As many as there is room for: of the others the kernel remembers nothing.
    if (network !== undefined) assertEquals(states["SYN-RECEIVED"], 5);
    script.kill("SIGINT");
    // The peer ends with it.
    await script.endInput();
    const { code, stderr } = await script.ended();
    assertEquals(code, 3);
    for (const kind of kinds) assertMatch(stderr, new RegExp(` wrn ${kind}: \\d+ `));
  },
);

needs(SEEING, "states --watch ends after --times looks, a line for each in a pipe", async () => {
  using crowd = new Crowd();
  const args = ["--port", `${crowd.port}`, "--state", LIVING, "--watch", "--times", "2"];
  const { code, lines, stderr } = await once(...args, "--interval", "100ms");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, "")), [
    "1: LISTEN 1",
    "1: LISTEN 1",
  ]);
});

needs(SEEING, "states goes on without nstat, and says what it cannot see", async () => {
  const flags = ["--allow-run=ss"];
  await using once = await start("states", ["--json", "--queue", "0"], { flags });
  const { stdout } = await once.ended();
  assertEquals("counters" in JSON.parse(new TextDecoder().decode(stdout)), false);
  await using watch = await start("states", ["--watch", "--times", "1", "--queue", "0"], { flags });
  const { stderr } = await watch.ended();
  const blind = "wrn no alarm if connections are turned away: ";
  assertStringIncludes(stderr, `${blind}nstat is missing, or --allow-run=nstat\n`);
});

needs({ ...SEEING, write: true }, "states goes on where there is ss, but no nstat", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/ss`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-run", "cmd/states.ts"]
      .concat("--watch", "--times", "2", "--interval", "100ms"),
    cwd: ROOT,
    env: { PATH: folder },
  });
  const { code, stdout, stderr } = await command.output();
  await Deno.remove(folder, { recursive: true });
  assertEquals(code, 0);
  assertMatch(new TextDecoder().decode(stdout), /^\S+ 0: none\n\S+ 0: none\n$/);
  // It says so once.
  assertMatch(new TextDecoder().decode(stderr), /^[^\n]* nstat is not installed: [^\n]*\n$/);
});

needs({ ...SEEING, write: true }, "states names the package where there is no ss", async () => {
  const folder = await Deno.makeTempDir();
  for (const allowed of ["--allow-run=ss,nstat", "--allow-run"]) {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", allowed, "cmd/states.ts"],
      cwd: ROOT,
      env: { PATH: folder },
    });
    const { code, stdout, stderr } = await command.output();
    assertEquals([code, stdout.length], [1, 0]);
    assertMatch(new TextDecoder().decode(stderr), /^states: .*\bss\b.* package iproute2\n$/);
  }
  await Deno.remove(folder);
});

Deno.test("limitsOf() is quiet at half of what is alarming, and never at 0", () => {
  const limits = limitsOf({ halfOpen: 100, closeWait: 1, queue: 0 });
  assertEquals(limits["half-open"], { raise: 100, clear: 50 });
  assertEquals(limits["close-wait"], { raise: 1, clear: 0 });
  assertEquals(limits["accept-queue"].raise, Infinity);
  assertEquals(limits["turned-away"], ALARM_LIMITS["turned-away"]);
});

needs(SEEING, "states refuses what it cannot count", async () => {
  const refused: [string[], string][] = [
    [["--state", "open"], "--state must be some of CLOSED, LISTEN, "],
    [["--port", "80,"], "--port must be ports from 1 to 65535, such as 80 or 80,443: got"],
    [["--port", "65536"], "--port must be ports from 1 to 65535"],
    [["--by", "host"], "--by must be none, port or process"],
    [["--queue", "101"], "--queue must be a whole number from 0 to 100"],
    [["--interval", "99ms"], "--interval must be a time"],
    [["--times", "2"], "--times means nothing without --watch"],
    [["tcp"], 'unexpected argument "tcp"'],
  ];
  for (const [args, why] of refused) {
    const { code, lines, stderr } = await once(...args);
    assertEquals([code, lines], [2, [""]]);
    assertStringIncludes(stderr, `states: ${why}`);
    assertEquals(stderr.split("\n").length, 2);
  }
});

needs(
  { ...SEEING, run: ["deno", "ss", "nstat", "script"] },
  "states --watch draws in place on a terminal",
  async () => {
    using crowd = new Crowd();
    const flags = await firstLineFlags("cmd/states.ts");
    const shown = ["--port", `${crowd.port}`, "--state", LIVING, "--close-wait", "1"];
    const words = [Deno.execPath(), "run", "--quiet", ...flags, "cmd/states.ts", ...shown]
      .concat("--watch", "--interval", "100ms", "--times", "60");
    const command = `stty cols 60 rows 20; exec ${words.map((word) => `'${word}'`).join(" ")}`;
    await using terminal = startProgram("script", ["-qec", command, "/dev/null"]);
    // Three lines, and three up again.
    await terminal.printed(
      /^every 100ms; Ctrl-C ends\r\nLISTEN +1 {2}█\r\ntotal +1 {2}█\r\n.\[3A\r.\[Jevery 100ms; Ctrl-C ends\r\nLISTEN +1 {2}██\r\n/,
    );
    await crowd.left();
    // The alarm stands above the picture, and is not taken back with it; and in it while it stands.
    await terminal.printed(/.\[\dA\r.\[J\S* \S*wrn\S* .*close-wait.*\r\nevery 100ms/);
    await terminal.printed(
      /CLOSE-WAIT +1 {2}▁+█+\r\n.*total .*\r\n\r\n! close-wait since \S+: 1, at worst 1\r\n/s,
    );
    await terminal.type("\x03"); // Ctrl-C
    const { code, stdout } = await terminal.ended();
    assertEquals(code, 3);
    const lines = new TextDecoder().decode(stdout).split("\n").map((line) => line.trimEnd());
    const drawn = lines.filter((line) => /^(LISTEN|total|!)/.test(line));
    assertEquals(drawn.filter((line) => [...line].length > 59), []);
  },
);
