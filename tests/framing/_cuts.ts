/**
 * Every decoder is put to the same question: whatever the bytes and however they are
 * cut, is what comes out the same, bounded, and never anything but frames or FrameError?
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Decoder, FrameError } from "../../lib/framing/decoder.ts";

/** What a decoder makes of a stream: its frames, and the error that ended them, if any. */
export interface Decoded<Frame> {
  frames: Frame[];
  error?: FrameError;
}

/** Where to cut a stream: fractions of its length, or `"bytes"` for everywhere. */
export type Cuts = readonly number[] | "bytes";

/** Feeds `bytes`, cut, to the decoder; `held` sees how much it holds once it was drained. */
export function decode<Frame>(
  decoder: Decoder<Frame>,
  bytes: Uint8Array,
  cuts: Cuts = [],
  held: (buffered: number, chunk: number) => void = () => {},
): Decoded<Frame> {
  const frames: Frame[] = [];
  try {
    for (const chunk of cut(bytes, cuts)) {
      decoder.push(chunk);
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
        frames.push(frame);
      }
      held(decoder.buffered, chunk.length);
    }
    decoder.end();
    for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
      frames.push(frame);
    }
    held(decoder.buffered, 0);
    return { frames };
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    assertBroken(decoder, error);
    return { frames, error };
  }
}

/** A broken decoder stays so, lets go of the bytes, and takes no more. */
export function assertBroken<Frame>(decoder: Decoder<Frame>, error: FrameError): void {
  assertEquals(decoder.buffered, 0);
  decoder.end();
  try {
    decoder.next();
  } catch (again) {
    assert(again === error, "a broken decoder threw another error");
    return;
  }
  assert(false, "a broken decoder went on");
}

/** The chunks, each with a buffer of its own so that nothing hides behind a shared one. */
export function cut(bytes: Uint8Array, cuts: Cuts): Uint8Array[] {
  if (cuts === "bytes") return Array.from(bytes, (byte) => Uint8Array.of(byte));
  const at = cuts.map((fraction) => Math.floor(fraction * bytes.length)).sort((a, b) => a - b);
  return [0, ...at].map((start, i) => bytes.slice(start, at[i] ?? bytes.length));
}

/** Any way to cut a stream. */
export const anyCuts: fc.Arbitrary<Cuts> = fc.oneof(
  fc.constant<Cuts>("bytes"),
  fc.constant<Cuts>([]),
  fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }),
);

/** What to check of one decoder. */
export interface AnyCutsOptions<Frame> {
  /** A new decoder. */
  decoder: () => Decoder<Frame>;
  /** Streams that are worth trying, right or wrong. */
  bytes: fc.Arbitrary<Uint8Array>;
  /** The most bytes it may hold beside a chunk. */
  limit: number;
}

/** However a stream is cut, the same comes out of it, and little is held. */
export function assertCutsMeanNothing<Frame>(options: AnyCutsOptions<Frame>): void {
  const { decoder, bytes, limit } = options;
  fc.assert(
    fc.property(bytes, anyCuts, (stream, cuts) => {
      const whole = summary(decode(decoder(), stream));
      const pieces = decode(decoder(), stream, cuts, (buffered, chunk) => {
        assert(buffered <= limit + chunk, `holds ${buffered} bytes, with a limit of ${limit}`);
      });
      assertEquals(summary(pieces), whole);
    }),
  );
}

/** What can be compared of it. */
function summary<Frame>(decoded: Decoded<Frame>): unknown {
  const { frames, error } = decoded;
  return {
    frames: frames.map((frame) => frame instanceof Uint8Array ? [...frame] : frame),
    error: error &&
      { message: error.message, code: error.code, offset: error.offset, missing: error.missing },
  };
}

/** Bytes of few different values, so that delimiters and their beginnings are common. */
export function bytesOf(...values: number[]): fc.Arbitrary<Uint8Array> {
  return fc.array(fc.constantFrom(...values), { maxLength: 200 }).map((all) =>
    Uint8Array.from(all)
  );
}

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** UTF-8. */
export function bytes(value: string): Uint8Array {
  return utf8.encode(value);
}

/** Text, if the frame is bytes. */
export function readable<Frame>(frame: Frame): string | Frame {
  return frame instanceof Uint8Array ? text.decode(frame) : frame;
}
