import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { columns } from "../../lib/observe/_canvas.ts";
import { size, time } from "../../lib/observe/_words.ts";
import type { CallEvent, TraceEvent } from "../../lib/observe/events.ts";
import { ladder, type LadderOptions } from "../../lib/observe/ladder.ts";
import { anyTrace } from "./_traces.ts";

Deno.test("ladder() breaks the narrator's words, but not a drawing in several lines", () => {
  const words = "The client  has said\tall that it has to say, and waits for what comes back now.";
  const drawing = "name      ━━✓\n127.0.0.1    ━━━✗";
  const events = [call(0, "client", "connect"), note(1, words), note(2, drawing)];
  const lines = ladder(events, { width: 60, lifelines: ["client", "server"] }).split("\n");
  assertEquals(lines.slice(3, 5), [
    "  The client has said all that it has to say, and waits for",
    "  what comes back now.",
  ]);
  assertEquals(lines.slice(6, 8), ["  name      ━━✓", "  127.0.0.1    ━━━✗"]);
});

Deno.test("ladder() shows a half-close: FIN one way, and bytes still the other", () => {
  assertLadder(
    [
      call(0.31, "server", "listen", { local: "127.0.0.1:9999" }),
      note(0.4, "The kernel shakes hands; accept() takes the connection over."),
      call(0.5, "client", "connect", { remote: "127.0.0.1:9999" }),
      call(0.9, "server", "accept", { remote: "127.0.0.1:50000" }),
      write(1.2, "client", 14),
      read(1.4, "server", 14),
      note(1.5, "The client has said all that it has to say."),
      call(2, "client", "closeWrite"),
      read(2.25, "server", null),
      write(2.5, "server", 9),
      read(2.75, "client", 9),
      call(3, "server", "close"),
      read(3.25, "client", null),
      call(12.5, "client", "close"),
    ],
    `
    ms                 client                     server                      ms
                          │                          │ listen :9999         0.31
                          │                          │
  The kernel shakes hands; accept() takes the connection over.
  0.50      connect :9999 │◀─ SYN · SYN-ACK · ACK ──▶│ accept from :50000   0.90
  1.20         write 14 B ├────────── 14 B ─────────▶│ read 14 B            1.40
                          │                          │
  The client has said all that it has to say.
  2.00         closeWrite ╞══════════ FIN ══════════▶│ read → EOF           2.25
  2.75           read 9 B ╎◀───────── 9 B ───────────┤ write 9 B            2.50
  3.25         read → EOF ╎◀═════════ FIN ═══════════╡ close                3.00
 12.50              close ╎

  ── data   ══ FIN: no more from here   ╎ has said FIN, may still receive
`,
    { legend: true },
  );
});

Deno.test("ladder() ties the reads of one write together, and the writes of one read", () => {
  assertLadder(
    [
      write(1, "client", 14),
      read(2, "server", 5),
      read(3, "server", 8),
      read(4, "server", 1),
      write(5, "client", 1),
      write(6, "client", 2),
      write(7, "client", 3),
      read(8, "server", 6),
      write(11, "server", 4),
      read(12, "client", 1),
      read(13, "client", 3),
      write(15, "server", 1),
      write(16, "server", 2),
      read(18, "client", 3),
    ],
    `
    ms                 client                     server                      ms
  1.00        write 14 B ┬├────────── 5 B ──────────▶│ read 5 B             2.00
                         ├├────────── 8 B ──────────▶│ read 8 B             3.00
                         └├────────── 1 B ──────────▶│ read 1 B             4.00
  5.00          write 1 B ├────────── 1 B ──────────▶│┐
  6.00          write 2 B ├────────── 2 B ──────────▶│┤
  7.00          write 3 B ├────────── 3 B ──────────▶│┴ read 6 B            8.00
 12.00           read 1 B │◀───────── 1 B ───────────┤┬ write 4 B          11.00
 13.00           read 3 B │◀───────── 3 B ───────────┤┘
                         ┌│◀───────── 1 B ───────────┤ write 1 B           15.00
 18.00          read 3 B ┴│◀───────── 2 B ───────────┤ write 2 B           16.00
`,
  );
});

Deno.test("ladder() matches bytes by their place in the stream, wherever reads are cut", () => {
  assertLadder(
    [
      write(1, "client", 10),
      write(2, "client", 10),
      read(3, "server", 15),
      read(4, "server", 5),
      write(5, "client", 5),
      note(6, "Ties do not reach across words."),
      write(7, "client", 5),
      read(8, "server", 10),
    ],
    `
    ms                 client                     server                      ms
  1.00         write 10 B ├────────── 10 B ─────────▶│┐
  2.00        write 10 B ┬├────────── 5 B ──────────▶│┴ read 15 B           3.00
                         └├────────── 5 B ──────────▶│ read 5 B             4.00
  5.00          write 5 B ├────────── 5 B ──────────▶│
                          │                          │
  Ties do not reach across words.
  7.00          write 5 B ├────────── 5 B ──────────▶│ read 10 B            8.00
`,
  );
});

Deno.test("ladder() takes nothing before it was sent, whatever the clock can tell apart", () => {
  assertLadder(
    [
      { ...read(1, "server", 10), at: 1 } as CallEvent,
      { ...read(1, "server", null), at: 1 } as CallEvent,
      write(1, "client", 5),
      write(1, "client", 5),
      call(1, "client", "closeWrite"),
    ],
    `
    ms                 client                     server                      ms
  1.00          write 5 B ├────────── 5 B ──────────▶│┐
  1.00          write 5 B ├────────── 5 B ──────────▶│┴ read 10 B           1.00
  1.00         closeWrite ╞══════════ FIN ══════════▶│ read → EOF           1.00
`,
  );
});

Deno.test("ladder() draws what waited in the kernel once as it arrives and once as it is read", () => {
  assertLadder(
    [
      write(1, "client", 14),
      call(2, "client", "closeWrite"),
      write(3, "server", 5),
      read(4, "server", 10),
      read(5, "server", 4),
      read(6, "server", null),
      read(7, "client", 5),
    ],
    `
    ms                 client                     server                      ms
  1.00         write 14 B ├────────── 14 B ─────────▶│
  2.00         closeWrite ╞══════════ FIN ══════════▶│
                          ╎◀───────── 5 B ───────────┤ write 5 B            3.00
                          ╎            ┄┄┄┄ 10 B ┄┄┄▶│ read 10 B            4.00
                          ╎            ┄┄┄┄ 4 B ┄┄┄┄▶│ read 4 B             5.00
                          ╎            ┄┄┄┄ FIN ┄┄┄┄▶│ read → EOF           6.00
  7.00           read 5 B ╎◀┄┄┄ 5 B ┄┄┄┄┄            │

  ── data   ══ FIN: no more from here   ┄┄ taken later from the kernel
  ╎ has said FIN, may still receive
`,
    { legend: true },
  );
});

Deno.test("ladder() draws RST as a broken line, whoever is known to have sent it", () => {
  assertLadder(
    [
      note(0, "On purpose."),
      call(1, "server", "reset", { conn: "1" }),
      failed(2, "client", "read", ECONNRESET, "1"),
      failed(3, "client", "read", ECONNRESET, "1"),
      call(4, "client", "close", { conn: "1" }),
      note(5, "The kernel of a peer that has closed."),
      call(6, "server", "close", { conn: "2" }),
      read(6.5, "client", null, "2"),
      write(7, "client", 10, "2"),
      failed(8, "client", "write", EPIPE, "2"),
      call(9, "client", "close", { conn: "2" }),
    ],
    `
    ms                 client                     server                      ms
  On purpose.
  2.00  read ✗ ECONNRESET │◀╳─╳─╳─╳─╳ RST ╳─╳─╳─╳─╳─╳┤ reset                1.00
  3.00  read ✗ ECONNRESET │
  4.00              close │

  The kernel of a peer that has closed.
  6.50         read → EOF │◀═════════ FIN ═══════════╡ close                6.00
  7.00         write 10 B ├────────── 10 B ─────────✗
  8.00      write ✗ EPIPE │◀╳─╳─╳─╳─╳ RST ╳─╳─╳─╳─╳─╳
  9.00              close │

  ── data   ══ FIN: no more from here   ─╳─ RST: broken off   ✗ never read
  ╎ has said FIN, may still receive
`,
    { legend: true },
  );
});

Deno.test("ladder() takes a read of null for FIN only where a FIN was sent", () => {
  assertLadder(
    [
      call(1, "server", "reset"),
      failed(2, "client", "read", ECONNRESET),
      read(3, "client", null),
    ],
    `
    ms                 client                     server                      ms
  2.00  read ✗ ECONNRESET │◀╳─╳─╳─╳─╳ RST ╳─╳─╳─╳─╳─╳┤ reset                1.00
  3.00         read → EOF │
`,
  );
});

Deno.test("ladder() takes EPIPE after our own FIN for our own doing", () => {
  assertLadder(
    [
      call(1, "client", "closeWrite"),
      failed(2, "client", "write", EPIPE),
      call(3, "client", "close"),
      read(4, "server", null),
    ],
    `
    ms                 client                     server                      ms
  1.00         closeWrite ╞══════════ FIN ══════════▶│
  2.00      write ✗ EPIPE ╎                          │
  3.00              close ╎                          │
                                       ┄┄┄┄ FIN ┄┄┄┄▶│ read → EOF           4.00
`,
  );
});

Deno.test("ladder() says what was never read, what was not taken, and what still waits", () => {
  assertLadder(
    [
      { ...write(1, "client", 4_000_000), size: 64 * 1024 * 1024 } as CallEvent,
      read(2, "server", 1_000_000),
      call(3, "server", "close"),
      call(4, "client", "write", { size: 100, end: undefined }),
      call(5, "client", "read", { size: 100, end: undefined }),
    ],
    `
    ms                 client                     server                      ms
  1.00  write 3.8/64 MiB ┬├──────── 977 KiB ────────▶│ read 977 KiB         2.00
                         └├──────── 2.9 MiB ────────✗│
                          │◀═════════ FIN ═══════════╡ close                3.00
  4.00      write 100 B … ├───────── 100 B ─────────✗
  5.00             read … │
`,
  );
});

Deno.test("ladder() draws calls that failed without an arrow", () => {
  assertLadder(
    [
      call(1, "client", "connect", {
        remote: "example.com:80",
        conn: undefined,
        error: { name: "ConnectionRefused", code: "ECONNREFUSED", message: "refused" },
      }),
      read(2, "server", 1),
      call(3, "client", "closeWrite", { error: { name: "BadResource", message: "closed" } }),
      call(4, "client", "read", { size: 1, end: undefined }),
    ],
    `
    ms                 client                     server                      ms
  1.00     ✗ ECONNREFUSED │                          │
                          │────────── 1 B ──────────▶│ read 1 B             2.00
  3.00      ✗ BadResource │                          │
  4.00             read … │                          │
`,
  );
});

Deno.test("ladder() says whom a failed connect was for, where there is room", () => {
  const error = { name: "ConnectionRefused", code: "ECONNREFUSED", message: "refused" };
  const to = (remote: string) => call(1, "a", "connect", { remote, conn: undefined, error });
  const lines = ladder([to("127.0.0.1:80"), to("10.8.0.1:9000"), to("long.example.com:8000")], {
    lifelines: ["a", "b", "c"],
    width: 80,
  });
  assertMatch(lines, /│ connect :80 ✗ ECONNREFUSED +│/);
  assertMatch(lines, /│ 10\.8\.0\.1:9000 ✗ ECONNREFUSED +│/);
  assertMatch(lines, / connect ✗ ECONNREFUSED/);
});

Deno.test("ladder() draws a connection that waited to be accepted as one that was whole", () => {
  assertLadder(
    [
      call(1, "client", "connect", { remote: "[::1]:9999" }),
      write(2, "client", 1),
      call(3, "server", "accept", { remote: "[::1]:50000" }),
      read(4, "server", 1),
    ],
    `
    ms                 client                     server                      ms
  1.00      connect :9999 │◀─ SYN · SYN-ACK · ACK ──▶│
  2.00          write 1 B ├────────── 1 B ──────────▶│
                          │                          │ accept from :50000   3.00
                          │            ┄┄┄┄ 1 B ┄┄┄┄▶│ read 1 B             4.00
`,
  );
});

Deno.test("ladder() gives a connection that is seen from one end only a peer", () => {
  assertLadder(
    [write(1, "client", 3), read(2, "client", 4), read(3, "client", null)],
    `
    ms                 client                      peer                       ms
  1.00          write 3 B ├────────── 3 B ──────────▶│
  2.00           read 4 B │◀───────── 4 B ───────────│
  3.00         read → EOF │◀═════════ FIN ═══════════│
`,
    { lifelines: undefined },
  );
});

Deno.test("ladder() puts calls above and below the arrows below 60 columns", () => {
  assertLadder(
    [
      note(0.4, "A note that is longer than a line of this ladder."),
      call(0.5, "client", "connect", { remote: "127.0.0.1:9999" }),
      call(0.9, "server", "accept", { remote: "127.0.0.1:50000" }),
      write(1.2, "client", 14),
      read(1.4, "server", 14),
      call(2, "client", "closeWrite"),
      read(2.25, "server", null),
    ],
    `
    ms client                 server
  A note that is longer than a line
  of this ladder.
  0.50 │ connect :9999             │
       │◀── SYN · SYN-ACK · ACK ──▶│
  0.90 │        accept from :50000 │
  1.20 │ write 14 B      read 14 B │
       ├────────── 14 B ──────────▶│
  2.00 │ closeWrite     read → EOF │
       ╞═══════════ FIN ══════════▶│

  ── data
  ══ FIN: no more from here
  ╎ has said FIN, may still receive
`,
    { width: 36, legend: true },
  );
});

Deno.test("ladder() draws three lifelines, and arrows that cross one", () => {
  const exchange = (who: string, conn: string, from: number) => [
    write(from, who, 3, conn),
    read(from + 1, "server", 3, conn),
    call(from + 2, who, "closeWrite", { conn }),
    read(from + 3, "server", null, conn),
  ];
  assertLadder(
    [
      ...exchange("client 1", "1", 1),
      ...exchange("client 2", "2", 10),
      call(20, "client 1", "close", { conn: "1" }),
      write(21, "server", 5, "2"),
      read(22, "client 2", 5, "2"),
    ],
    `
    ms server                          client 1                         client 2
  1.00 │ read 3 B                          │ write 3 B                         │
       │◀────────────── 3 B ───────────────┤                                   │
  3.00 │ read → EOF                        │ closeWrite                        │
       │◀══════════════ FIN ═══════════════╡                                   │
 10.00 │ read 3 B                          ╎                         write 3 B │
       │◀──────────────────────────────────┼─────────────── 3 B ───────────────┤
 12.00 │ read → EOF                        ╎                        closeWrite │
       │◀══════════════════════════════════╪═══════════════ FIN ═══════════════╡
 20.00 │                                   ╎ close                             ╎
 21.00 │ write 5 B                                                    read 5 B ╎
       ├─────────────── 5 B ──────────────────────────────────────────────────▶╎
`,
    { lifelines: ["server", "client 1", "client 2"] },
  );
});

Deno.test("ladder() folds the middle of a long run", () => {
  const writes = Array.from({ length: 20 }, (_, at) => write(at, "client", 100));
  assertLadder(
    [...writes, ...[100, 200, 300].map((end) => read(end, "server", 500))],
    `
    ms                 client                     server                      ms
  0.00        write 100 B ├───────── 100 B ─────────▶│
  1.00        write 100 B ├───────── 100 B ─────────▶│
  2.00        write 100 B ├───────── 100 B ─────────▶│
                          │    ⋮ 18 more, 1700 B     │
                          │            ┄┄┄ 500 B ┄┄┄▶│ read 500 B          200.0
                          │            ┄┄┄ 500 B ┄┄┄▶│ read 500 B          300.0
`,
  );
});

Deno.test("ladder() names the lifelines that do not fit", () => {
  const events = ["one", "two", "three", "four"].map((who) => call(1, who, "close"));
  assertMatch(ladder(events, { width: 32 }), /^ +ms one +two +three\n/);
  assertMatch(ladder(events, { width: 32 }), /\n {2}Not drawn: four\n/);
});

Deno.test("ladder() colours by what an arrow is, and changes nothing else", () => {
  const events = [
    write(1, "client", 1),
    read(2, "server", 1),
    call(3, "client", "closeWrite"),
    call(4, "server", "reset"),
  ];
  const plain = ladder(events);
  const colored = ladder(events, { color: true });
  // deno-lint-ignore no-control-regex
  assertEquals(colored.replaceAll(/\x1b\[[0-9;]*m/g, ""), plain);
  assert(!plain.includes("\x1b"));
  const colors = ["─ 1 B ─", "═ FIN ═", "─ RST ╳"].map((stroke) => {
    const before = colored.slice(0, colored.indexOf(stroke));
    return before.slice(before.lastIndexOf("\x1b["));
  });
  assertEquals(new Set(colors.map((color) => color.split("m")[0])).size, 3);
});

Deno.test("ladder() keeps control characters away from the terminal", () => {
  const drawn = ladder([note(1, "a\x1b[31mb\nc\x07"), call(2, "cli\x1b[0ment", "close")]);
  assertMatch(drawn, /^[^\p{Cc}]*$/mu);
  assertEquals(drawn.replaceAll("\n", "").match(/\p{Cc}/u), null);
});

Deno.test("ladder() keeps lifelines in line behind wide characters", () => {
  const drawn = ladder([note(1, "日本語 😀"), call(2, "端末", "close"), call(3, "鯖", "close")]);
  const [header, , first, second] = drawn.split("\n");
  assertEquals(columns(header!.split("端")[0]!), columns(first!.split("╞")[0]!) - 2);
  assertEquals(columns(second!.split("╡")[0]!), 53);
});

Deno.test("ladder() says times in six columns and bytes as exactly as is short", () => {
  const times = [0, 9.994, 99.994, 99.995, 9999.94, 9999.95, 999_999, 1e6, 5.9e6, 6e6, 1e10];
  assertEquals(times.map(time), [
    ...["0.00", "9.99", "99.99", "100.0", "9999.9", "10000", "999999", "17 min", "98 min"],
    ...["2 h", "2778 h"],
  ]);
  assertEquals([0, 9999, 10_000, 65_536, 10e6, 64 * 1024 ** 2, 2 ** 60].map(size), [
    ...["0 B", "9999 B", "9.8 KiB", "64 KiB", "9.5 MiB", "64 MiB", "1024 PiB"],
  ]);
});

Deno.test("ladder() draws nothing of nothing", () => {
  assertEquals(ladder([]), "");
  assertEquals(ladder([note(1, "only words")]), "");
});

Deno.test("ladder() refuses a width in which nothing can be read", () => {
  for (const width of [19, 0, NaN, 40.5, Infinity]) {
    assertThrows(
      () => ladder([], { width }),
      RangeError,
      `'width' must be an integer >= 20: current value is ${width}`,
    );
  }
  ladder([], { width: 20 });
});

Deno.test("ladder() never throws and never exceeds its width, whatever the trace", () => {
  fc.assert(
    fc.property(
      anyTrace(),
      fc.integer({ min: 20, max: 130 }),
      fc.boolean(),
      (events, width, legend) => {
        const drawn = ladder(events, { width, legend });
        for (const line of drawn.split("\n")) assert(columns(line) <= width, line);
      },
    ),
    { numRuns: 500 },
  );
});

/** A call that took no time, unless `facts` say otherwise; of one connection, likewise. */
function call(at: number, who: string, kind: CallEvent["kind"], facts: object = {}): CallEvent {
  return { at, end: at, conn: "c", who, kind, ...facts } as CallEvent;
}

function write(at: number, who: string, bytes: number, conn = "c"): CallEvent {
  return call(at, who, "write", { size: bytes, bytes, conn });
}

/** A read that began long before it returned, as they do. */
function read(end: number, who: string, bytes: number | null, conn = "c"): CallEvent {
  return call(0.1, who, "read", { end, size: 65536, bytes, conn });
}

function failed(end: number, who: string, kind: "read" | "write", error: object, conn = "c") {
  return call(0.1, who, kind, { end, size: 10, error, conn });
}

function note(at: number, text: string): TraceEvent {
  return { at, who: "", kind: "note", text };
}

const ECONNRESET = { name: "ConnectionReset", code: "ECONNRESET", message: "reset" };
const EPIPE = { name: "BrokenPipe", code: "EPIPE", message: "pipe" };

function assertLadder(events: TraceEvent[], expected: string, options: LadderOptions = {}): void {
  const lifelines = ["client", "server"];
  assertEquals(`\n${ladder(events, { lifelines, legend: false, ...options })}`, expected);
}
