import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { FrameError } from "../../lib/framing/decoder.ts";
import { LengthDecoder, LengthEncoder } from "../../lib/framing/length.ts";
import { LineDecoder, TextLineDecoder, TextLineEncoder } from "../../lib/framing/lines.ts";
import { DecoderStream, EncoderStream } from "../../lib/framing/streams.ts";
import { anyCuts, bytes, cut } from "./_cuts.ts";

const of = (...bytes: number[]) => Uint8Array.from(bytes);

/** Lets everything happen that needs nothing but its turn. */
async function manyTurns(): Promise<void> {
  for (let i = 0; i < 200; i++) await Promise.resolve();
}

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

Deno.test("DecoderStream gives the good frames of a chunk before its error, however late they are read", async () => {
  const stream = new DecoderStream(new LengthDecoder({ prefix: 1, maxLength: 2 }));
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  const written = writer.write(of(1, 7, 1, 8, 9));
  assertEquals((await reader.read()).value, of(7));
  await manyTurns();
  assertEquals((await reader.read()).value, of(8));
  const error = await assertRejects(() => reader.read(), FrameError);
  assertEquals(error.code, "too-long");
  await written;
  assert(await assertRejects(() => writer.write(of(1)), FrameError) === error);
  assert(await assertRejects(() => writer.closed, FrameError) === error);
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

Deno.test("DecoderStream decodes nothing before a frame is asked for", async () => {
  let pushed = 0;
  class Spy extends LineDecoder {
    override push(chunk: Uint8Array): void {
      pushed++;
      super.push(chunk);
    }
  }
  const chunks = ReadableStream.from(Array.from({ length: 9 }, () => bytes("one\ntwo\n")));
  const reader = chunks.pipeThrough(new DecoderStream(new Spy())).getReader();
  const seen = [pushed];
  for (let i = 0; i < 3; i++) {
    await manyTurns();
    await reader.read();
    await manyTurns();
    seen.push(pushed);
  }
  assertEquals(seen, [0, 1, 1, 2]);
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
