/**
 * Decoders and encoders as web streams, for code that speaks `pipeThrough()`.
 *
 * @example Lines of a web stream
 * ```ts
 * import { DecoderStream, TextLineDecoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new Blob(["one\ntwo"]).stream();
 * const lines = bytes.pipeThrough(new DecoderStream(new TextLineDecoder()));
 * assertEquals(await Array.fromAsync(lines), ["one", "two"]);
 * ```
 *
 * @module
 */

import { type Decoder, drain, type Encoder } from "./decoder.ts";

/**
 * Turns a stream of bytes into a stream of frames.
 *
 * Frames are made when the reader asks for them, all those of a chunk together. A
 * `TransformStream` would do the same in fewer lines, but drops the good frames before a
 * bad one if they were not read yet.
 */
export class DecoderStream<Frame> implements ReadableWritablePair<Frame, Uint8Array> {
  /** The frames. It fails with the decoder's `FrameError` once those before it are read. */
  readonly readable: ReadableStream<Frame>;
  /** The bytes. */
  readonly writable: WritableStream<Uint8Array>;

  /** Takes over `decoder`. */
  constructor(decoder: Decoder<Frame>) {
    const bytes = new TransformStream<Uint8Array, Uint8Array>();
    const chunks = bytes.readable.getReader();
    this.writable = bytes.writable;
    this.readable = new ReadableStream<Frame>({
      async pull(controller) {
        try {
          while (!enqueueAll(decoder, controller)) {
            const { done, value } = await chunks.read();
            if (!done) {
              decoder.push(value);
              continue;
            }
            decoder.end();
            if (!enqueueAll(decoder, controller)) controller.close();
            return;
          }
        } catch (error) {
          // Whoever writes is to know that nobody reads any more.
          await chunks.cancel(error);
          throw error;
        }
      },
      cancel(reason) {
        return chunks.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }
}

/** Passes on the frames that are whole by now; says whether there was one. */
function enqueueAll<Frame>(
  decoder: Decoder<Frame>,
  controller: ReadableStreamDefaultController<Frame>,
): boolean {
  let any = false;
  try {
    for (const frame of drain(decoder)) {
      controller.enqueue(frame);
      any = true;
    }
  } catch (error) {
    // An error would drop the frames before it. It comes again once they are read.
    if (!any) throw error;
  }
  return any;
}

/** Turns a stream of frames into a stream of bytes, one chunk for each frame. */
export class EncoderStream<Frame> extends TransformStream<Frame, Uint8Array> {
  /** Takes over `encoder`. A frame that it refuses breaks the stream with its `RangeError`. */
  constructor(encoder: Encoder<Frame>) {
    super({
      transform(frame, controller) {
        controller.enqueue(encoder.encode(frame));
      },
    });
  }
}
