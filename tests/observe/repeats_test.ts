import { assertEquals } from "@std/assert";
import { tcpAddr } from "../../lib/addr.ts";
import { Repeats } from "../../lib/observe/repeats.ts";
import { isBareAck, type Segment, type TcpFlag } from "../../lib/observe/segment.ts";

const [CLIENT, SERVER] = [tcpAddr("127.0.0.1", 5), tcpAddr("127.0.0.1", 6)];

function sent(
  flags: string,
  seq: number,
  ack?: number,
  facts: Partial<Segment> = {},
): Segment {
  return {
    ...{ time: 0, from: CLIENT, to: SERVER, flags: flags.split(" ") as TcpFlag[], seq },
    ...ack !== undefined && { ack },
    ...{ length: 0, window: 100, data: new Uint8Array(0), ...facts },
  };
}

/** Which of them are repeats. */
function repeated(...segments: Segment[]): number[] {
  const repeats = new Repeats();
  return segments.flatMap((segment, at) => repeats.add(segment) ? [at] : []);
}

Deno.test("Repeats takes a conversation in which nothing is lost for new", () => {
  const back = { from: SERVER, to: CLIENT };
  assertEquals(
    repeated(
      sent("SYN", 0),
      sent("SYN ACK", 0, 1, back),
      sent("ACK", 1, 1),
      sent("PSH ACK", 1, 1, { length: 5 }),
      sent("ACK", 1, 6, back),
      sent("FIN ACK", 6, 1),
      sent("ACK", 1, 7, back),
      sent("FIN ACK", 1, 7, back),
      sent("ACK", 7, 2),
    ),
    [],
  );
});

Deno.test("Repeats knows SYN, data and FIN that are sent again", () => {
  const data = sent("PSH ACK", 1, 1, { length: 5 });
  const fin = sent("FIN ACK", 6, 1);
  assertEquals(repeated(sent("SYN", 0), sent("SYN", 0), data, data, fin, fin), [1, 3, 5]);
  // What brings at least something new is none.
  assertEquals(repeated(data, sent("PSH ACK", 3, 1, { length: 5 })), []);
});

Deno.test("Repeats knows a probe by its place, and a second acknowledgement by saying nothing new", () => {
  const data = sent("PSH ACK", 1, 1, { length: 5 });
  assertEquals(repeated(data, sent("ACK", 5, 1)), [1]);
  assertEquals(repeated(data, sent("ACK", 6, 1), sent("ACK", 6, 1)), [2]);
  assertEquals(repeated(data, sent("ACK", 6, 1), sent("ACK", 6, 2)), []);
  // Or a window that has become larger.
  assertEquals(repeated(data, sent("ACK", 6, 1), sent("ACK", 6, 1, { window: 200 })), []);
});

Deno.test("Repeats never takes a RST for one, whatever its number", () => {
  const rst = sent("RST", 0);
  assertEquals(repeated(sent("PSH ACK", 1, 1, { length: 5 }), rst, rst), []);
});

Deno.test("Repeats knows ports that come again for a connection of its own", () => {
  const data = sent("PSH ACK", 1, 1, { length: 5 });
  assertEquals(repeated(sent("SYN", 0), data, sent("SYN", 0), data), []);
  const byte = sent("PSH ACK", 1, 1, { length: 1 });
  assertEquals(repeated(sent("SYN", 0), byte, sent("SYN", 0), byte), []);
});

Deno.test("isBareAck() knows what acknowledges and does nothing else", () => {
  const bare = [sent("ACK", 1, 1), sent("PSH ACK", 1, 1), sent("ACK", 1, 1, { length: 1 })];
  assertEquals(bare.map(isBareAck), [true, false, false]);
});
