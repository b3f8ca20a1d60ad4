/** What is asked of the numbers that faults are made with. */

/** @throws {RangeError} If `value` is not a number from `least` to `most`. */
export function checkRange(
  fault: string,
  name: string,
  value: number,
  least: number,
  most = Infinity,
): void {
  if (typeof value === "number" && value >= least && value <= most) return;
  const rule = most === Infinity ? `be >= ${least}` : `be from ${least} to ${most}`;
  throw new RangeError(
    `Cannot make fault '${fault}' as '${name}' must ${rule}: current value is ${value}`,
  );
}

/** @throws {RangeError} If `value` is not an integer from `least` on. */
export function checkInteger(fault: string, name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new RangeError(
    `Cannot make fault '${fault}' as '${name}' must be an integer >= ${least}: current value is ${value}`,
  );
}
