/** Traces that nobody made: every kind of event, in any order. */

import fc from "fast-check";
import type { TraceEvent } from "../../lib/observe/events.ts";
import { TCP_FLAGS } from "../../lib/observe/segment.ts";
import { TCP_STATES } from "../../lib/observe/tcp_states.ts";

/** Options for {@linkcode anyTrace}. */
export interface AnyTraceOptions {
  /** The names of connections; two words by default, which are no addresses. */
  conns?: readonly string[];
}

/** Up to 40 events. */
export function anyTrace(options: AnyTraceOptions = {}): fc.Arbitrary<TraceEvent[]> {
  const conn = fc.constantFrom(...options.conns ?? ["1", "2"]);
  const ms = fc.oneof(
    fc.double({ min: 0, max: 1e9, noNaN: true }),
    fc.integer({ min: 0, max: 20 }),
  );
  const who = fc.oneof(
    fc.constantFrom("client", "server", "c", "日本"),
    fc.string({ unit: "grapheme" }),
  );
  const size = fc.oneof(fc.nat(30), fc.nat(300_000));
  const addr = fc.constantFrom("127.0.0.1:1", "[::1]:65535", "a.very.long.name.example.com:12345");
  const error = fc.record({ name: fc.string(), message: fc.string(), code: fc.string() });
  const common = { at: ms, who, conn, end: ms, error };
  const optional = { requiredKeys: ["at", "who", "kind", "size", "remote"] } as never;
  const kinds = ["listen", "connect", "accept", "read", "write", "closeWrite", "close", "reset"];
  const calls = kinds.map((kind) =>
    fc.record({
      ...common,
      kind: fc.constant(kind),
      size,
      remote: addr,
      bytes: kind === "read" ? fc.option(size) : size,
    }, optional)
  );
  const words = fc.record({
    ...{ at: ms, who, kind: fc.constant("note"), text: fc.string({ unit: "binary" }) },
  });
  const state = fc.record({
    ...{ at: ms, who, kind: fc.constant("state"), state: fc.constantFrom(...TCP_STATES) },
    ...{ recvQueue: fc.nat(), sendQueue: fc.nat() },
  }, { requiredKeys: ["at", "who", "kind", "state"] });
  const segment = fc.record({
    ...{ at: ms, who, to: who, conn, kind: fc.constant("segment") },
    ...{ flags: fc.subarray([...TCP_FLAGS]), seq: fc.nat(), ack: fc.nat(), length: fc.nat(99) },
    again: fc.boolean(),
  }, { requiredKeys: ["at", "who", "to", "conn", "kind", "flags", "seq", "length"] });
  return fc.array(fc.oneof(...calls, state, segment, words), {
    maxLength: 40,
  }) as unknown as fc.Arbitrary<TraceEvent[]>;
}
