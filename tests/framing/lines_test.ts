import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { drain, FrameError } from "../../lib/framing/decoder.ts";
import {
  LineDecoder,
  LineEncoder,
  TextLineDecoder,
  TextLineEncoder,
} from "../../lib/framing/lines.ts";
import { anyCuts, assertCutsMeanNothing, bytes, bytesOf, decode, readable } from "./_cuts.ts";

/** Both kinds of lines must agree on everything but the type. */
const both = { LineDecoder, TextLineDecoder };

for (const [name, Lines] of Object.entries(both)) {
  const lines = (stream: string | Uint8Array, options = {}) => {
    const all = typeof stream === "string" ? bytes(stream) : stream;
    return decode<unknown>(new Lines(options), all).frames.map(readable);
  };

  Deno.test(`${name} ends a line at LF, and drops one CR before it`, () => {
    assertEquals(lines("a\nb\r\nc\r\r\n\n\r\nd\re\n"), ["a", "b", "c\r", "", "", "d\re"]);
  });

  Deno.test(`${name} takes a last line without newline, and drops a CR at the end`, () => {
    assertEquals(lines("a\nbc"), ["a", "bc"]);
    assertEquals(lines("a\nbc\r"), ["a", "bc"]);
    assertEquals(lines("a\n\r"), ["a"]);
    assertEquals(lines("a\n"), ["a"]);
    assertEquals(lines(""), []);
  });

  Deno.test(`${name} takes a last line without newline for an error where it is told to`, () => {
    const decoder = new Lines({ unterminated: "error" });
    const { frames, error } = decode<unknown>(decoder, bytes("ab\ncde"));
    assertEquals(frames.map(readable), ["ab"]);
    assertEquals([error?.code, error?.offset], ["truncated", 3]);
  });

  Deno.test(`${name} does not count the newline against the limit`, () => {
    assertEquals(lines("abc\r\nabc\nabc\r", { maxLength: 3 }), ["abc", "abc", "abc"]);
    for (const stream of ["abcd\n", "abcd", "abc\rd\n", "abcd\r\n", "abc\r\r\n"]) {
      const { error } = decode<unknown>(new Lines({ maxLength: 3 }), bytes("ok\n" + stream));
      assertEquals([error?.code, error?.limit, error?.offset], ["too-long", 3, 3]);
    }
  });

  Deno.test(`${name} tells of an over-long line once, and reads the next`, () => {
    const options = { maxLength: 3, onTooLong: ({ offset }: { offset: number }) => ({ offset }) };
    assertEquals(
      lines("ab\nabcdefghijk\r\ncd\nefgh", options),
      ["ab", { offset: 3 }, "cd", { offset: 19 }],
    );
  });

  Deno.test(`${name} has a limit of 64 KiB by itself`, () => {
    const longest = "x".repeat(65536);
    assertEquals(lines(longest + "\n"), [longest]);
    assertEquals(decode<unknown>(new Lines(), bytes(longest + "x\n")).error?.limit, 65536);
  });

  Deno.test(`${name} makes the same of a stream however it is cut`, () => {
    for (const onTooLong of [undefined, (tooLong: object) => tooLong]) {
      for (const unterminated of ["frame", "error"] as const) {
        for (const maxLength of [5, 30]) {
          assertCutsMeanNothing<unknown>({
            decoder: () => new Lines({ maxLength, onTooLong, unterminated }),
            // 0xC3 0xA9 is é, and either alone is not UTF-8
            bytes: bytesOf(10, 13, 97, 97, 97, 0xc3, 0xa9),
            limit: maxLength + 1,
          });
        }
      }
    }
  });
}

Deno.test("TextLineDecoder decodes characters cut in two", () => {
  for (let at = 0; at <= 12; at++) {
    const stream = bytes("né€\n😀\n");
    const { frames } = decode(new TextLineDecoder(), stream, [at / stream.length]);
    assertEquals(frames, ["né€", "😀"]);
  }
});

Deno.test("TextLineDecoder fails at the first line that is not UTF-8, good lines first", () => {
  const stream = Uint8Array.of(97, 10, 98, 13, 10, 0xff, 10, 99, 10);
  const { frames, error } = decode(new TextLineDecoder(), stream);
  assertEquals(frames, ["a", "b"]);
  assertEquals([error?.code, error?.offset], ["malformed", 5]);
  assert(error?.cause instanceof TypeError);
});

Deno.test("TextLineDecoder counts the lines it decoded together in the offset of an error", () => {
  const decoder = new TextLineDecoder();
  decoder.push(bytes("one\ntwo\nthr"));
  assertEquals([...drain(decoder)], ["one", "two"]);
  decoder.push(bytes("ee\nfour\n"));
  assertEquals([...drain(decoder)], ["three", "four"]);
  decoder.push(Uint8Array.of(0xff, 10));
  assertEquals(assertThrows(() => decoder.next(), FrameError).offset, 19);
});

Deno.test("TextLineDecoder puts U+FFFD for what is not UTF-8 where it is told to", () => {
  const stream = Uint8Array.of(97, 0xff, 10, 0xe2, 0x82, 10, 98, 10);
  const { frames } = decode(new TextLineDecoder({ fatal: false }), stream);
  assertEquals(frames, ["a\ufffd", "\ufffd", "b"]);
});

Deno.test("TextLineDecoder keeps byte order marks wherever they are", () => {
  const stream = bytes("\ufeffa\n\ufeffb\n");
  for (const cuts of ["bytes", []] as const) {
    assertEquals(decode(new TextLineDecoder(), stream, cuts).frames, ["\ufeffa", "\ufeffb"]);
  }
});

Deno.test("TextLineDecoder hands out a marker that is bytes as it is", () => {
  const marker = Uint8Array.of(0xff);
  const decoder = new TextLineDecoder({ maxLength: 1, onTooLong: () => marker });
  assertEquals(decode(decoder, bytes("abc\nd\n")).frames, [marker, "d"]);
});

Deno.test("TextLineDecoder agrees with LineDecoder on any bytes", () => {
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  const stream = fc.oneof(fc.uint8Array({ maxLength: 200 }), bytesOf(10, 13, 97, 0xc3, 0xa9));
  fc.assert(
    fc.property(stream, anyCuts, fc.integer({ min: 0, max: 40 }), (all, cuts, maxLength) => {
      const options = { maxLength, onTooLong: () => -1 };
      const texts = decode(new TextLineDecoder({ ...options, fatal: false }), all, cuts).frames;
      const lines = decode(new LineDecoder(options), all, cuts).frames;
      assertEquals(
        texts,
        lines.map((line) => line instanceof Uint8Array ? text.decode(line) : line),
      );
    }),
  );
});

Deno.test("LineEncoder sends what comes out again, or refuses", () => {
  for (const newline of ["\n", "\r\n"] as const) {
    const encoder = new LineEncoder({ newline });
    fc.assert(fc.property(bytesOf(10, 13, 97), anyCuts, (line, cuts) => {
      const asCR = line.at(-1) === 13 && newline === "\n";
      if (line.includes(10) || asCR) {
        assertThrows(() => encoder.encode(line), RangeError);
      } else {
        assertEquals(decode(new LineDecoder(), encoder.encode(line), cuts).frames, [line]);
      }
    }));
  }
});

Deno.test("TextLineEncoder sends UTF-8", () => {
  assertEquals(new TextLineEncoder().encode("né"), bytes("né\n"));
  assertEquals(new TextLineEncoder({ newline: "\r\n" }).encode("x"), bytes("x\r\n"));
  assertThrows(() => new TextLineEncoder({ maxLength: 2 }).encode("né"), RangeError);
});
