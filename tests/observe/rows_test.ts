import { assertEquals } from "@std/assert";
import type { TraceEvent } from "../../lib/observe/events.ts";
import { rows } from "../../lib/observe/rows.ts";

Deno.test("rows() counts in a fold what was taken, where all of it had been sent before", () => {
  const sent: TraceEvent[] = [
    { kind: "write", who: "client", at: 0, end: 0, size: 2000, bytes: 2000 },
    { kind: "closeWrite", who: "client", at: 1, end: 1 },
  ];
  const taken = Array.from({ length: 20 }, (_, at): TraceEvent => {
    return { kind: "read", who: "server", at: at + 2, end: at + 2, size: 100, bytes: 100 };
  });
  const folds = rows([...sent, ...taken], ["client", "server"]).filter((row) =>
    row.kind === "fold"
  );
  assertEquals(folds, [{ kind: "fold", count: 15, bytes: 1500 }]);
});

Deno.test("rows() draws what an earlier picture has no second time, and still knows who sent it", () => {
  const client = { who: "client", conn: "a b" } as const;
  const server = { who: "server", conn: "a b" } as const;
  const first: TraceEvent[] = [
    { kind: "connect", ...client, remote: "b", at: 0, end: 1 },
    { kind: "accept", ...server, at: 1, end: 1 },
    { kind: "note", who: "", at: 2, text: "the first picture" },
    { kind: "write", ...client, at: 3, end: 3, size: 5, bytes: 5 },
    { kind: "write", ...client, at: 4, end: 4, size: 2, bytes: 2 },
  ];
  const read: TraceEvent = { kind: "read", ...server, at: 5, end: 9, size: 10, bytes: 7 };
  const then: TraceEvent[] = [
    { kind: "note", who: "", at: 6, text: "the second one" },
    { kind: "write", ...client, at: 7, end: 7, size: 3, bytes: 3 },
    { kind: "close", ...server, at: 10, end: 10 },
  ];
  const second = rows([...first, read, ...then], ["client", "server"], new Set(first));
  const told = second.map((row) => {
    if (row.kind !== "arrow") return row.kind === "text" ? row.text : row.kind;
    return `${row.what} ${row.bytes}${row.late ? " late" : ""}${row.lost ? " lost" : ""}`;
  });
  assertEquals(told, ["the second one", "data 3 lost", "data 7 late", "fin 0"]);
});

Deno.test("rows() calls lost what nobody will read, and nothing that can still be read", () => {
  const lost = (...calls: ("accept" | "closeWrite" | "close" | "reset")[]) => {
    const events = [
      { kind: "write", who: "client", at: 0, end: 0, size: 5, bytes: 5 },
      ...calls.map((kind, at) => ({ kind, who: "server", at: at + 1, end: at + 1 })),
    ] as TraceEvent[];
    const data = rows(events, ["client", "server"]).find((row) =>
      row.kind === "arrow" && row.what === "data"
    );
    return data?.kind === "arrow" && data.lost;
  };
  assertEquals([lost(), lost("accept"), lost("accept", "closeWrite")], [false, false, false]);
  assertEquals([lost("close"), lost("accept", "reset")], [true, true]);
});

Deno.test("rows() takes EPIPE for an RST of the peer, unless this end had said the last word", () => {
  const error = { name: "BrokenPipe", code: "EPIPE", message: "" };
  const broke = (...before: ("read" | "closeWrite" | "close" | "reset")[]) => {
    const events = [
      ...before.map((kind, at) => ({ kind, who: "client", at, end: at, size: 0, bytes: 0 })),
      { kind: "write", who: "client", at: 5, end: 5, size: 5, error },
      { kind: "accept", who: "server", at: 6, end: 6 },
    ] as TraceEvent[];
    return rows(events, ["client", "server"]).some((row) =>
      row.kind === "arrow" && row.what === "rst" && row.from === "server"
    );
  };
  assertEquals([broke(), broke("read")], [true, true]);
  assertEquals([broke("closeWrite"), broke("close"), broke("reset")], [false, false, false]);
});
