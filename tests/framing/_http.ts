/** Responses as text in, what happens in them out. */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { FrameError } from "../../lib/framing/decoder.ts";
import { HttpResponseDecoder, type HttpResponseEvent } from "../../lib/framing/http_response.ts";
import type { HttpResponseOptions } from "../../lib/framing/http_response.ts";
import { type Cuts, decode } from "./_cuts.ts";

/** Each character is one byte. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** What was decoded, in a form that does not show where the body was cut. */
export interface Happened {
  /** Heads with their fields as a list, whole bodies as text, and trailers as a list. */
  events: unknown[];
  error?: FrameError;
}

/** Feeds a stream, whole or cut, and says what happened. */
export function happened(
  stream: string | Uint8Array,
  options: HttpResponseOptions & { decoder?: HttpResponseDecoder } = {},
  cuts: Cuts = [],
  held: (buffered: number, chunk: number) => void = () => {},
): Happened {
  const { decoder = new HttpResponseDecoder(options) } = options;
  const bytes = typeof stream === "string" ? latin1(stream) : stream;
  const { frames, error } = decode(decoder, bytes, cuts, held);
  return error ? { events: merge(frames), error } : { events: merge(frames) };
}

/** The events of one stream, with the pieces of each body put together. */
export function merge(frames: readonly HttpResponseEvent[]): unknown[] {
  const events: unknown[] = [];
  let body = "";
  for (const frame of frames) {
    if (frame.type === "body") {
      body += Array.from(frame.bytes, (byte) => String.fromCharCode(byte)).join("");
      continue;
    }
    if (body !== "") events.push({ body });
    body = "";
    if (frame.type === "end") events.push({ end: frame.trailers.lines });
    else events.push({ ...frame, fields: frame.fields.lines });
  }
  if (body !== "") events.push({ body });
  return events;
}

/** The body of the one response in the stream, which must be whole. */
export function bodyOf(stream: string, options: HttpResponseOptions = {}): string {
  const { events, error } = happened(stream, options);
  assertEquals(error, undefined);
  const body = events.find((event) => Object.hasOwn(event as object, "body"));
  return (body as { body: string } | undefined)?.body ?? "";
}

/** The error that a stream ends with. */
export function faultOf(stream: string, options: HttpResponseOptions = {}): FrameError {
  const { error } = happened(stream, options);
  assertInstanceOf(error, FrameError);
  return error;
}
