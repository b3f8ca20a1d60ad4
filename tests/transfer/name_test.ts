import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { TransferError } from "../../lib/transfer/error.ts";
import { checkName, MAX_NAME, quote, splitPath } from "../../lib/transfer/name.ts";

const GOOD = [
  "a",
  "photo 1.jpg",
  ".bashrc",
  "no.ending",
  "..a",
  "a..b",
  "part",
  "x.part",
  "été-東京-👩‍👩‍👧.txt",
  "می\u200cخواهم",
  "क्\u200dष",
  "👩🏽\u200d🚀",
  "❤️\u200d🔥",
  "console",
  "com10",
  "auxiliary.txt",
  "~",
  "-rf",
  "*?<>|",
  "x".repeat(MAX_NAME),
];

const HOSTILE: readonly (readonly [name: string, why: string])[] = [
  ["", "empty"],
  [".", "folder"],
  ["..", "folder"],
  ["/etc/passwd", "separator"],
  ["../x", "separator"],
  ["a/../../x", "separator"],
  ["a/b", "separator"],
  ["..\\x", "separator"],
  ["\\\\host\\share", "separator"],
  ["C:x", "colon"],
  ["C:", "colon"],
  ["x:stream", "colon"],
  ["a\0b", "control"],
  ["a\nb", "control"],
  ["\x1b[2J", "control"],
  ["a\x7f", "control"],
  ["a\u0085", "control"],
  ["a\u2028b", "control"],
  ["\u202egpj.exe", "direction"],
  ["\u2066x", "direction"],
  ["pay\u200bload", "invisible"],
  ["pay\u200dload", "invisible"],
  ["\u200cx", "invisible"],
  ["👩\u200d", "invisible"],
  ["👩\u200d\u200d👧", "invisible"],
  ["soft\u00adhyphen", "invisible"],
  ["x\u2060", "invisible"],
  ["\ufeffx", "invisible"],
  ["x\u{e0041}", "invisible"],
  ["\u3164", "invisible"],
  ["\ud800", "well-formed"],
  [" x", "Windows strips"],
  ["x ", "Windows strips"],
  ["x.", "Windows strips"],
  ["...", "Windows strips"],
  ["CON", "device"],
  ["con.txt", "device"],
  ["nul .txt", "device"],
  ["Lpt1.tar.gz", "device"],
  ["COM¹", "device"],
  ["CONIN$", "device"],
  [".x.part", "part"],
  [".X.PART", "part"],
  ["x".repeat(MAX_NAME + 1), "bytes"],
  ["é".repeat(MAX_NAME / 2 + 1), "bytes"],
];

for (const name of GOOD) {
  Deno.test(`checkName() takes ${quote(name)}`, () => {
    assertEquals(checkName(name), name);
  });
}

for (const [name, why] of HOSTILE) {
  Deno.test(`checkName() refuses ${quote(name)}: ${why}`, () => {
    const error = assertThrows(() => checkName(name), TransferError, why);
    assertEquals(error.fault, "name");
  });
}

/** Names out of what paths are made of, and any. */
const hostile = fc.oneof(
  fc.string({
    unit: fc.constantFrom("/", "\\", ".", ":", "C", "\0", "%", "2", "e", "x"),
    maxLength: 8,
  }),
  fc.string({ unit: "binary" }),
);

Deno.test("checkName() lets no name out of its folder, whatever it is", () => {
  fc.assert(fc.property(hostile, (name) => {
    try {
      checkName(name);
    } catch (error) {
      return error instanceof TransferError;
    }
    // A URL has "..", slashes and, in file:, backslashes and drive letters mean what they mean.
    const path = name.replaceAll("%", "%25").replaceAll("?", "%3f").replaceAll("#", "%23");
    const { pathname } = new URL(`./${path}`, "file:///folder/");
    return pathname.startsWith("/folder/") && pathname.length > "/folder/".length;
  }));
});

Deno.test("quote() lets no control character and no page of text reach a terminal", () => {
  assertEquals(quote("a\x1b[2J\x9b\u202eb"), String.raw`"a\u001b[2J\u009b\u202eb"`);
  assertEquals(quote("x".repeat(1000)).length, 83);
});

Deno.test("splitPath() cuts before the last part", () => {
  assertEquals(splitPath("a/b/c"), ["a/b", "c"]);
  assertEquals(splitPath("c"), [".", "c"]);
  assertEquals(splitPath("/c"), ["/", "c"]);
  assertEquals(splitPath("a/"), ["a", ""]);
  const onWindows = Deno.build.os === "windows"; // elsewhere a backslash is a letter
  assertEquals(splitPath("a/b\\c"), onWindows ? ["a/b", "c"] : ["a", "b\\c"]);
});
