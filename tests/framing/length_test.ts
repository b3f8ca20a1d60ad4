import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decode as oracleDecode, encode as oracleEncode } from "it-length-prefixed";
import { drain, FrameError } from "../../lib/framing/decoder.ts";
import {
  LengthDecoder,
  type LengthDecoderOptions,
  LengthEncoder,
  type LengthFormat,
} from "../../lib/framing/length.ts";
import { anyCuts, assertCutsMeanNothing, decode, type Decoded } from "./_cuts.ts";

const of = (...bytes: number[]) => Uint8Array.from(bytes);
const zeros = (n: number): number[] => new Array(n).fill(0);

function frames(options: LengthDecoderOptions, ...bytes: number[]): number[][] {
  const { frames, error } = decode(new LengthDecoder(options), of(...bytes));
  if (error) throw error;
  return frames.map((frame) => [...frame]);
}

function failure(options: LengthDecoderOptions, ...bytes: number[]): FrameError {
  return assertThrows(() => frames(options, ...bytes), FrameError);
}

Deno.test("LengthDecoder reads 4 bytes, big endian, by itself", () => {
  assertEquals(frames({}, 0, 0, 0, 2, 8, 9, 0, 0, 0, 0, 0, 0, 0, 1, 7), [[8, 9], [], [7]]);
});

Deno.test("LengthDecoder reads lengths of every size, either end first", () => {
  for (const prefix of [1, 2, 3, 4, 8] as const) {
    const big = [...zeros(prefix - 1), 2];
    assertEquals(frames({ prefix }, ...big, 8, 9), [[8, 9]]);
    assertEquals(frames({ prefix, littleEndian: true }, ...big.reverse(), 8, 9), [[8, 9]]);
    if (prefix === 1) continue;
    const size = 258;
    const payload = zeros(size);
    assertEquals(frames({ prefix }, ...zeros(prefix - 2), 1, 2, ...payload), [payload]);
    assertEquals(
      frames({ prefix, littleEndian: true }, 2, 1, ...zeros(prefix - 2), ...payload),
      [payload],
    );
  }
});

Deno.test("LengthDecoder reads varints, the least significant bits first", () => {
  const prefix = "varint";
  assertEquals(frames({ prefix }, 0, 1, 7), [[], [7]]);
  assertEquals(frames({ prefix }, 0x80, 1, ...zeros(128)), [zeros(128)]);
  assertEquals(frames({ prefix }, 0xac, 2, ...zeros(300)), [zeros(300)]);
});

Deno.test("LengthDecoder takes a varint longer than need be, unless minimal is asked for", () => {
  const bytes = [0x81, 0x80, 0, 7];
  assertEquals(frames({ prefix: "varint" }, ...bytes), [[7]]);
  const error = failure({ prefix: "varint", minimal: true }, ...bytes);
  assertEquals(error.code, "malformed");
  assertStringIncludes(error.message, "no more bytes than its length needs");
  assertEquals(frames({ prefix: "varint", minimal: true }, 0, 1, 7), [[], [7]]);
});

Deno.test("LengthDecoder refuses a varint of more than 8 bytes as soon as it has 8", () => {
  const decoder = new LengthDecoder({ prefix: "varint" });
  decoder.push(new Uint8Array(7).fill(0x80));
  assertEquals(decoder.next(), undefined);
  decoder.push(of(0x80));
  const error = assertThrows(() => decoder.next(), FrameError, "at most 8 bytes");
  assertEquals(error.code, "malformed");
});

Deno.test("LengthDecoder finds the length behind other bytes, and drops the header", () => {
  assertEquals(frames({ prefix: 2, offset: 3 }, 1, 2, 3, 0, 1, 9), [[9]]);
});

Deno.test("LengthDecoder drops as much of the front as it is told to", () => {
  const bytes = [5, 0, 2, 8, 9];
  for (const [strip, frame] of [[0, bytes], [1, bytes.slice(1)], [4, [9]], [5, []]] as const) {
    assertEquals(frames({ prefix: 2, offset: 1, strip }, ...bytes), [[...frame]]);
  }
  assertEquals(failure({ prefix: 2, offset: 1, strip: 6 }, ...bytes).code, "malformed");
});

Deno.test("LengthDecoder heeds each option of a length of 4 bytes also where more follows", () => {
  const counted = [0, 0, 0, 5, 8, 0, 0, 0, 5, 9];
  assertEquals(frames({ adjustment: -4 }, ...counted), [[8], [9]]);
  assertEquals(frames({ adjustment: -4, strip: 3 }, ...counted), [[5, 8], [5, 9]]);
  const whole = [0, 0, 0, 1, 8, 0, 0, 0, 1, 9];
  assertEquals(frames({ strip: 0 }, ...whole), [whole.slice(0, 5), whole.slice(5)]);
  assertEquals(frames({ offset: 1 }, 7, ...whole.slice(0, 5), 7, ...whole.slice(5)), [[8], [9]]);
  assertEquals(frames({ littleEndian: true }, 1, 0, 0, 0, 8, 1, 0, 0, 0, 9), [[8], [9]]);
});

Deno.test("LengthDecoder adjusts a length that counts its header", () => {
  assertEquals(frames({ prefix: 2, adjustment: -2 }, 0, 4, 8, 9, 0, 2), [[8, 9], []]);
});

Deno.test("LengthDecoder adjusts a length that leaves bytes out", () => {
  assertEquals(frames({ prefix: 1, adjustment: 2 }, 1, 7, 8, 9, 0, 5, 6), [[7, 8, 9], [5, 6]]);
});

Deno.test("LengthDecoder refuses a length that an adjustment makes negative", () => {
  const error = failure({ prefix: 2, adjustment: -2 }, 0, 1, 9);
  assertEquals([error.code, error.length], ["malformed", 1]);
  assertEquals(failure({ prefix: 2, adjustment: -2, strip: 0 }, 0, 1, 9).code, "malformed");
});

Deno.test("LengthDecoder refuses a length that an adjustment makes too large for a number", () => {
  const options = { prefix: 1, adjustment: Number.MAX_SAFE_INTEGER } as const;
  const error = failure(options, 1);
  assertEquals([error.code, error.length], ["too-long", 1]);
  assertStringIncludes(error.message, "shorter than 2 ** 53 bytes: its length is 1");
});

Deno.test("LengthDecoder holds the raw length against the limit, before adjusting it", () => {
  const options = { prefix: 1, adjustment: -4, maxLength: 5 } as const;
  assertEquals(frames(options, 5, 9), [[9]]);
  assertEquals(failure(options, 6, 8, 9).code, "too-long");
  assertEquals(frames({ prefix: 1, adjustment: 1, maxLength: 1 }, 1, 8, 9), [[8, 9]]);
});

Deno.test("LengthDecoder refuses a length over the limit at once, good frames first", () => {
  const decoder = new LengthDecoder({ maxLength: 2 });
  decoder.push(of(0, 0, 0, 2, 8, 9, 0, 0, 0, 3));
  assertEquals(decoder.next(), of(8, 9));
  const error = assertThrows(() => decoder.next(), FrameError);
  assertEquals([error.code, error.length, error.limit, error.offset], ["too-long", 3, 2, 6]);
  assertEquals(error.message, "Cannot decode as a length must be <= 2: current value is 3");
  decoder.push(of(0, 0, 0, 1, 7));
  assertEquals(decoder.buffered, 0);
  assert(assertThrows(() => decoder.next(), FrameError) === error);
});

Deno.test("LengthDecoder has a limit of 1 MiB by itself", () => {
  const decoder = new LengthDecoder();
  assertEquals(decoder.maxLength, 1048576);
  decoder.push(of(0, 0x10, 0, 0));
  assertEquals(decoder.next(), undefined);
  assertEquals(failure({}, 0, 0x10, 0, 1).limit, 1048576);
});

Deno.test("LengthDecoder.maxLength is clipped to what the prefix can say", () => {
  const most = { 1: 255, 2: 65535, 3: 2 ** 24 - 1, 4: 2 ** 32 - 1, 8: 2 ** 53 - 1 };
  for (const [prefix, limit] of Object.entries(most)) {
    const options = { prefix: Number(prefix) as 1, maxLength: Number.MAX_SAFE_INTEGER };
    assertEquals(new LengthDecoder(options).maxLength, limit);
  }
  const varint = new LengthDecoder({ prefix: "varint", maxLength: Number.MAX_SAFE_INTEGER });
  assertEquals(varint.maxLength, Number.MAX_SAFE_INTEGER);
});

Deno.test("LengthDecoder refuses 2 ** 53 and more, and does not round", () => {
  const maxLength = Number.MAX_SAFE_INTEGER;
  for (const littleEndian of [false, true]) {
    const options = { prefix: 8, maxLength, littleEndian } as const;
    for (const length of [2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, length, littleEndian);
      const error = failure(options, ...bytes);
      assertEquals([error.code, error.length], ["too-long", length]);
    }
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, 2n ** 53n - 9n, littleEndian);
    const { missing, code } = failure(options, ...bytes, 1);
    assertEquals([code, missing], ["truncated", 2 ** 53 - 10]);
  }
  const varint = failure(
    { prefix: "varint", maxLength },
    0x81,
    0x80,
    0x80,
    0x80,
    0x80,
    0x80,
    0x80,
    0x10,
  );
  assertEquals(varint.length, 2n ** 53n + 1n);
});

Deno.test("LengthDecoder.maxLength holds from the next frame, not for the one in progress", () => {
  const decoder = new LengthDecoder({ prefix: 1, maxLength: 3 });
  decoder.push(of(3, 7));
  assertEquals(decoder.next(), undefined);
  decoder.maxLength = 1;
  decoder.push(of(8, 9, 2, 1, 1));
  assertEquals(decoder.next(), of(7, 8, 9));
  assertEquals(assertThrows(() => decoder.next(), FrameError).limit, 1);
});

Deno.test("LengthDecoder.maxLength changed at rest holds at once", () => {
  const decoder = new LengthDecoder({ prefix: 1, maxLength: 1 });
  decoder.maxLength = 2;
  decoder.push(of(2, 8, 9));
  assertEquals(decoder.next(), of(8, 9));
  assertThrows(() => decoder.maxLength = -1, RangeError);
});

Deno.test("LengthDecoder says how many bytes are missing where the stream ends inside a frame", () => {
  const error = failure({}, 0, 0, 0, 1, 7, 0, 0, 0, 5, 1, 2);
  assertEquals([error.code, error.missing, error.offset], ["truncated", 3, 5]);
  assertEquals(
    error.message,
    "Cannot decode as the stream ended inside a frame: 3 bytes are missing",
  );
  assertEquals(failure({}, 0, 0, 0, 5).missing, 5);
});

Deno.test("LengthDecoder.missing leads to the end of a frame, and not one byte past it", () => {
  const formats: LengthFormat[] = [
    ...([1, 2, 3, 4, 8, "varint"] as const).map((prefix) => ({ prefix })),
    { prefix: 2, offset: 3, adjustment: -5 },
  ];
  for (const format of formats) {
    const encoder = new LengthEncoder(format);
    const decoder = new LengthDecoder({ ...format, strip: 0 });
    const frames = [3, 0, 200].map((size) => encoder.encode(new Uint8Array(size + 3).fill(size)));
    let wire = Uint8Array.from(frames.flatMap((frame) => [...frame]));
    for (const frame of frames) {
      let decoded: Uint8Array | undefined;
      while ((decoded = decoder.next()) === undefined) {
        const { missing } = decoder;
        assert(missing > 0);
        decoder.push(wire.subarray(0, missing));
        wire = wire.subarray(missing);
      }
      assertEquals([decoded, decoder.buffered], [frame, 0]);
    }
  }
});

Deno.test("LengthDecoder says how many bytes are missing at least where it ends inside a header", () => {
  assertEquals(failure({}, 0).missing, 3);
  assertEquals(failure({ offset: 4 }, 0).missing, 7);
  assertEquals(failure({ prefix: "varint" }, 0x80).missing, 1);
  assertEquals(failure({ prefix: "varint", offset: 2 }, 0x80).missing, 2);
});

Deno.test("LengthDecoder takes the end between two frames for the end", () => {
  assertEquals(frames({}), []);
  assertEquals(frames({}, 0, 0, 0, 0), [[]]);
});

Deno.test("LengthDecoder.push() throws after end(), and end() may come twice", () => {
  const decoder = new LengthDecoder();
  decoder.end();
  decoder.end();
  assertEquals(decoder.next(), undefined);
  assertThrows(() => decoder.push(of(1)), TypeError);
});

Deno.test("LengthDecoder hands out views of a chunk, and copies what lies across two", () => {
  const decoder = new LengthDecoder({ prefix: 1 });
  const chunk = of(2, 8, 9, 1, 7, 2, 5);
  decoder.push(chunk);
  for (const frame of drain(decoder)) assert(frame.buffer === chunk.buffer);
  decoder.push(of(6));
  const frame = decoder.next();
  assertEquals(frame, of(5, 6));
  assert(frame?.buffer !== chunk.buffer);
});

Deno.test("LengthDecoder takes no memory for bytes that were only announced", () => {
  const decoders = Array.from({ length: 200 }, () => {
    const decoder = new LengthDecoder();
    decoder.push(of(0, 0x10, 0, 0, 1));
    decoder.next();
    return decoder;
  });
  const { external } = Deno.memoryUsage();
  assert(external < 100 * 2 ** 20, `${external} bytes for 200 headers of 1 MiB each`);
  assertEquals(decoders.at(-1)?.buffered, 5);
});

Deno.test("LengthDecoder refuses options out of range", () => {
  assertThrows(() => new LengthDecoder({ prefix: 5 as 4 }), TypeError, "current value is 5");
  for (const wrong of [-1, 1.5, NaN, Infinity]) {
    assertThrows(() => new LengthDecoder({ offset: wrong }), RangeError, "'offset'");
    assertThrows(() => new LengthDecoder({ strip: wrong }), RangeError, "'strip'");
    assertThrows(() => new LengthDecoder({ maxLength: wrong }), RangeError, "'maxLength'");
  }
  const rule = "'adjustment' must be an integer: current value is 0.5";
  assertThrows(() => new LengthDecoder({ adjustment: 0.5 }), RangeError, rule);
});

Deno.test("LengthEncoder refuses options out of range", () => {
  assertThrows(() => new LengthEncoder({ prefix: 5 as 4 }), TypeError, "Cannot encode as 'prefix'");
  for (const wrong of [-1, 1.5, NaN, Infinity]) {
    assertThrows(() => new LengthEncoder({ offset: wrong }), RangeError, "'offset'");
    assertThrows(() => new LengthEncoder({ maxLength: wrong }), RangeError, "'maxLength'");
  }
  assertThrows(() => new LengthEncoder({ adjustment: 0.5 }), RangeError, "'adjustment'");
});

Deno.test("LengthEncoder has a limit of 1 MiB by itself", () => {
  const encoder = new LengthEncoder();
  assertEquals(encoder.encode(new Uint8Array(2 ** 20)).subarray(0, 4), of(0, 0x10, 0, 0));
  assertThrows(() => encoder.encode(new Uint8Array(2 ** 20 + 1)), RangeError, "0 to 1048576");
});

Deno.test("LengthEncoder writes lengths of every size, either end first", () => {
  const frame = new Uint8Array(258);
  for (const prefix of [2, 3, 4, 8] as const) {
    const big = new LengthEncoder({ prefix }).encode(frame);
    assertEquals([...big.subarray(0, prefix)], [...zeros(prefix - 2), 1, 2]);
    const little = new LengthEncoder({ prefix, littleEndian: true }).encode(frame);
    assertEquals([...little.subarray(0, prefix)], [2, 1, ...zeros(prefix - 2)]);
  }
  assertEquals(new LengthEncoder({ prefix: 1 }).encode(of(9)), of(1, 9));
  assertEquals(new LengthEncoder({ prefix: "varint" }).encode(frame).subarray(0, 2), of(0x82, 2));
});

Deno.test("LengthEncoder puts the length behind the first bytes of a frame", () => {
  const encoder = new LengthEncoder({ prefix: 2, offset: 1, adjustment: -3 });
  assertEquals(encoder.encode(of(7, 8, 9)), of(7, 0, 5, 8, 9));
  assertThrows(() => encoder.encode(of()), RangeError, ">= 1 bytes: current value has 0");
});

Deno.test("LengthEncoder.encodeInto() puts the same bytes into a buffer, if they fit", () => {
  const encoder = new LengthEncoder({ prefix: 1, maxLength: 2 });
  const buffer = new Uint8Array(5).fill(255);
  assertEquals(encoder.encodeInto(of(8, 9), buffer, 3), -1);
  assertEquals(buffer, of(255, 255, 255, 255, 255));
  assertEquals(encoder.encodeInto(of(8, 9), buffer, 2), 5);
  assertEquals(buffer, of(255, 255, 2, 8, 9));
  assertThrows(() => encoder.encodeInto(of(7, 8, 9), buffer, 0), RangeError);
});

Deno.test("LengthEncoder refuses a frame over the limit with RangeError", () => {
  const encoder = new LengthEncoder({ maxLength: 2 });
  assertEquals(encoder.encode(of(8, 9)), of(0, 0, 0, 2, 8, 9));
  const error = assertThrows(() => encoder.encode(of(7, 8, 9)), RangeError, "0 to 2");
  assert(!(error instanceof FrameError));
  assertThrows(() => new LengthEncoder({ prefix: 1 }).encode(new Uint8Array(256)), RangeError);
  assertEquals(new LengthEncoder({ prefix: 1 }).encode(new Uint8Array(255)).length, 256);
});

Deno.test("LengthEncoder refuses a frame that an adjustment makes negative", () => {
  const encoder = new LengthEncoder({ adjustment: 2 });
  assertThrows(() => encoder.encode(of(1)), RangeError, "current value is -1");
  assertEquals(encoder.encode(of(8, 9)), of(0, 0, 0, 0, 8, 9));
});

Deno.test("LengthEncoder holds the raw length against the limit, as the decoder does", () => {
  const encoder = new LengthEncoder({ prefix: 1, adjustment: -1, maxLength: 2 });
  assertEquals(encoder.encode(of(9)), of(2, 9));
  assertThrows(() => encoder.encode(of(8, 9)), RangeError);
});

const anyFormat: fc.Arbitrary<LengthFormat> = fc.record({
  prefix: fc.constantFrom(...([1, 2, 3, 4, 8, "varint"] as const)),
  littleEndian: fc.boolean(),
  offset: fc.integer({ min: 0, max: 3 }),
  adjustment: fc.integer({ min: -20, max: 3 }),
  maxLength: fc.constantFrom(100, 300),
});

Deno.test("LengthDecoder makes frames of what LengthEncoder sends, however it is cut", () => {
  const payloads = fc.array(fc.uint8Array({ minLength: 6, maxLength: 270 }), { maxLength: 8 });
  fc.assert(fc.property(anyFormat, payloads, anyCuts, (format, payloads, cuts) => {
    const encoder = new LengthEncoder(format);
    const sent: number[][] = [];
    for (const payload of payloads) {
      try {
        sent.push([...encoder.encode(payload)]);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }
    const bytes = of(...sent.flat());
    const whole = decode(new LengthDecoder({ ...format, strip: 0 }), bytes, cuts);
    assertEquals(whole.error, undefined);
    assertEquals(whole.frames.map((frame) => [...frame]), sent);
  }));
});

Deno.test("LengthDecoder makes the same of any bytes however they are cut, and holds little", () => {
  const formats = fc.sample(fc.tuple(anyFormat, fc.option(fc.nat(8)), fc.boolean()), 60);
  for (const [format, strip, minimal] of formats) {
    const options = { ...format, maxLength: 20, strip: strip ?? undefined, minimal };
    assertCutsMeanNothing({
      decoder: () => new LengthDecoder(options),
      bytes: fc.array(fc.oneof(fc.nat(12), fc.nat(255)), { maxLength: 150 })
        .map((bytes) => of(...bytes)),
      limit: 3 + 8 + 20 + 3,
    });
  }
});

Deno.test("LengthDecoder survives every mutation of a good stream", () => {
  const encoder = new LengthEncoder({ prefix: "varint" });
  const payloads = fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 5 });
  const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
  fc.assert(fc.property(payloads, fc.array(change), anyCuts, (payloads, changes, cuts) => {
    const bytes = of(...payloads.flatMap((payload) => [...encoder.encode(payload)]));
    for (const { at, to } of changes) bytes[at % bytes.length] = to;
    decode(new LengthDecoder({ prefix: "varint", maxLength: 1000 }), bytes, cuts, (held, chunk) => {
      assert(held <= 1008 + chunk);
    });
  }));
});

Deno.test("LengthDecoder and LengthEncoder agree with it-length-prefixed", () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 6 });
  fc.assert(fc.property(payloads, anyCuts, (payloads, cuts) => {
    const encoder = new LengthEncoder({ prefix: "varint" });
    const ours = payloads.map((payload) => encoder.encode(payload));
    const theirs = payloads.map((payload) => oracleEncode.single(payload).subarray());
    assertEquals(ours.map((bytes) => [...bytes]), theirs.map((bytes) => [...bytes]));

    const stream = of(...theirs.flatMap((bytes) => [...bytes]));
    const decoded = decode(new LengthDecoder({ prefix: "varint" }), stream, cuts);
    const oracle = stream.length === 0 ? [] : [...oracleDecode([stream])];
    assertEquals(
      decoded.frames.map((frame) => [...frame]),
      oracle.map((frame) => [...frame.subarray()]),
    );
  }));
});

Deno.test("LengthDecoder and it-length-prefixed fail on the same streams, but for its two faults", () => {
  const bytes = fc.array(fc.oneof(fc.nat(5), fc.nat(255)), { maxLength: 40 });
  fc.assert(fc.property(bytes, anyCuts, (all, cuts) => {
    const stream = of(...all);
    const options = { prefix: "varint", maxLength: 1000, minimal: true } as const;
    const ours = decode(new LengthDecoder(options), stream, cuts);
    // It drops too few bytes of a varint that is longer than need be,
    fc.pre(ours.error?.code !== "malformed");
    // and takes the end for a good one if it comes between a header and its payload.
    fc.pre(ours.error?.code !== "truncated" || ours.error.missing !== announced(stream, ours));
    let failed = false;
    const theirs: number[][] = [];
    try {
      for (const frame of oracleDecode([stream], { maxDataLength: 1000 })) {
        theirs.push([...frame.subarray()]);
      }
    } catch {
      failed = true;
    }
    assertEquals(ours.frames.map((frame) => [...frame]), theirs);
    assertEquals(ours.error !== undefined, failed);
  }));
});

/** The length that the last, cut frame was to have. */
function announced(stream: Uint8Array, { error }: Decoded<Uint8Array>): number {
  const [low = 0, high = 0] = stream.subarray(error?.offset);
  return low < 0x80 ? low : (low & 0x7f) + high * 128;
}

Deno.test("LengthDecoder wants what is left of a long frame, and as much as the last one for the next", () => {
  const long = new LengthEncoder().encode(new Uint8Array(100_000));
  const decoder = new LengthDecoder();
  assertEquals(decoder.wanted, 0);
  decoder.push(long.subarray(0, 5));
  assertEquals([decoder.next(), decoder.wanted], [undefined, long.length - 5]);
  decoder.push(long.subarray(5, -10));
  // Ten bytes are not worth a read; there is no frame before it to go by.
  assertEquals([decoder.next(), decoder.wanted], [undefined, 10]);
  decoder.push(long.subarray(-10));
  assertEquals([decoder.next()?.length, decoder.wanted], [100_000, long.length]);
  decoder.push(long.subarray(0, -10));
  assertEquals([decoder.next(), decoder.wanted], [undefined, 10 + long.length]);
});
