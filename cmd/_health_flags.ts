/**
 * What `health` and `balance` take to say how servers are checked.
 *
 * @module
 */

import type { Probe } from "../lib/proxy/health.ts";
import { httpProbe } from "../lib/proxy/probe_http.ts";
import { tlsProbe } from "../lib/proxy/probe_tls.ts";
import { connectProbe, type ProbeTarget } from "../lib/proxy/probes.ts";
import { duration, type Flag, integer } from "./_flag.ts";

/** A way to check servers; `null` is none. */
export function check<Fallback extends "connect" | "off">(
  fallback: Fallback,
): Flag<Probe<ProbeTarget> | null> {
  return {
    allowed: "connect, tls, http:/PATH or off",
    read(text) {
      if (text === "off") return null;
      if (text === "connect") return connectProbe();
      if (text === "tls") return tlsProbe();
      const [, path] = /^http:(\/[!-~]*)$/.exec(text) ?? [];
      return path === undefined ? undefined : httpProbe({ path });
    },
    fallback: fallback === "connect" ? connectProbe() : null,
  };
}

/** How often to check, and how many results in a row count. */
export const policyFlags = {
  timeout: duration({ min: 1, fallback: 2000 }),
  interval: duration({ min: 1, fallback: 2000 }),
  rise: integer({ min: 1, fallback: 2 }),
  fall: integer({ min: 1, fallback: 3 }),
};
