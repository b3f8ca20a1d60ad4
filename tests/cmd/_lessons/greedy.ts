#!/usr/bin/env -S deno run --allow-net
/**
 * A lesson that wants the whole network
 *
 * Chapter §3: Made to go wrong
 *
 * @module
 */
