import { assertEquals } from "@std/assert";
import { arrowWords, fitting, heldWords } from "../../lib/observe/_words.ts";
import type { SegmentEvent } from "../../lib/observe/events.ts";

Deno.test("heldWords() says what the kernel holds, or else what it waits for", () => {
  const timer = { kind: "timewait", left: 59_000, retransmits: 0 };
  assertEquals(heldWords({}), ["", ""]);
  assertEquals(heldWords({ recvQueue: 5 }), ["5 B unread", "5 B in"]);
  assertEquals(heldWords({ sendQueue: 5, timer }), ["5 B unacked", "5 B out"]);
  assertEquals(heldWords({ recvQueue: 5, sendQueue: 6 }), [
    ...["5 B unread, 6 B unacked", "5 B in, 6 B out"],
  ]);
  assertEquals(heldWords({ recvQueue: 0, timer }), ["59 s left"]);
});

Deno.test("heldWords() says of a clock what is worth knowing, in seconds up to two minutes", () => {
  const words = (kind: string, left: number) =>
    heldWords({ timer: { kind, left, retransmits: 0 } })[0];
  assertEquals(words("keepalive", 7_200_000), "asks in 120 min");
  assertEquals(words("keepalive", 119_000), "asks in 119 s");
  assertEquals(words("keepalive", 120_000), "asks in 2 min");
  assertEquals(words("timewait", 400), "0 s left");
  assertEquals(words("on", 200), undefined);
});

Deno.test("arrowWords() says all of a segment first, and less of it after that", () => {
  const segment: SegmentEvent = {
    ...{ kind: "segment", at: 0, who: "a", to: "b", conn: "c", flags: ["PSH", "ACK"] },
    ...{ seq: 1, ack: 1, length: 14 },
  };
  const words = (facts: Partial<SegmentEvent>) =>
    arrowWords({ what: "data", bytes: 0, segment: { ...segment, ...facts } });
  assertEquals(words({}), [
    ...["PSH-ACK seq 1:15 ack 1 · 14 B", "PSH-ACK seq 1:15 ack 1", "PSH-ACK 1:15 ack 1"],
    ...["PSH-ACK 14 B", "14 B"],
  ]);
  assertEquals(words({ flags: ["FIN", "ACK"], length: 0, again: true }), [
    ...["FIN-ACK again seq 1 ack 1", "FIN-ACK again 1 ack 1", "FIN-ACK again ack 1"],
    "FIN-ACK again",
  ]);
  assertEquals(fitting(words({}), 20), "PSH-ACK 1:15 ack 1");
  assertEquals(fitting(words({}), 3), "14…");
  assertEquals(fitting([], 3), "");
});
