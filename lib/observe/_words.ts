/** How a ladder says things in a few columns. */

import type { Arrow } from "./arrows.ts";
import type { CallEvent } from "./events.ts";

/** A call and what came of it: `"read 14 B"`, `"write ✗ EPIPE"`, `"read …"`. */
export function callWords(call: CallEvent): string {
  const { kind, end, error } = call;
  if (error !== undefined) return `${kind} ✗ ${error.code ?? error.name}`;
  switch (call.kind) {
    case "listen":
      return join(kind, portOf(call.local));
    case "connect":
      return join(kind, portOf(call.remote));
    case "accept":
      return join(kind, call.remote && `from ${portOf(call.remote)}`);
    case "read":
      if (end === undefined) return "read …";
      return call.bytes === null ? "read → EOF" : `read ${size(call.bytes ?? 0)}`;
    case "write": {
      const taken = call.bytes ?? call.size;
      if (end === undefined) return `write ${size(taken)} …`;
      return taken === call.size
        ? `write ${size(taken)}`
        : `write ${size(taken)} of ${size(call.size)}`;
    }
    default:
      return kind;
  }
}

/** What to write on an arrow: the first of these that fits. */
export function arrowWords({ what, bytes }: Pick<Arrow, "what" | "bytes">): readonly string[] {
  switch (what) {
    case "handshake":
      return ["SYN · SYN-ACK · ACK", "handshake", "SYN"];
    case "data":
      return [size(bytes)];
    default:
      return [what.toUpperCase()];
  }
}

/** Bytes, exact as long as that is short. */
export function size(bytes: number): string {
  if (bytes < 100_000) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes / 1024;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1024;
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Milliseconds in at most six columns, as exact as that allows. */
export function time(ms: number): string {
  if (ms < 100) return ms.toFixed(2);
  if (ms < 10_000) return ms.toFixed(1);
  if (ms < 1_000_000) return ms.toFixed(0);
  return `${Math.round(ms / 60_000)} min`;
}

function join(kind: string, more: string | undefined): string {
  return more ? `${kind} ${more}` : kind;
}

/** On this host, the port says it all; elsewhere the address is worth its columns. */
function portOf(addr: string | undefined): string | undefined {
  return addr?.replace(/^(127\.0\.0\.1|\[::1\])(?=:)/, "");
}
