import { assertEquals } from "@std/assert";
import { arrowWords, callWords, fitting, heldWords, size, time } from "../../lib/observe/_words.ts";
import type { CallEvent, SegmentEvent } from "../../lib/observe/events.ts";

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

Deno.test("callWords() says what came of a call first, and never half a port", () => {
  const words = (call: Record<string, unknown>) =>
    callWords({ who: "a", at: 0, end: 1, ...call } as unknown as CallEvent);
  const error = { name: "ConnectionRefused", code: "ECONNREFUSED", message: "" };
  assertEquals(words({ kind: "listen", local: "127.0.0.1:8080" }), ["listen :8080", "listen"]);
  assertEquals(words({ kind: "connect", remote: "[::1]:8080" }), ["connect :8080", "connect"]);
  assertEquals(words({ kind: "connect", remote: "10.0.0.1:80" }), [
    ...["connect 10.0.0.1:80", "connect"],
  ]);
  assertEquals(words({ kind: "accept", remote: "127.0.0.1:5" }), ["accept from :5", "accept"]);
  assertEquals(words({ kind: "connect", remote: "127.0.0.1:5", error }), [
    ...["connect :5 ✗ ECONNREFUSED", ":5 ✗ ECONNREFUSED", "connect ✗ ECONNREFUSED"],
    "✗ ECONNREFUSED",
  ]);
  assertEquals(words({ kind: "read", size: 9, error: { ...error, code: undefined } }), [
    ...["read ✗ ConnectionRefused", "✗ ConnectionRefused"],
  ]);
  assertEquals(words({ kind: "read", size: 9, end: undefined }), ["read …"]);
  assertEquals(words({ kind: "read", size: 9, bytes: null }), ["read → EOF"]);
  assertEquals(words({ kind: "read", size: 9, bytes: 0 }), ["read 0 B"]);
  assertEquals(words({ kind: "write", size: 9, end: undefined }), ["write 9 B …", "write …"]);
  assertEquals(words({ kind: "write", size: 9, bytes: 4 }), ["write 4/9 B", "write 4 B"]);
  assertEquals(words({ kind: "write", size: 20_480, bytes: 4 }), [
    ...["write 4 B/20 KiB", "write 4 B"],
  ]);
  assertEquals(words({ kind: "write", size: 9, bytes: 9 }), ["write 9 B", "write 9 B"]);
  assertEquals(words({ kind: "closeWrite" }), ["closeWrite"]);
});

Deno.test("size() is exact as long as that is short, and then in three digits", () => {
  const sizes = [
    ...[[0, "0 B"], [9999, "9999 B"], [10_000, "9.8 KiB"], [102_399, "100 KiB"]],
    ...[[1_023_999, "1000 KiB"], [1_024_000, "1 MiB"], [2 ** 30, "1 GiB"], [2 ** 60, "1024 PiB"]],
  ] as const;
  assertEquals(sizes.map(([bytes]) => size(bytes)), sizes.map(([, words]) => words));
});

Deno.test("time() is in milliseconds and never longer than six columns", () => {
  const times = [
    ...[[0, "0.00"], [99.994, "99.99"], [99.995, "100.0"], [9999.94, "9999.9"]],
    ...[[9999.95, "10000"], [999_999.4, "999999"], [999_999.5, "17 min"]],
    ...[[5_969_000, "99 min"], [5_970_000, "2 h"], [3_600_000 * 100, "100 h"]],
  ] as const;
  assertEquals(times.map(([ms]) => time(ms)), times.map(([, words]) => words));
});
