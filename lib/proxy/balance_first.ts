/**
 * First: whoever stands first and has room, so that as few servers as possible are in use.
 *
 * @module
 */

import type { Chooser } from "./balance_chooser.ts";

/** Weights mean nothing to it; limits do. */
export const first: Chooser = { choose: ([candidate]) => candidate! };
