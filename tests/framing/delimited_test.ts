import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { drain, FrameError } from "../../lib/framing/decoder.ts";
import { DelimitedDecoder, DelimitedEncoder } from "../../lib/framing/delimited.ts";
import { anyCuts, assertCutsMeanNothing, bytes, bytesOf, decode, readable } from "./_cuts.ts";

function frames(delimiters: string[], stream: string): (string | Uint8Array)[] {
  const decoder = new DelimitedDecoder({ delimiters, unterminated: "frame" });
  return decode(decoder, bytes(stream)).frames.map(readable);
}

Deno.test("DelimitedDecoder cuts at one byte, and keeps empty frames", () => {
  assertEquals(frames([";"], "a;;bc;"), ["a", "", "bc"]);
});

Deno.test("DelimitedDecoder cuts at several bytes, also after a start that came to nothing", () => {
  assertEquals(frames(["aab"], "xaaabyaab"), ["xa", "y"]);
  assertEquals(frames(["\r\n\r\n"], "a\r\n\r\r\n\r\nb\r\n\r\n"), ["a\r\n\r", "b"]);
});

Deno.test("DelimitedDecoder cuts at whichever delimiter is complete first", () => {
  assertEquals(frames([";", "--"], "a--b;c-d;-e--"), ["a", "b", "c-d", "-e"]);
});

Deno.test("DelimitedDecoder cuts at the longer of two delimiters that end together", () => {
  assertEquals(frames(["\n", "\r\n"], "a\r\nb\n\r\n"), ["a", "b", ""]);
  assertEquals(frames(["b", "ab", "cab"], "xcabyabzb"), ["x", "y", "z"]);
});

Deno.test("DelimitedDecoder does not wait for bytes after a delimiter", () => {
  const decoder = new DelimitedDecoder({ delimiters: ["\r", "\n"] });
  decoder.push(bytes("a\r"));
  assertEquals(readable(decoder.next()), "a");
});

Deno.test("DelimitedDecoder refuses a delimiter that could never match", () => {
  assertThrows(() => new DelimitedDecoder({ delimiters: ["\r", "\r\n"] }), TypeError, "13,10");
  assertThrows(() => new DelimitedDecoder({ delimiters: ["abcd", "bc"] }), TypeError);
  assertThrows(() => new DelimitedDecoder({ delimiters: ["abc", "x", "ab"] }), TypeError);
});

Deno.test("DelimitedDecoder refuses no delimiters, empty ones and too many", () => {
  assertThrows(() => new DelimitedDecoder({ delimiters: [] }), TypeError);
  assertThrows(() => new DelimitedDecoder({ delimiters: ["a", ""] }), TypeError);
  assertThrows(() => new DelimitedDecoder({ delimiters: ["x".repeat(1025)] }), RangeError);
  const decoder = new DelimitedDecoder({ delimiters: ["x".repeat(1023) + "y"] });
  assertEquals(
    decode(decoder, bytes("a" + "x".repeat(1023) + "y")).frames.map(readable),
    ["a"],
  );
});

Deno.test("DelimitedDecoder refuses a limit that is no length", () => {
  for (const maxLength of [-1, 1.5, NaN, Infinity]) {
    assertThrows(() => new DelimitedDecoder({ delimiters: [";"], maxLength }), RangeError);
  }
});

Deno.test("DelimitedDecoder copies its delimiters", () => {
  const delimiter = bytes(";");
  const encoder = new DelimitedEncoder({ delimiters: [delimiter] });
  delimiter[0] = 0;
  assertEquals(readable(encoder.encode(bytes("a"))), "a;");
});

Deno.test("DelimitedDecoder takes an unterminated rest for an error, and says where it starts", () => {
  const { frames, error } = decode(new DelimitedDecoder({ delimiters: [";"] }), bytes("ab;cde"));
  assertEquals(frames.map(readable), ["ab"]);
  assertEquals(error?.code, "truncated");
  assertEquals(error?.offset, 3);
  assertEquals(error?.missing, 1);
});

Deno.test("DelimitedDecoder takes an unterminated rest for a frame where it is told to", () => {
  assertEquals(frames([";"], "ab;cd"), ["ab", "cd"]);
  assertEquals(frames(["--"], "ab--cd-"), ["ab", "cd"]);
  assertEquals(frames(["--"], "ab---"), ["ab"]);
  assertEquals(frames([";"], ""), []);
});

Deno.test("DelimitedDecoder allows a frame as long as the limit and fails beyond, good frames first", () => {
  const decoder = new DelimitedDecoder({ delimiters: ["--"], maxLength: 3 });
  decoder.push(bytes("abc--abcd--e--"));
  assertEquals(readable(decoder.next()), "abc");
  const error = assertThrows(() => decoder.next(), FrameError);
  assertEquals([error.code, error.limit, error.offset], ["too-long", 3, 5]);
  assertThrows(() => decoder.next(), FrameError);
  decoder.push(bytes("ok--"));
  assert(assertThrows(() => decoder.next(), FrameError) === error);
  assertEquals(decoder.buffered, 0);
});

Deno.test("DelimitedDecoder fails on an over-long frame before its delimiter comes", () => {
  const decoder = new DelimitedDecoder({ delimiters: ["--"], maxLength: 3 });
  decoder.push(bytes("abc-"));
  assertEquals(decoder.next(), undefined); // the delimiter may yet come in time
  decoder.push(bytes("x"));
  assertThrows(() => decoder.next(), FrameError);
});

Deno.test("DelimitedDecoder tells of an over-long frame once, in its place, and goes on", () => {
  const decoder = new DelimitedDecoder({
    delimiters: [";"],
    maxLength: 3,
    onTooLong: (tooLong) => tooLong,
  });
  decoder.push(bytes("ab;cdefgh"));
  assertEquals([...drain(decoder)].map(readable), ["ab", { limit: 3, offset: 3 }]);
  assertEquals(decoder.buffered, 0);
  decoder.push(bytes("ijk"));
  assertEquals([...drain(decoder)], []);
  decoder.push(bytes("l;m;nopqr;s;tuvw"));
  decoder.end();
  assertEquals([...drain(decoder)].map(readable), [
    "m",
    { limit: 3, offset: 16 },
    "s",
    { limit: 3, offset: 24 },
  ]);
});

Deno.test("DelimitedDecoder.push() throws after end(), and end() may come twice", () => {
  const decoder = new DelimitedDecoder({ delimiters: [";"] });
  decoder.end();
  decoder.end();
  assertEquals(decoder.next(), undefined);
  assertThrows(() => decoder.push(bytes("a")), TypeError);
});

Deno.test("DelimitedDecoder takes chunks that nobody asked about in between", () => {
  const decoder = new DelimitedDecoder({ delimiters: [";"] });
  for (const chunk of ["a", ";b", "", "c;", ";d"]) decoder.push(bytes(chunk));
  assertEquals(decoder.buffered, 7);
  assertEquals([...drain(decoder)].map(readable), ["a", "bc", ""]);
  assertEquals(decoder.buffered, 1);
});

Deno.test("DelimitedDecoder hands out a view of the chunk where a frame lies in one", () => {
  const decoder = new DelimitedDecoder({ delimiters: ["\r\n", ";"] });
  const chunk = bytes("ab;cd\r\n");
  decoder.push(chunk);
  assert([...drain(decoder)].every((frame) => frame.buffer === chunk.buffer));
});

const delimiterSets = [[";"], ["ab"], ["aab", "b;"], ["\r\n", "\n"], [";", "aa", "b;"], ["abab"]];

for (const delimiters of delimiterSets) {
  for (const unterminated of ["frame", "error"] as const) {
    const name = `${JSON.stringify(delimiters)}, unterminated: ${unterminated}`;

    Deno.test(`DelimitedDecoder(${name}) makes the same of a stream however it is cut`, () => {
      for (const onTooLong of [undefined, (tooLong: object) => tooLong]) {
        assertCutsMeanNothing({
          decoder: () =>
            new DelimitedDecoder({ delimiters, unterminated, maxLength: 6, onTooLong }),
          bytes: bytesOf(97, 98, 59, 10, 13),
          limit: 6 + Math.max(...delimiters.map((delimiter) => delimiter.length)) - 1,
        });
      }
    });
  }

  Deno.test(`DelimitedDecoder(${JSON.stringify(delimiters)}) agrees with a naive search`, () => {
    fc.assert(fc.property(bytesOf(97, 98, 59, 10, 13), anyCuts, (stream, cuts) => {
      const decoder = new DelimitedDecoder({ delimiters, unterminated: "frame" });
      const found = decode(decoder, stream, cuts).frames.map(readable);
      assertEquals(found, naive(delimiters, String.fromCharCode(...stream)));
    }));
  });

  Deno.test(`DelimitedEncoder(${JSON.stringify(delimiters)}) sends what comes out again, or refuses`, () => {
    const encoder = new DelimitedEncoder({ delimiters, maxLength: 50 });
    const frame = bytesOf(97, 98, 59, 10, 13, 120).filter((all) => all.length <= 50);
    fc.assert(fc.property(fc.array(frame, { maxLength: 5 }), anyCuts, (all, cuts) => {
      const sent: Uint8Array[] = [];
      const stream: number[] = [];
      for (const frame of all) {
        const clean = naive(delimiters, readable(frame) + delimiters[0]!);
        if (clean.length === 1 && clean[0] === readable(frame)) {
          sent.push(frame);
          stream.push(...encoder.encode(frame));
        } else if (frame.length > 0) {
          assertThrows(() => encoder.encode(frame), RangeError);
        }
      }
      const decoder = new DelimitedDecoder({ delimiters });
      const { frames, error } = decode(decoder, Uint8Array.from(stream), cuts);
      assertEquals(frames.map(readable), sent.map(readable));
      assertEquals(error, undefined);
    }));
  });
}

Deno.test("DelimitedEncoder refuses a frame over the limit with RangeError", () => {
  const encoder = new DelimitedEncoder({ delimiters: [";"], maxLength: 2 });
  assertEquals(readable(encoder.encode(bytes("ab"))), "ab;");
  assertThrows(() => encoder.encode(bytes("abc")), RangeError, "at most 2 bytes");
  const usual = new DelimitedEncoder({ delimiters: [";"] });
  assertEquals(usual.encode(new Uint8Array(65536)).length, 65537);
  assertThrows(() => usual.encode(new Uint8Array(65537)), RangeError, "at most 65536 bytes");
  assertThrows(() => new DelimitedEncoder({ delimiters: [";"], maxLength: NaN }), RangeError);
});

/** The rule as it is written down: first to end wins, then the longest. */
function naive(delimiters: string[], stream: string): string[] {
  const frames: string[] = [];
  let start = 0;
  for (let end = 1; end <= stream.length; end++) {
    const fits = delimiters.filter((one) => stream.slice(start, end).endsWith(one));
    if (fits.length === 0) continue;
    frames.push(stream.slice(start, end - Math.max(...fits.map((one) => one.length))));
    start = end;
  }
  const rest = stream.slice(start);
  const begun = delimiters.flatMap((one) => Array.from(one, (_, i) => one.slice(0, i)))
    .filter((begin) => rest.endsWith(begin));
  const last = rest.slice(0, rest.length - Math.max(...begun.map((begin) => begin.length)));
  return last === "" ? frames : [...frames, last];
}
