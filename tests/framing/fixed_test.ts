import { assert, assertEquals, assertThrows } from "@std/assert";
import { drain, FrameError } from "../../lib/framing/decoder.ts";
import { FixedDecoder, FixedEncoder } from "../../lib/framing/fixed.ts";
import { assertCutsMeanNothing, bytes, bytesOf, decode, readable } from "./_cuts.ts";

Deno.test("FixedDecoder cuts frames of one size", () => {
  const { frames, error } = decode(new FixedDecoder(3), bytes("abcdef"));
  assertEquals(frames.map(readable), ["abc", "def"]);
  assertEquals(error, undefined);
});

Deno.test("FixedDecoder says how many bytes are missing at the end", () => {
  const { frames, error } = decode(new FixedDecoder(3), bytes("abcd"));
  assertEquals(frames.map(readable), ["abc"]);
  assertEquals([error?.code, error?.missing, error?.offset], ["truncated", 2, 3]);
});

Deno.test("FixedDecoder stays broken", () => {
  const decoder = new FixedDecoder(2);
  decoder.push(bytes("a"));
  decoder.end();
  const error = assertThrows(() => decoder.next(), FrameError);
  assert(assertThrows(() => decoder.next(), FrameError) === error);
});

Deno.test("FixedDecoder.push() throws after end()", () => {
  const decoder = new FixedDecoder(2);
  decoder.end();
  assertEquals(decoder.next(), undefined);
  assertThrows(() => decoder.push(bytes("a")), TypeError);
});

Deno.test("FixedDecoder hands out views of a chunk", () => {
  const decoder = new FixedDecoder(2);
  const chunk = bytes("abcd");
  decoder.push(chunk);
  assert([...drain(decoder)].every((frame) => frame.buffer === chunk.buffer));
});

Deno.test("FixedDecoder makes the same of a stream however it is cut", () => {
  for (const size of [1, 2, 3, 7, 64]) {
    assertCutsMeanNothing({
      decoder: () => new FixedDecoder(size),
      bytes: bytesOf(1, 2, 3),
      limit: size - 1,
    });
  }
});

Deno.test("FixedDecoder and FixedEncoder refuse a size that is none", () => {
  for (const size of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => new FixedDecoder(size), RangeError);
    assertThrows(() => new FixedEncoder(size), RangeError);
  }
});

Deno.test("FixedEncoder lets frames of its size pass, and no others", () => {
  const encoder = new FixedEncoder(2);
  assertEquals(encoder.encode(bytes("ab")), bytes("ab"));
  for (const wrong of ["", "a", "abc"]) {
    assertThrows(() => encoder.encode(bytes(wrong)), RangeError);
  }
});
