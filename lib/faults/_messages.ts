/** Where messages begin and end in a stream, for faults that hit whole messages. */

import { checkInteger } from "./_check.ts";

/**
 * What a fault takes for a message: what one read brought, so many bytes, or a line with its end.
 * Only the last two do not depend on how the network cut the stream.
 */
export type Unit = "chunk" | "line" | number;

/** A message, and where in the stream it begins. */
export interface Message {
  readonly bytes: Uint8Array;
  readonly offset: number;
  /** Whether all of it is there; the last may be cut off by the end. */
  readonly whole: boolean;
}

/** @throws {RangeError} If it is none. */
export function checkUnit(fault: string, unit: Unit): void {
  if (unit !== "chunk" && unit !== "line") checkInteger(fault, "unit", unit as number, 1);
}

/** The messages of a stream of which `offset` bytes went before. What is left over comes last. */
export async function* messages(
  chunks: AsyncIterable<Uint8Array>,
  unit: Unit,
  offset: number,
): AsyncGenerator<Message> {
  let parts: Uint8Array[] = [];
  let held = 0;
  const take = (whole: boolean): Message => {
    const bytes = join(parts, held);
    const message = { bytes, offset, whole };
    offset += held;
    parts = [];
    held = 0;
    return message;
  };
  for await (let rest of chunks) {
    while (rest.length > 0) {
      const n = lengthOf(rest, unit, held);
      const whole = n !== undefined;
      const part = rest.subarray(0, n);
      parts.push(part);
      held += part.length;
      rest = rest.subarray(part.length);
      if (whole) yield take(true);
    }
  }
  if (held > 0) yield take(false);
}

/** How many bytes end the message of which `held` are there; `undefined` if all do not. */
function lengthOf(bytes: Uint8Array, unit: Unit, held: number): number | undefined {
  if (unit === "chunk") return bytes.length;
  if (unit !== "line") return bytes.length >= unit - held ? unit - held : undefined;
  const at = bytes.indexOf(10);
  return at < 0 ? undefined : at + 1;
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
