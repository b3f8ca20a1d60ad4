/**
 * What went through a connection, with times, as lines of JSON: bytes, and FIN, each way.
 *
 * @example
 * ```ts
 * import { parseRecording, RECORDING_HEAD, recordingLine } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const said = { conn: 1, at: 0, way: "up", bytes: new TextEncoder().encode("hi") } as const;
 * const line = recordingLine(said);
 * assertEquals(line, '{"conn":1,"at":0,"way":"up","data":"aGk="}');
 * assertEquals(parseRecording(`${RECORDING_HEAD}\n${line}\n`), new Map([[1, [said]]]));
 * ```
 *
 * @module
 */

/** Which way: `"up"` is from the client to the server. */
export type TapWay = "up" | "down";

/** Something that went through a connection. */
export interface Recorded {
  /** The connection's number. */
  readonly conn: number;
  /** When, in milliseconds since its server was connected. */
  readonly at: number;
  /** Which way. */
  readonly way: TapWay;
  /** Bytes, or `null` for FIN. */
  readonly bytes: Uint8Array | null;
}

/** The first line of a recording. */
export const RECORDING_HEAD = '{"tcplab":"recording","version":1}';

/** One line, without its end. */
export function recordingLine({ conn, at, way, bytes }: Recorded): string {
  const what = bytes === null ? { fin: true } : { data: toBase64(bytes) };
  return JSON.stringify({ conn, at: Math.round(at * 1000) / 1000, way, ...what });
}

/**
 * Reads a recording: what went through each connection, in order.
 *
 * @throws {TypeError} If it is none. Its last line may be cut, as when whoever wrote it was ended.
 */
export function parseRecording(text: string): Map<number, Recorded[]> {
  const lines = text.split("\n");
  if (lines.shift() !== RECORDING_HEAD) throw wrong("begin as one", 1);
  const conns = new Map<number, Recorded[]>();
  for (const [i, line] of lines.entries()) {
    const last = i === lines.length - 1;
    if (last && line === "") break;
    const recorded = parseLine(line);
    if (recorded === undefined && last) break;
    if (recorded === undefined) throw wrong("be whole", i + 2);
    const events = conns.get(recorded.conn);
    if (events === undefined) conns.set(recorded.conn, [recorded]);
    else events.push(recorded);
  }
  return conns;
}

function parseLine(line: string): Recorded | undefined {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { conn, at, way, data, fin } = parsed ?? {};
  const bytes = fin === true ? null : typeof data === "string" ? fromBase64(data) : undefined;
  if (!Number.isInteger(conn) || typeof at !== "number" || !(at >= 0)) return undefined;
  if ((way !== "up" && way !== "down") || bytes === undefined) return undefined;
  return { conn: conn as number, at, way, bytes };
}

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function wrong(rule: string, line: number): TypeError {
  return new TypeError(`Cannot read a recording as it must ${rule}: line ${line} does not`);
}
