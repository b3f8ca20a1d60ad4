import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { drain, FrameError } from "../../lib/framing/decoder.ts";
import { MessageDecoder, MessageEncoder } from "../../lib/framing/message_codec.ts";
import { anyCuts, assertBroken, assertCutsMeanNothing, bytes, bytesOf, decode } from "./_cuts.ts";

const of = (...values: number[]) => Uint8Array.from(values);
const encode = (text: string) => new MessageEncoder().encode(text);

function failure(stream: Uint8Array, maxLength?: number): FrameError {
  const decoder = new MessageDecoder(maxLength === undefined ? {} : { maxLength });
  return assertThrows(() => {
    decoder.push(stream);
    decoder.end();
    [...drain(decoder)];
  }, FrameError);
}

Deno.test("MessageEncoder puts 4 bytes before the text, big endian, which count its UTF-8", () => {
  assertEquals(encode(""), of(0, 0, 0, 0));
  assertEquals(encode("Hi"), of(0, 0, 0, 2, 0x48, 0x69));
  assertEquals(encode("€"), of(0, 0, 0, 3, 0xe2, 0x82, 0xac));
  assertEquals(encode("x".repeat(66_051)).subarray(0, 5), of(0, 1, 2, 3, 0x78));
});

Deno.test("MessageDecoder gives back any messages, however they are cut", () => {
  const texts = fc.array(fc.string({ unit: "binary" }), { maxLength: 8 });
  fc.assert(fc.property(texts, anyCuts, (sent, cuts) => {
    const stream = Uint8Array.from(sent.flatMap((text) => [...encode(text)]));
    assertEquals(decode(new MessageDecoder(), stream, cuts), { frames: sent });
  }));
});

Deno.test("MessageDecoder makes the same of any bytes, however they are cut, within its limit", () => {
  const maxLength = 4;
  assertCutsMeanNothing({
    decoder: () => new MessageDecoder({ maxLength }),
    bytes: bytesOf(0, 0, 0, 0, 1, 2, 4, 5, 0xc3, 0xa9),
    limit: 4 + maxLength,
  });
});

Deno.test("MessageDecoder keeps a byte order mark, as text like any other", () => {
  const decoder = new MessageDecoder();
  decoder.push(encode("\ufeffa"));
  assertEquals(decoder.next(), "\ufeffa");
});

Deno.test("MessageEncoder sends U+FFFD for half a surrogate pair", () => {
  const decoder = new MessageDecoder();
  decoder.push(encode("a\ud83d"));
  assertEquals(decoder.next(), "a\ufffd");
});

Deno.test("a message may have 1 MiB of UTF-8, or 'maxLength', and no byte more either way", () => {
  const limits = [[{}, 1024 * 1024], [{ maxLength: 4 }, 4]] as const;
  for (const [options, limit] of limits) {
    const longest = "é".repeat(limit / 2);
    const decoder = new MessageDecoder(options);
    decoder.push(new MessageEncoder(options).encode(longest));
    assertEquals(decoder.next(), longest);
    assertThrows(() => new MessageEncoder(options).encode(`${longest}a`), RangeError);
    decoder.push(new MessageEncoder({ maxLength: limit + 1 }).encode(`${longest}a`).subarray(0, 4));
    const error = assertThrows(() => decoder.next(), FrameError);
    assertEquals([error.code, error.limit, error.length], ["too-long", limit, limit + 1]);
  }
});

Deno.test("MessageDecoder hands out the messages ahead of one that is not UTF-8, and stays broken", () => {
  const decoder = new MessageDecoder();
  decoder.push(of(...encode("é"), 0, 0, 0, 2, 0xc3, 0x28, ...encode("good")));
  assertEquals(decoder.next(), "é");
  const error = assertThrows(() => decoder.next(), FrameError, "must be UTF-8");
  assertEquals([error.code, error.offset], ["malformed", 6]);
  assertInstanceOf(error.cause, TypeError);
  decoder.push(encode("more"));
  assertBroken(decoder, error);
});

Deno.test("MessageDecoder says how much is missing where the end came inside a message", () => {
  const { code, missing, offset } = failure(of(...encode("one"), 0, 0, 0, 5, 0x61));
  assertEquals([code, missing, offset], ["truncated", 4, 7]);
  assertEquals(failure(of(0, 0)).missing, 2);
});

Deno.test("MessageDecoder.buffered counts what waits, up to the next message asked for", () => {
  const decoder = new MessageDecoder();
  decoder.push(of(...encode("one"), ...encode("two")));
  decoder.push(of(0, 0));
  const counts = [decoder.buffered];
  while (decoder.next() !== undefined) counts.push(decoder.buffered);
  assertEquals(counts, [16, 9, 2]);
});

Deno.test("MessageDecoder.missing leads to the end of a message, and not one byte past it", () => {
  const decoder = new MessageDecoder();
  const wire = bytes("\0\0\0\x05hello");
  const asked: number[] = [];
  for (let at = 0; decoder.next() === undefined; at += asked.at(-1)!) {
    asked.push(decoder.missing);
    decoder.push(wire.subarray(at, at + asked.at(-1)!));
  }
  assertEquals(asked, [4, 5]);
});

Deno.test("MessageDecoder and MessageEncoder refuse a limit that is none", () => {
  for (const maxLength of [-1, 0.5, NaN]) {
    assertThrows(() => new MessageDecoder({ maxLength }), RangeError, "'maxLength'");
    assertThrows(() => new MessageEncoder({ maxLength }), RangeError, "'maxLength'");
  }
});
