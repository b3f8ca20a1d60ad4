import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { hexLines, textLines } from "../../lib/proxy/tap_text.ts";
import { bytes } from "../_conformance.ts";

Deno.test("textLines() shows a line for each line, and its end", () => {
  assertEquals(textLines(bytes("a\nb\r\n\nc")), ["a\\n", "b\\r\\n", "\\n", "c"]);
  assertEquals(textLines(new Uint8Array(0)), []);
  assertEquals(textLines(bytes("é€😀\\")), ["é€😀\\\\"]);
});

Deno.test("textLines() escapes what is no UTF-8, or could steer a terminal", () => {
  assertEquals(textLines(Uint8Array.of(0xff, 0x41, 0xc3)), ["\\xffA\\xc3"]);
  assertEquals(textLines(Uint8Array.of(0xc0, 0x80)), ["\\xc0\\x80"]); // overlong
  assertEquals(textLines(bytes("\u0000\u001b[2J\u007f")), ["\\x00\\x1b[2J\\x7f"]);
  assertEquals(textLines(bytes("\u009b")), ["\\xc2\\x9b"]);
  assertEquals(textLines(bytes("\u202e")), ["\\xe2\\x80\\xae"]); // right to left
  assertEquals(textLines(bytes("\u2028")), ["\\xe2\\x80\\xa8"]);
});

Deno.test("textLines() can be read back, whatever the bytes", () => {
  const back = (line: string) =>
    line.replaceAll(/\\(x[0-9a-f]{2}|.)/g, (_, code: string) => {
      if (code.startsWith("x")) return `\u0000${code.slice(1)}`;
      return { t: "\t", n: "\n", r: "\r", "\\": "\\" }[code]!;
    });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (given) => {
    const lines = textLines(given);
    for (const line of lines) assert(!/[\p{Cc}]/u.test(line));
    // deno-lint-ignore no-control-regex -- no line has that character, so it can stand for one
    const parts = lines.map(back).join("").split(/\u0000([0-9a-f]{2})/);
    const read = parts.flatMap((part, i) => i % 2 ? [parseInt(part, 16)] : [...bytes(part)]);
    assertEquals(read, [...given]);
  }));
});

Deno.test("hexLines() has sixteen bytes on a line, and counts on from the offset", () => {
  const given = Uint8Array.from({ length: 18 }, (_, i) => 0x40 + i);
  assertEquals(hexLines(given, 16), [
    "00000010  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|",
    "00000020  50 51                                             |PQ|",
  ]);
  assertEquals(hexLines(Uint8Array.of(0, 0x7f, 0xff)).map((line) => line.slice(-5)), ["|...|"]);
  assertEquals(hexLines(new Uint8Array(0)), []);
});
