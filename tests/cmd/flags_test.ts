import { assertEquals, assertThrows } from "@std/assert";
import {
  bytes,
  choice,
  duration,
  durationText,
  integer,
  path,
  peer,
  port,
  text,
  toggle,
} from "../../cmd/_flag.ts";
import { onlyWith, parseFlags, UsageError } from "../../cmd/_flags.ts";

const flags = {
  host: text("127.0.0.1"),
  port: port(9999),
  raw: toggle(),
  maxConns: integer({ min: 1, fallback: Infinity }),
  whenFull: choice(["wait", "refuse"], "wait"),
  idleTimeout: duration({ fallback: 0, max: 60_000 }),
  maxLine: bytes({ fallback: 100 }),
};

/** What is said about a wrong command line. */
function complaint(args: string[], operands = {}): string {
  return assertThrows(() => parseFlags(args, flags, operands), UsageError).message;
}

Deno.test("parseFlags() has a value for each flag that is not given", () => {
  assertEquals(parseFlags([], flags), {
    host: "127.0.0.1",
    port: 9999,
    raw: false,
    maxConns: Infinity,
    whenFull: "wait",
    idleTimeout: 0,
    maxLine: 100,
  });
});

Deno.test("parseFlags() reads --flag value and --flag=value, and the last of two counts", () => {
  const { port, maxConns, raw, whenFull } = parseFlags(
    ["--port", "1", "--max-conns=5", "--raw", "--when-full", "refuse", "--port=2"],
    flags,
  );
  assertEquals({ port, maxConns, raw, whenFull }, {
    port: 2,
    maxConns: 5,
    raw: true,
    whenFull: "refuse",
  });
});

Deno.test("parseFlags() says that a path is missing", () => {
  assertEquals(complaint([], { FILE: path() }), "FILE is missing: it must be a path");
});

Deno.test("parseFlags() reads times with a unit, which only 0 does without", () => {
  const time = (given: string) => parseFlags(["--idle-timeout", given], flags).idleTimeout;
  assertEquals(["250ms", "30s", "1m", "0s", "0"].map(time), [250, 30_000, 60_000, 0, 0]);
});

Deno.test("duration() takes no time that a timer cannot hold", () => {
  const { read, allowed } = duration();
  assertEquals(["500h", "501h", "9999999999s"].map(read), [1_800_000_000, undefined, undefined]);
  assertEquals(allowed, "a time such as 500ms, 30s or 5m, or 0, at most 500h");
});

Deno.test("durationText() writes a time as a flag reads it", () => {
  const times = [0, 1, 1500, 10_000, 90_000, 120_000, 7_200_000];
  const texts = ["0", "1ms", "1500ms", "10s", "90s", "2m", "2h"];
  assertEquals(times.map(durationText), texts);
  assertEquals(texts.map(duration().read), times);
});

Deno.test("parseFlags() reads sizes with and without a unit", () => {
  const size = (given: string) => parseFlags(["--max-line", given], flags).maxLine;
  assertEquals(["7", "7B", "2KiB", "1MiB"].map(size), [7, 7, 2048, 1 << 20]);
});

Deno.test("parseFlags() reads operands, also after --, where they may look like flags", () => {
  const operands = { "HOST:PORT": peer(), "NAME": text("nobody") };
  const { "HOST:PORT": addr, NAME } = parseFlags(["--raw", "[::1]:5"], flags, operands);
  assertEquals([addr.hostname, addr.port, NAME], ["::1", 5, "nobody"]);
  assertEquals(parseFlags([":5", "--", "--raw=1"], flags, operands).NAME, "--raw=1");
});

for (
  const [args, said] of [
    [
      ["--prot", "5"],
      "unknown flag --prot (did you mean --port?): allowed are --host, --port, " +
      "--raw, --max-conns, --when-full, --idle-timeout, --max-line, --help, --version",
    ],
    [["--maxconns=5"], "unknown flag --maxconns (did you mean --max-conns?)"],
    [["--completely-else"], "unknown flag --completely-else: allowed are --host"],
    [["-p", "5"], "unknown flag -p: allowed are"],
    [["--no-raw"], "unknown flag --no-raw: allowed"],
    [["--__proto__", "5"], "unknown flag --__proto__: allowed"],
    [["--\x1b[31m"], 'unknown flag "--\\u001b[31m": allowed'],
    [["--port"], "--port needs a value: it must be a port from 0 to 65535"],
    [["--port="], "--port needs a value"],
    [["--port", "--raw"], "--port needs a value"],
    [["--port", "-1"], '--port must be a port from 0 to 65535: got "-1"'],
    [["--host", "-1"], "--host needs a value: it must be some text"],
    [["--idle-timeout", "-5s"], "--idle-timeout must be a time such as 500ms, 30s or 5m"],
    [["--port=-1"], '--port must be a port from 0 to 65535: got "-1"'],
    [["--port", "65536"], '--port must be a port from 0 to 65535: got "65536"'],
    [["--port", "0x10"], '--port must be a port from 0 to 65535: got "0x10"'],
    [["--port", "1\n2"], '--port must be a port from 0 to 65535: got "1\\n2"'],
    [["--max-conns", "0"], '--max-conns must be a whole number >= 1: got "0"'],
    [["--max-conns", "1.5"], '--max-conns must be a whole number >= 1: got "1.5"'],
    [["--max-conns", "1s"], "--max-conns must be a whole number"],
    [["--max-line", "1KB"], "--max-line must be bytes, or a size such as 64KiB or 1MiB, >= 0"],
    [["--max-line", "9007199254740993"], "--max-line must be bytes"],
    [
      ["--idle-timeout", "2m"],
      "--idle-timeout must be a time such as 500ms, 30s or 5m, or 0, at most 1m: " +
      'got "2m"',
    ],
    [["--idle-timeout", "1toString"], "--idle-timeout must be a time"],
    [["--idle-timeout", "5"], "--idle-timeout must be a time such as 500ms, 30s or 5m"],
    [["--when-full", "panic"], '--when-full must be wait or refuse: got "panic"'],
    [["--raw=yes"], "--raw takes no value"],
    [["5"], 'unexpected argument "5": only flags are allowed'],
  ] as const
) {
  Deno.test(`parseFlags() says what is wrong with ${JSON.stringify(args.join(" "))}`, () => {
    const told = complaint([...args]);
    assertEquals(told.slice(0, said.length), said);
    assertEquals(told.includes("\n"), false);
  });
}

for (
  const [args, said] of [
    [[], "HOST:PORT is missing: it must be an address such as 127.0.0.1:9999 or [::1]:9999"],
    [["::1:5"], "HOST:PORT must be an address such as 127.0.0.1:9999 or [::1]:9999: got"],
    [["host"], 'HOST:PORT must be an address such as 127.0.0.1:9999 or [::1]:9999: got "host"'],
    [["host:0"], "HOST:PORT must be an address"],
    [["host:1", "more"], 'unexpected argument "more": only HOST:PORT is allowed'],
  ] as const
) {
  Deno.test(`parseFlags() says what is wrong with operands ${JSON.stringify(args)}`, () => {
    assertEquals(complaint([...args], { "HOST:PORT": peer() }).slice(0, said.length), said);
  });
}

Deno.test("onlyWith() refuses what means nothing without a switch", () => {
  const some = { watch: toggle(), times: integer({ fallback: 1 }), port: port(9999) };
  const told = (args: string[]) => onlyWith(parseFlags(args, some), some, "watch", ["times"]);
  assertThrows(
    () => told(["--times", "2"]),
    UsageError,
    "--times means nothing without --watch",
  );
  for (const args of [[], ["--port", "1"], ["--watch", "--times", "2"]]) told(args);
});
