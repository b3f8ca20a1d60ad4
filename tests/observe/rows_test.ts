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
