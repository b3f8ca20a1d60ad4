/** Waiting for the kernel, which is not done at the moment at which a call returns. */

import { assertEquals, equal } from "@std/assert";

/** Milliseconds after which it will not come any more. */
const PATIENCE = 5000;

/** Asks until the answer is as expected. If that does not come, the last answer is what fails. */
export async function eventually<T>(expected: T, ask: () => T | Promise<T>): Promise<void> {
  const late = AbortSignal.timeout(PATIENCE);
  while (true) {
    const answer = await ask();
    if (equal(answer, expected) || late.aborted) return assertEquals(answer, expected);
  }
}
