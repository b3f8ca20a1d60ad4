/**
 * Web streams over a connection that end one direction at a time, where Deno's own
 * `conn.readable` and `conn.writable` close both (denoland/deno#27510).
 *
 * @example Upper case, with the answer after the question's end
 * ```ts
 * import { memoryPair, readToEnd, toReadable, toWritable, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [client, server] = memoryPair();
 * await writeAll(client, new TextEncoder().encode("ping"));
 * await client.closeWrite();
 *
 * await toReadable(server)
 *   .pipeThrough(new TextDecoderStream())
 *   .pipeThrough(new TransformStream({ transform: (s, c) => c.enqueue(s.toUpperCase()) }))
 *   .pipeThrough(new TextEncoderStream())
 *   .pipeTo(toWritable(server));
 *
 * assertEquals(new TextDecoder().decode(await readToEnd(client)), "PING");
 * ```
 *
 * @module
 */

import { LARGEST_BUFFER, SMALL_BUFFER } from "./_small_buffers.ts";
import { type Reader, writeAll, type Writer } from "./conn.ts";

/**
 * The bytes of `from` as a byte stream, which ends at FIN. `from` stays open and its
 * other direction untouched, also when the stream is cancelled.
 *
 * It reads only when somebody waits for a chunk, so what nobody asked for is still there
 * after a cancel; a read that waits at that moment takes its bytes with it. Chunks have
 * room for 1 KiB at first and for up to 256 KiB when the peer fills them; a reader that
 * brings its own buffer (`mode: "byob"`) gets the bytes right there.
 */
export function toReadable(from: Reader): ReadableStream<Uint8Array<ArrayBuffer>> {
  let size = SMALL_BUFFER;
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const request = controller.byobRequest;
      const chunk = request ? viewOf(request) : new Uint8Array(size);
      const n = await from.read(chunk);
      if (n === chunk.length) size = Math.min(size * 4, LARGEST_BUFFER);
      if (n === null) controller.close();
      else if (!request) controller.enqueue(chunk.subarray(0, n));
      request?.respond(n ?? 0);
    },
  }, { highWaterMark: 0 });
}

function viewOf(request: ReadableStreamBYOBRequest): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = request.view!;
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/**
 * A stream that writes to `to`. Closing it says FIN and leaves `to` open for reading.
 *
 * Aborting it says no FIN, since a stream that was cut must not look whole: the
 * connection is its owner's to reset or dispose. A write that waits goes on waiting
 * until then.
 */
export function toWritable(to: Writer): WritableStream<Uint8Array> {
  return new WritableStream({
    write: (chunk) => writeAll(to, chunk),
    close: () => to.closeWrite(),
  });
}
