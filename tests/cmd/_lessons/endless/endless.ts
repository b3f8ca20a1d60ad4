#!/usr/bin/env -S deno run
/**
 * A program that does not end
 *
 * Chapter §1: Made to go wrong
 *
 * @module
 */

// A timer keeps it alive, and nothing listens to anybody.
setInterval(() => {}, 1_000_000);
