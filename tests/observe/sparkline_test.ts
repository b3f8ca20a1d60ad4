import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { sparkline } from "../../lib/observe/sparkline.ts";

const counts = fc.array(fc.oneof(fc.nat(3), fc.nat(1_000_000)), { maxLength: 30 });

Deno.test("sparkline() is as wide as it is told, and ends with the last value", () => {
  fc.assert(fc.property(counts, fc.nat(40), (values, width) => {
    const line = sparkline(values, width);
    assertEquals(line.length, width);
    assertEquals(line.trimStart().length, Math.min(width, values.length));
    assertEquals(
      line.trimStart(),
      sparkline(values.slice(-width || values.length), line.trimStart().length),
    );
  }));
});

Deno.test("sparkline() draws a larger value no lower, the largest highest, and only 0 lowest", () => {
  fc.assert(fc.property(counts, (values) => {
    const line = sparkline(values, values.length);
    const most = Math.max(...values);
    values.forEach((value, at) => {
      assertEquals(line[at] === "▁", value === 0);
      if (value > 0 && value === most) assertEquals(line[at], "█");
      values.forEach((other, place) => assert(other < value || line[place]! >= line[at]!));
    });
  }));
});

Deno.test("sparkline() refuses what has no height", () => {
  for (const value of [-1, NaN, Infinity]) {
    const refused = `Cannot draw as 'values' must be >= 0: current value is ${value}`;
    assertThrows(() => sparkline([1, value], 2), RangeError, refused);
  }
});

Deno.test("sparkline() leaves out what is too old, also from the scale", () => {
  assertEquals(sparkline([1000, 1, 2], 2), "▅█");
  assertEquals(sparkline([], 3), "   ");
  assertEquals(sparkline([0, 0], 2), "▁▁");
});
