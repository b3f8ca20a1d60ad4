/** How a ladder says things in a few columns. */

import { columns, fit, wrap } from "./_canvas.ts";
import type { CallEvent, SegmentEvent, StateEvent } from "./events.ts";
import type { SocketTimer } from "./kernel_socket.ts";
import type { ArrowRow } from "./row.ts";
import { flagsText } from "./segment.ts";

/** A narrator's words in lines of at most `width` columns; a text of several lines keeps them. */
export function proseLines(words: string, width: number): string[] {
  if (isFigure(words)) return words.split("\n").map((line) => fit(line, width));
  return wrap(words.split(/\s+/).filter((word) => word !== ""), width);
}

/** Whether the words are in lines, which are a drawing then: each column counts. */
export function isFigure(words: string): boolean {
  return words.includes("\n");
}

/** A call and what came of it: `"read 14 B"`, `"write ✗ EPIPE"`, `"read …"`; best word first. */
export function callWords(call: CallEvent): readonly string[] {
  const { kind, end, error } = call;
  if (error !== undefined) {
    const why = `✗ ${error.code ?? error.name}`;
    const to = call.kind === "connect" ? portOf(call.remote) : undefined;
    const told = to === undefined ? [] : [`${kind} ${to} ${why}`, `${to} ${why}`];
    return [...told, `${kind} ${why}`, why];
  }
  switch (call.kind) {
    // Half a port would be another one.
    case "listen":
      return [join(kind, portOf(call.local)), kind];
    case "connect":
      return [join(kind, portOf(call.remote)), kind];
    case "accept":
      return [join(kind, call.remote && `from ${portOf(call.remote)}`), kind];
    case "read":
      if (end === undefined) return ["read …"];
      return [call.bytes === null ? "read → EOF" : `read ${size(call.bytes ?? 0)}`];
    case "write":
      if (end === undefined) return [`write ${size(call.size)} …`, "write …"];
      return [`write ${part(call.bytes ?? 0, call.size)}`, `write ${size(call.bytes ?? 0)}`];
    default:
      return [kind];
  }
}

/** What to write on an arrow: the first of these that fits. */
export function arrowWords(
  { what, bytes, segment }: Pick<ArrowRow, "what" | "bytes" | "segment">,
): readonly string[] {
  if (segment !== undefined) return segmentWords(segment);
  switch (what) {
    case "handshake":
      return ["SYN · SYN-ACK · ACK", "handshake", "SYN"];
    case "data":
      return [size(bytes)];
    default:
      return [what.toUpperCase()];
  }
}

/** A segment by its flags and numbers: `"PSH-ACK seq 1:15 ack 1"`; best word first. */
function segmentWords(segment: SegmentEvent): readonly string[] {
  const { seq, ack, length, again } = segment;
  const flags = flagsText(segment) + (again ? " again" : "");
  const place = length === 0 ? `${seq}` : `${seq}:${seq + length}`;
  const acked = ack === undefined ? "" : ` ack ${ack}`;
  const numbers = [`${flags} seq ${place}${acked}`, `${flags} ${place}${acked}`];
  if (length === 0) return [...numbers, `${flags}${acked}`, flags];
  return [`${numbers[0]} · ${size(length)}`, ...numbers, `${flags} ${size(length)}`, size(length)];
}

/** What the kernel holds beside a state, and waits for, if that was asked; best word first. */
export function heldWords(
  { recvQueue = 0, sendQueue = 0, timer }: Pick<StateEvent, "recvQueue" | "sendQueue" | "timer">,
): readonly string[] {
  if (recvQueue + sendQueue === 0 && timer !== undefined) return timerWords(timer);
  const both = (unread: string, unacked: string) =>
    [
      ...recvQueue > 0 ? [`${size(recvQueue)} ${unread}`] : [],
      ...sendQueue > 0 ? [`${size(sendQueue)} ${unacked}`] : [],
    ].join(", ");
  return [both("unread", "unacked"), both("in", "out")];
}

/** Of clocks that run for long; of the others one sees no more than that they do. */
function timerWords({ kind, left }: SocketTimer): readonly string[] {
  const seconds = Math.round(left / 1000);
  const words = seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
  if (kind === "timewait") return [`${words} left`];
  return kind === "keepalive" ? [`asks in ${words}`, words] : [];
}

/** The first of `words` that fits, or as much of the last as does. */
export function fitting(words: readonly string[], room: number): string {
  return words.find((word) => columns(word) <= room) ?? fit(words.at(-1) ?? "", room);
}

/** Bytes, exact as long as that is short. */
export function size(bytes: number): string {
  const { value, unit } = measure(bytes);
  return `${value} ${unit}`;
}

/** Milliseconds in at most six columns, as exact as that allows. */
export function time(ms: number): string {
  if (ms < 99.995) return ms.toFixed(2);
  if (ms < 9999.95) return ms.toFixed(1);
  if (ms < 999_999.5) return ms.toFixed(0);
  const minutes = ms / 60_000;
  return minutes < 99.5 ? `${minutes.toFixed(0)} min` : `${(minutes / 60).toFixed(0)} h`;
}

function part(bytes: number, of: number): string {
  if (bytes === of) return size(of);
  const some = measure(bytes);
  const all = measure(of);
  return some.unit === all.unit ? `${some.value}/${size(of)}` : `${size(bytes)}/${size(of)}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function measure(bytes: number): { value: string; unit: string } {
  if (bytes < 10_000) return { value: String(bytes), unit: "B" };
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1024;
  const short = value < 100 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(0);
  return { value: short, unit: UNITS[unit]! };
}

function join(kind: string, more: string | undefined): string {
  return more ? `${kind} ${more}` : kind;
}

/** On this host, the port says it all; elsewhere the address is worth its columns. */
function portOf(addr: string | undefined): string | undefined {
  return addr?.replace(/^(127\.0\.0\.1|\[::1\])(?=:)/, "");
}
