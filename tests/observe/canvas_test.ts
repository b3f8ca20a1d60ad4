import { assertEquals } from "@std/assert";
import { columns, fit, Line, wrap } from "../../lib/observe/_canvas.ts";

Deno.test("Line.put() writes over what was there, and never past the end", () => {
  assertEquals(new Line(5).put(0, "abc").put(2, "xyz123").toString(false), "abxyz");
  assertEquals(new Line(5).put(-2, "abc").toString(false), "c");
  assertEquals(new Line(3).put(2, "日").toString(false), "");
});

Deno.test("Line.put() leaves no half of a wide character", () => {
  assertEquals(new Line(6).put(0, "日本語").put(1, "x").toString(false), " x本語");
  assertEquals(new Line(6).put(0, "日本語").put(2, "x").toString(false), "日x 語");
  assertEquals(new Line(6).put(0, "日本語").put(1, "字").toString(false), " 字 語");
});

Deno.test("Line.put() keeps marks with their letters, and drops controls", () => {
  assertEquals(new Line(3).put(0, "e\u0301a\x1b[b").toString(false), "e\u0301a[");
});

Deno.test("Line.toString() colours what has a colour, and ends plain", () => {
  const line = new Line(9).put(0, "a").put(1, "b", "data").put(3, "c", "data").put(4, "d", "fin");
  assertEquals(line.toString(true), "a\x1b[36mb c\x1b[0m\x1b[33md\x1b[0m");
  assertEquals(line.toString(false), "ab cd");
});

Deno.test("columns() counts what a terminal would", () => {
  const texts = ["", "abc", "é", "e\u0301", "日本", "😀", "─▶✗…", "\x07"];
  assertEquals(texts.map(columns), [0, 3, 1, 1, 4, 2, 4, 0]);
});

Deno.test("fit() says that something is missing, within the width", () => {
  assertEquals([5, 4, 3, 1, 0].map((width) => fit("abcde", width)), [
    "abcde",
    "abc…",
    "ab…",
    "…",
    "",
  ]);
  assertEquals([4, 3, 2].map((width) => fit("日本", width)), ["日本", "日…", "…"]);
});

Deno.test("wrap() breaks between words only", () => {
  assertEquals(wrap(["one", "two", "three"], 7), ["one two", "three"]);
  assertEquals(wrap(["one", "unbreakable"], 6), ["one", "unbre…"]);
  assertEquals(wrap(["a", "b"], 9, "   "), ["a   b"]);
  assertEquals(wrap([], 9), []);
});
