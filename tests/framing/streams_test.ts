import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { FrameError } from "../../lib/framing/decoder.ts";
import { LengthDecoder, LengthEncoder } from "../../lib/framing/length.ts";
import { TextLineDecoder, TextLineEncoder } from "../../lib/framing/lines.ts";
import { DecoderStream, EncoderStream } from "../../lib/framing/streams.ts";
import { anyCuts, bytes, cut } from "./_cuts.ts";

const of = (...bytes: number[]) => Uint8Array.from(bytes);

/** Reads frames until they end or fail. */
async function readAll<T>(stream: ReadableStream<T>): Promise<{ frames: T[]; error?: unknown }> {
  const reader = stream.getReader();
  const frames: T[] = [];
  try {
    for (let it = await reader.read(); !it.done; it = await reader.read()) frames.push(it.value);
    return { frames };
  } catch (error) {
    return { frames, error };
  }
}

Deno.test("DecoderStream and EncoderStream carry frames however the bytes are cut", async () => {
  const lines = fc.array(fc.string().filter((line) => !/[\r\n]/.test(line)), { maxLength: 8 });
  await fc.assert(fc.asyncProperty(lines, anyCuts, async (lines, cuts) => {
    const encoded = ReadableStream.from(lines).pipeThrough(
      new EncoderStream(new TextLineEncoder()),
    );
    const chunks = await Array.fromAsync(encoded);
    assertEquals(chunks.length, lines.length);
    const all = of(...chunks.flatMap((chunk) => [...chunk]));
    const decoded = ReadableStream.from(cut(all, cuts))
      .pipeThrough(new DecoderStream(new TextLineDecoder()));
    assertEquals(await Array.fromAsync(decoded), lines);
  }));
});

Deno.test("DecoderStream gives the good frames of a chunk before its error, even if unread", async () => {
  const stream = new DecoderStream(new LengthDecoder({ prefix: 1, maxLength: 2 }));
  const writer = stream.writable.getWriter();
  const written = writer.write(of(1, 7, 1, 8, 9));
  const { frames, error } = await readAll(stream.readable);
  assertEquals(frames, [of(7), of(8)]);
  assert(error instanceof FrameError && error.code === "too-long");
  await written;
  await assertRejects(() => writer.write(of(1)), FrameError);
  await assertRejects(() => writer.closed, FrameError);
});

Deno.test("DecoderStream fails where the stream ends inside a frame", async () => {
  const bytes = ReadableStream.from([of(0, 0, 0, 1, 7, 0, 0)]);
  const { frames, error } = await readAll(
    bytes.pipeThrough(new DecoderStream(new LengthDecoder())),
  );
  assertEquals(frames, [of(7)]);
  assert(error instanceof FrameError && error.code === "truncated");
});

Deno.test("DecoderStream tells the writer that nobody reads any more", async () => {
  const stream = new DecoderStream(new TextLineDecoder());
  const writer = stream.writable.getWriter();
  const gone = new Error("gone");
  await stream.readable.cancel(gone);
  assert(await assertRejects(() => writer.closed) === gone);
});

Deno.test("DecoderStream tells the reader that the writer gave up", async () => {
  const stream = new DecoderStream(new TextLineDecoder());
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  const first = reader.read();
  await writer.write(bytes("one\n"));
  assertEquals((await first).value, "one");
  const gone = new Error("gone");
  const next = assertRejects(() => reader.read());
  await writer.abort(gone);
  assert(await next === gone);
});

Deno.test("DecoderStream takes no chunk before a frame is asked for", async () => {
  let pulled = 0;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(bytes("one\ntwo\n"));
    },
  }, { highWaterMark: 0 });
  const reader = source.pipeThrough(new DecoderStream(new TextLineDecoder())).getReader();
  assertEquals((await reader.read()).value, "one");
  const before = pulled;
  assertEquals((await reader.read()).value, "two");
  assert(before <= 2 && pulled <= 3, `pulled ${before}, then ${pulled} chunks`);
  await reader.cancel();
});

Deno.test("EncoderStream breaks with the RangeError of a frame that is refused", async () => {
  const stream = new EncoderStream(new LengthEncoder({ maxLength: 1 }));
  const writer = stream.writable.getWriter();
  const refused = assertRejects(() => writer.write(of(1, 2)), RangeError);
  const { frames, error } = await readAll(stream.readable);
  assertEquals(frames, []);
  assert(error instanceof RangeError);
  await refused;
  await assertRejects(() => writer.closed, RangeError);
});
