/**
 * Bytes for people: as text with everything escaped that a terminal could take for more, or as
 * a hex dump.
 *
 * @example
 * ```ts
 * import { hexLines, textLines } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("GET /é\r\n\x1b[2J");
 * assertEquals(textLines(bytes), ["GET /é\\r\\n", "\\x1b[2J"]);
 * assertEquals(hexLines(bytes.subarray(0, 5)), [
 *   "00000000  47 45 54 20 2f                                    |GET /|",
 * ]);
 * ```
 *
 * @module
 */

const NAMES: Readonly<Record<number, string>> = { 9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\" };

/** The text that these bytes are, a string for each line; what is not UTF-8 is `\xNN`. */
export function textLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  let line = "";
  for (let at = 0; at < bytes.length;) {
    const { text, length } = character(bytes, at);
    line += text;
    at += length;
    if (bytes[at - 1] === 10) {
      lines.push(line);
      line = "";
    }
  }
  return line === "" ? lines : [...lines, line];
}

/** Sixteen bytes on each line, beside the ASCII that they are; `offset` is that of the first. */
export function hexLines(bytes: Uint8Array, offset = 0): string[] {
  return Array.from({ length: Math.ceil(bytes.length / 16) }, (_, row) => {
    const part = bytes.subarray(row * 16, row * 16 + 16);
    const pairs = Array.from(part, (byte) => byte.toString(16).padStart(2, "0"));
    const ascii = Array.from(part, (byte) => byte >= 32 && byte < 127 ? byte : 46);
    const hex = `${pairs.slice(0, 8).join(" ")}  ${pairs.slice(8).join(" ")}`.trimEnd();
    const at = (offset + row * 16).toString(16).padStart(8, "0");
    return `${at}  ${hex.padEnd(48)}  |${String.fromCharCode(...ascii)}|`;
  });
}

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One character of UTF-8, or one byte that begins none. */
function character(bytes: Uint8Array, at: number): { text: string; length: number } {
  const first = bytes[at]!;
  if (NAMES[first] !== undefined) return { text: NAMES[first], length: 1 };
  if (first >= 32 && first < 127) return { text: String.fromCharCode(first), length: 1 };
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
  if (length > 1) {
    try {
      const text = STRICT.decode(bytes.subarray(at, at + length));
      // Controls, what has no width, and what turns the direction of writing.
      if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(text)) return { text, length };
    } catch {
      // It is no character.
    }
  }
  return { text: `\\x${first.toString(16).padStart(2, "0")}`, length: 1 };
}
