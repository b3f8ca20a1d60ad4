import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import type { SegmentEvent, TraceEvent } from "../../lib/observe/events.ts";
import { ladderMermaid, MermaidLadder } from "../../lib/observe/ladder_mermaid.ts";
import { anyTrace } from "./_traces.ts";

const ack: SegmentEvent = {
  ...{ kind: "segment", who: "server", to: "client 1", at: 6, conn: "c" },
  ...{ flags: ["ACK"], seq: 1, ack: 2, length: 0 },
};

Deno.test("ladderMermaid() draws arrows, calls, states and words", () => {
  const events: TraceEvent[] = [
    { kind: "note", who: "", at: 0, text: "First; #1\nis <this>." },
    { kind: "listen", who: "server", at: 0, end: 0, local: "127.0.0.1:9" },
    { kind: "write", who: "client 1", at: 1, end: 1, size: 14, bytes: 14 },
    { kind: "read", who: "server", at: 0, end: 2, size: 99, bytes: 14 },
    { kind: "reset", who: "server", at: 3, end: 3 },
    { kind: "state", who: "client 1", at: 5, state: "CLOSED", recvQueue: 3 },
    ack,
  ];
  assertEquals(
    ladderMermaid(events, { lifelines: ["client 1", "server"] }),
    `sequenceDiagram
    participant L0 as client 1
    participant L1 as server
    Note over L0,L1: First#59; #35;1 is #60;this#62;.
    Note over L1: listen :9
    L0->>L1: write 14 B ▸ 14 B ▸ read 14 B
    L1-xL0: reset ▸ RST
    Note over L0: CLOSED, 3 B unread
    L1-->>L0: ACK seq 1 ack 2
`,
  );
});

Deno.test("MermaidLadder puts pictures into one diagram, with each lifeline once", () => {
  const close = (who: string): TraceEvent => ({ kind: "close", who, at: 1, end: 1 });
  const drawing = new MermaidLadder();
  drawing.draw([close("a"), close("b")], { lifelines: ["a", "b"] });
  drawing.draw([close("b"), close("c")], { lifelines: ["b", "c"] });
  const lines = drawing.toString().split("\n").map((line) => line.trim());
  assertEquals(lines.filter((line) => line.startsWith("participant")), [
    ...["participant L0 as a", "participant L1 as b", "participant L2 as c"],
  ]);
  assertEquals(lines.filter((line) => line.includes("->>")), [
    ...["L0->>L1: close ▸ FIN", "L1->>L0: close ▸ FIN", "L1->>L2: close ▸ FIN"],
    "L2->>L1: close ▸ FIN",
  ]);
});

Deno.test("ladderMermaid() draws nothing of nothing", () => {
  assertEquals(ladderMermaid([]), "");
});

Deno.test("ladderMermaid() says nothing that Mermaid would take for its own, whatever the trace", () => {
  const line =
    /^ {4}(participant L\d+ as [^#;]*|Note over L\d+(,L\d+)?: .*|L\d+(->>|-->>|-x)L\d+: .+)$/;
  fc.assert(
    fc.property(anyTrace(), (events) => {
      const [head, ...lines] = ladderMermaid(events).split("\n");
      if (head === "") return;
      assertEquals([head, lines.pop()], ["sequenceDiagram", ""]);
      for (const one of lines) {
        assertMatch(one.replaceAll(/#\d+;/g, ""), line);
        assert(!/[;<>%]/.test(one.replaceAll(/#\d+;|->>|-->>/g, "")), one);
      }
    }),
    { numRuns: 300 },
  );
});
