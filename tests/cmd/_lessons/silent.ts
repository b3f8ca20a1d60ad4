#!/usr/bin/env -S deno run
/**
 * A script that is no lesson
 *
 * Chapter §2.4: Made to go wrong
 *
 * @module
 */

throw new Error("not a word");
