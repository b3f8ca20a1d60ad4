/**
 * What can break a transfer besides the transfer itself.
 *
 * @module
 */

import { TransferError } from "./error.ts";

/**
 * The same, as a {@linkcode TransferError}: whatever the connection throws means that it
 * broke `after` so and so many bytes. A mistake of our own, which a TypeError or a
 * RangeError is, stays what it is.
 */
export function failure(error: unknown, deed: string, after: string): unknown {
  if (error instanceof TransferError) return error;
  if (error instanceof TypeError || error instanceof RangeError) return error;
  return new TransferError("broken", `${deed} as the connection ended after ${after}`, {
    cause: error,
  });
}
