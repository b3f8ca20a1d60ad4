import { assertEquals } from "@std/assert";
import { HttpFields, isFieldValue, isToken } from "../../lib/framing/http_fields.ts";

const fields = new HttpFields([
  ["Set-Cookie", "a=1"],
  ["Connection", "Keep-Alive,, \tUpgrade"],
  ["set-cookie", "b=2"],
  ["Empty", ""],
]);

Deno.test("HttpFields finds names in any case", () => {
  assertEquals(fields.get("CONNECTION"), "Keep-Alive,, \tUpgrade");
  assertEquals(fields.get("missing"), undefined);
  assertEquals([fields.has("empty"), fields.has("missing")], [true, false]);
});

Deno.test("HttpFields joins repeated values, or gives them one by one", () => {
  assertEquals(fields.get("set-cookie"), "a=1, b=2");
  assertEquals(fields.getAll("SET-cookie"), ["a=1", "b=2"]);
  assertEquals(fields.getAll("missing"), []);
});

Deno.test("HttpFields.tokens() splits a list, in lower case, without empty elements", () => {
  assertEquals(fields.tokens("connection"), ["keep-alive", "upgrade"]);
  assertEquals(fields.tokens("empty"), []);
});

Deno.test("HttpFields is iterable in the order of its lines, and keeps its own list", () => {
  const lines: [string, string][] = [["A", "b"]];
  const copy = new HttpFields(lines);
  lines.push(["C", "d"]);
  assertEquals([...copy], [["A", "b"]]);
  assertEquals([...copy], [...copy.lines]);
});

Deno.test("isToken() and isFieldValue() keep line ends and controls out", () => {
  for (let code = 0; code < 300; code++) {
    const char = String.fromCharCode(code);
    const token = /[0-9A-Za-z]/.test(char) || "!#$%&'*+-.^_`|~".includes(char);
    assertEquals(isToken(`a${char}`), token && code < 128, `token ${code}`);
    const value = code === 9 || code >= 32 && code < 256 && code !== 127;
    assertEquals(isFieldValue(`a${char}`), value, `value ${code}`);
  }
  assertEquals([isToken(""), isFieldValue("")], [false, true]);
});
