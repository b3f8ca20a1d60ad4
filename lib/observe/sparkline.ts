/**
 * A line of bars, one for each value, in one row of text.
 *
 * @example
 * ```ts
 * import { sparkline } from "@tcplab/tcplab/observe";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sparkline([0, 1, 2, 4, 8], 5), "▁▂▃▅█");
 * assertEquals(sparkline([3], 4), "   █");
 * ```
 *
 * @module
 */

const BARS = "▁▂▃▄▅▆▇█";

/**
 * The last `width` of `values`, from the left; what is missing there is blank. The largest of
 * them is the highest bar, 0 and nothing else the lowest: what is rare is seen as well.
 *
 * @throws {RangeError} If a value is negative or no number.
 */
export function sparkline(values: readonly number[], width: number): string {
  const shown = width > 0 ? values.slice(-width) : [];
  const wrong = shown.find((value) => !(value >= 0 && value < Infinity));
  if (wrong !== undefined) {
    throw new RangeError(`Cannot draw as 'values' must be >= 0: current value is ${wrong}`);
  }
  const most = Math.max(...shown);
  const bar = (value: number) => BARS[Math.ceil(value / most * (BARS.length - 1))];
  return shown.map((value) => most === 0 ? BARS[0] : bar(value)).join("").padStart(width);
}
