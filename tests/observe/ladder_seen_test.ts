import { assertEquals, assertMatch } from "@std/assert";
import type { CallEvent, SegmentEvent, StateEvent, TraceEvent } from "../../lib/observe/events.ts";
import { ladder, type LadderOptions } from "../../lib/observe/ladder.ts";
import { rows } from "../../lib/observe/rows.ts";
import type { TcpFlag } from "../../lib/observe/segment.ts";
import type { TcpState } from "../../lib/observe/tcp_states.ts";

/** A conversation with calls, states and segments. */
const SEEN: TraceEvent[] = [
  call(0, 0.1, "server", "listen", { local: "127.0.0.1:9999", conn: undefined }),
  state(0.2, "server", "LISTEN"),
  call(0.5, 0.9, "client", "connect", { remote: "127.0.0.1:9999", local: "127.0.0.1:50000" }),
  seen(0.6, "client", "SYN", 0),
  seen(0.61, "server", "SYN ACK", 0, 1),
  seen(0.62, "client", "ACK", 1, 1),
  call(1, 1, "server", "accept", { remote: "127.0.0.1:50000" }),
  state(1.1, "client", "ESTABLISHED"),
  state(1.1, "server", "ESTABLISHED"),
  call(1.2, 1.3, "client", "write", { size: 14, bytes: 14 }),
  seen(1.25, "client", "PSH ACK", 1, 1, 14),
  seen(1.26, "server", "ACK", 1, 15),
  call(0.9, 1.4, "server", "read", { size: 100, bytes: 14 }),
  call(2, 2.1, "client", "closeWrite"),
  seen(2.05, "client", "FIN ACK", 15, 1),
  call(1.4, 2.2, "server", "read", { size: 100, bytes: null }),
  seen(42, "server", "ACK", 1, 16),
  state(43, "client", "FIN-WAIT-2"),
  { ...state(43, "server", "CLOSE-WAIT"), recvQueue: 3, sendQueue: 0 },
];

Deno.test("ladder() draws calls, states and segments on one ladder, by time", () => {
  assertLadder(
    SEEN,
    `
    ms                 client                     server                      ms
                          │                          │ listen :9999         0.10
                          │                       LISTEN                    0.20
  0.50      connect :9999 ├─────── SYN seq 0 ───────▶│
                          │◀─ SYN-ACK seq 0 ack 1 ───│                      0.61
  0.62                    │──── ACK seq 1 ack 1 ────▶│ accept from :50000   1.00
  1.10               ESTABLISHED                ESTABLISHED                 1.10
  1.20         write 14 B ├─ PSH-ACK seq 1:15 ack 1 ▶│
                          │◀─── ACK seq 1 ack 15 ────│                      1.26
                          │                          │ read 14 B            1.40
  2.00         closeWrite ╞══ FIN-ACK seq 15 ack 1 ═▶│ read → EOF           2.20
                          ╎◀─── ACK seq 1 ack 16 ────│                     42.00
 43.00               FIN-WAIT-2                 CLOSE-WAIT 3 B unread      43.00

  ── data   ══ FIN: no more from here   CAPITALS: the kernel's state
  seq, ack: counted from each SYN   ╎ has said FIN, may still receive
`,
    { legend: true },
  );
});

Deno.test("ladder() draws the same in narrow columns, states clear of each other", () => {
  assertLadder(
    SEEN.slice(2),
    `
    ms client                 server
  0.50 │ connect :9999             │
       ├──────── SYN seq 0 ───────▶│
  0.61 │◀── SYN-ACK seq 0 ack 1 ───│
  0.62 │        accept from :50000 │
       │───── ACK seq 1 ack 1 ────▶│
  1.10 ESTABLISHED       ESTABLISHED
  1.20 │ write 14 B                │
       ├─ PSH-ACK seq 1:15 ack 1 ─▶│
  1.26 │◀─── ACK seq 1 ack 15 ─────│
  1.40 │                 read 14 B │
  2.00 │ closeWrite     read → EOF │
       ╞══ FIN-ACK seq 15 ack 1 ══▶│
 42.00 ╎◀─── ACK seq 1 ack 16 ─────│
 43.00 FIN-WAIT-2         CLOSE-WAIT
`,
    { width: 36 },
  );
  assertMatch(
    ladder(SEEN, { width: 26, legend: false }),
    /\n {2}1\.10 ESTABLISHED {7}│\n {2}1\.10 │ {7}ESTABLISHED\n/,
  );
});

Deno.test("ladder() says less of a segment where there is less room, and most of it last", () => {
  const segment = [seen(1, "client", "PSH ACK", 100_001, 200_001, 5000)];
  const words = [100, 80, 60, 30, 20].map((width) =>
    /[├│][─ ]*(\S.*?)[─ ]*▶/.exec(ladder(segment, { width, legend: false }))?.[1]
  );
  assertEquals(words, [
    "PSH-ACK 100001:105001 ack 200001",
    "PSH-ACK 5000 B",
    "PSH-ACK 5000 B",
    "PSH-ACK 5000 B",
    "5000 B",
  ]);
});

Deno.test("ladder() tells a retransmission from what was sent for the first time", () => {
  const twice = [seen(1, "client", "SYN", 0), { ...seen(1000, "client", "SYN", 0), again: true }];
  assertMatch(ladder(twice), / SYN seq 0 .*\n.* SYN again seq 0 /);
});

Deno.test("rows() infers nothing of a connection whose segments were seen", () => {
  const other = (call: CallEvent) => ({ ...call, conn: "another" });
  const connect = call(0.5, 0.9, "client", "connect", { remote: "127.0.0.1:9999" });
  const kinds = (events: TraceEvent[]) =>
    rows(events, ["client", "server"]).map((row) => row.kind === "arrow" ? row.what : row.kind);
  assertEquals(kinds([connect]), ["handshake"]);
  assertEquals(kinds([connect, seen(0.6, "client", "SYN", 0)]), ["syn"]);
  assertEquals(kinds([connect, seen(0.6, "client", "SYN", 0), other(connect)]), [
    ...["call", "handshake", "syn"],
  ]);
});

Deno.test("rows() lets nothing be seen before the call that sends it, nor taken before it came", () => {
  // As clocks have it that are some microseconds apart.
  const skewed = [
    seen(0.99, "client", "PSH ACK", 1, 1, 5),
    call(1, 1.1, "client", "write", { size: 5, bytes: 5 }),
    call(0.5, 1.9, "server", "read", { size: 9, bytes: 5 }),
    call(2, 2, "client", "close"),
    call(1, 2.1, "server", "read", { size: 9, bytes: null }),
    seen(2.2, "client", "FIN ACK", 6, 1),
  ];
  assertEquals(told(skewed), ["write > PSH ACK > read", "close", "FIN ACK > read"]);
});

Deno.test("rows() puts a call beside its segment only if nothing was in between", () => {
  const between = (event: TraceEvent) =>
    told([
      call(1, 1.5, "client", "write", { size: 5, bytes: 5 }),
      event,
      seen(1.4, "client", "PSH ACK", 1, 1, 5),
    ]);
  assertEquals(between(state(1.2, "server", "ESTABLISHED")), ["write", "states", "PSH ACK"]);
  assertEquals(between(state(1.6, "server", "ESTABLISHED")), ["write > PSH ACK", "states"]);
});

Deno.test("rows() knows which write and which read a segment belongs to, by its numbers", () => {
  const write = (at: number) => call(at, at, "client", "write", { size: 5, bytes: 5 });
  const read = (at: number, bytes: number) => call(0, at, "server", "read", { size: 99, bytes });
  assertEquals(
    told([
      ...[write(1), seen(1.1, "client", "PSH ACK", 1, 1, 5), read(1.2, 3), read(1.3, 2)],
      // Two writes go in one segment, of which a read takes all.
      ...[write(2), write(3), seen(3.1, "client", "PSH ACK", 6, 1, 10), read(3.2, 10)],
      // What is sent again was taken before.
      { ...seen(4, "client", "PSH ACK", 6, 1, 10), again: true },
    ]),
    ["write > PSH ACK > read", "read", "write", "write > PSH ACK > read", "PSH ACK"],
  );
});

Deno.test("rows() has an open write send all it can, and an open read take nothing", () => {
  const open = (who: string, kind: "read" | "write") => {
    const { end: _, ...begun } = call(1, 1, who, kind, { size: 5 });
    return begun as CallEvent;
  };
  const data = seen(2, "client", "PSH ACK", 1, 1, 5);
  assertEquals(told([open("client", "write"), data]), ["write > PSH ACK"]);
  assertEquals(told([data, open("server", "read")]), ["read", "PSH ACK"]);
  assertEquals(told([open("client", "write"), open("server", "read"), data]), [
    ...["write", "read", "PSH ACK"],
  ]);
});

Deno.test("rows() takes a RST for the doing of who reset, or closed without a FIN", () => {
  const rst = seen(2, "client", "RST ACK", 1, 1);
  const broken = { name: "ConnectionReset", code: "ECONNRESET", message: "" };
  const failed = call(0, 3, "server", "read", { size: 1, error: broken });
  for (const kind of ["reset", "close"] as const) {
    assertEquals(told([call(1, 1, "client", kind), rst, failed]), [`${kind} > RST ACK > read`]);
  }
  const fin = seen(1.1, "client", "FIN ACK", 1, 1);
  assertEquals(told([call(1, 1, "client", "close"), fin, rst]), ["close > FIN ACK", "RST ACK"]);
});

Deno.test("rows() takes a FIN for the doing of the first call that says one, and may", () => {
  const failed = call(1, 1, "client", "closeWrite", {
    error: { name: "BadResource", message: "" },
  });
  const fin = seen(2.1, "client", "FIN ACK", 1, 1);
  const close = call(2, 2, "client", "close");
  assertEquals(told([failed, close, fin]), ["closeWrite", "close > FIN ACK"]);
  assertEquals(
    told([call(1, 1, "client", "closeWrite"), seen(1.1, "client", "FIN ACK", 1, 1), close]),
    [
      ...["closeWrite > FIN ACK", "close"],
    ],
  );
});

Deno.test("rows() takes no call for the cause of what was seen long before it", () => {
  const rst = seen(2, "client", "RST ACK", 1, 1);
  assertEquals(told([rst, call(2.9, 3, "client", "close")]), ["close > RST ACK"]);
  assertEquals(told([rst, call(3.1, 3.2, "client", "close")]), ["RST ACK", "close"]);
});

Deno.test("rows() folds a long flow with its acknowledgements, but no end of it", () => {
  const flow = Array.from({ length: 20 }, (_, at) => [
    call(at, at, "client", "write", { size: 100, bytes: 100 }),
    seen(at + 0.1, "client", "PSH ACK", 1 + 100 * at, 1, 100),
    seen(at + 0.2, "server", "ACK", 1, 101 + 100 * at),
  ]).flat();
  const all = rows([...flow, seen(30, "client", "FIN ACK", 2001, 1)], ["client", "server"]);
  const folds = all.filter((row) => row.kind === "fold");
  assertEquals(folds.map(({ count, bytes }) => [count, bytes]), [[35, 1700]]);
  assertEquals(all.at(-1)?.kind === "arrow" && all.at(-1), all.at(-1));
});

Deno.test("rows() counts in a fold the calls, where no segment is left in it", () => {
  const reads = Array.from(
    { length: 12 },
    (_, at) => call(0, at + 1, "server", "read", { size: 9, bytes: 5 }),
  );
  const data = seen(0.5, "client", "PSH ACK", 1, 1, 60);
  const end = call(0, 20, "server", "read", { size: 9, bytes: null });
  const all = rows([data, ...reads, end], ["client", "server"]);
  assertEquals(all.filter((row) => row.kind === "fold"), [{ kind: "fold", count: 7, bytes: 35 }]);
});

Deno.test("rows() folds writes that wait for the wire, after what went over it", () => {
  const writes = Array.from(
    { length: 12 },
    (_, at) => call(at + 1, at + 1, "client", "write", { size: 9, bytes: 5 }),
  );
  const all = rows([seen(0.5, "server", "ACK", 1, 1), ...writes], ["client", "server"]);
  assertEquals(all.filter((row) => row.kind === "fold"), [{ kind: "fold", count: 8, bytes: 40 }]);
});

/** The rows in a word each: calls and flags, as they stand beside each other. */
function told(events: TraceEvent[]): string[] {
  return rows(events, ["client", "server"]).map((row) => {
    if (row.kind === "call") return row.call.kind;
    if (row.kind !== "arrow") return row.kind;
    const named = [row.sender?.kind, row.segment?.flags.join(" "), row.taker?.kind];
    return named.filter((word) => word !== undefined).join(" > ");
  });
}

function call(
  at: number,
  end: number,
  who: string,
  kind: CallEvent["kind"],
  facts: object = {},
): CallEvent {
  return { at, end, conn: "c", who, kind, ...facts } as CallEvent;
}

function seen(
  at: number,
  who: "client" | "server",
  flags: string,
  seq: number,
  ack?: number,
  length = 0,
): SegmentEvent {
  const to = who === "client" ? "server" : "client";
  return {
    ...{ kind: "segment", at, who, to, conn: "c", flags: flags.split(" ") as TcpFlag[], seq },
    ...ack !== undefined && { ack },
    length,
  };
}

function state(at: number, who: string, state: TcpState): StateEvent {
  return { kind: "state", at, who, state };
}

function assertLadder(events: TraceEvent[], expected: string, options: LadderOptions = {}): void {
  const lifelines = ["client", "server"];
  assertEquals(`\n${ladder(events, { lifelines, legend: false, ...options })}`, expected);
}
