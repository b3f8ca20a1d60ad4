/**
 * What `health` and `balance` take to say how servers are checked.
 *
 * @module
 */

import type { Probe } from "../lib/proxy/health.ts";
import type { HealthPolicy } from "../lib/proxy/health_state.ts";
import { httpProbe } from "../lib/proxy/probe_http.ts";
import { tlsProbe } from "../lib/proxy/probe_tls.ts";
import { connectProbe, type ProbeTarget, talkProbe } from "../lib/proxy/probes.ts";
import { choice, duration, type Flag, integer } from "./_flag.ts";
import type { Values } from "./_flags.ts";

/** A way to check servers; `null` is none. */
export function check<Fallback extends "connect" | "off">(
  fallback: Fallback,
): Flag<Probe<ProbeTarget> | null> {
  return {
    allowed: "connect, tls, http:/PATH, talk:SEND:EXPECT or off",
    read(text) {
      if (text === "off") return null;
      if (text === "connect") return connectProbe();
      if (text === "tls") return tlsProbe();
      const [, path] = /^http:(\/[!-~]*)$/.exec(text) ?? [];
      if (path !== undefined) return httpProbe({ path });
      const [, send, expect] = /^talk:([^:]*):([^:]+)$/.exec(text) ?? [];
      if (expect === undefined) return undefined;
      return talkProbe([...send ? [{ send: plain(send) }] : [], { expect: plain(expect) }]);
    },
    fallback: fallback === "connect" ? connectProbe() : null,
  };
}

/** What `\r`, `\n`, `\\` and `\x3a` stand for. */
function plain(text: string): Uint8Array<ArrayBuffer> {
  const named: Record<string, number> = { r: 13, n: 10, "\\": 92 };
  const bytes = text.split(/(\\(?:[rn\\]|x[0-9a-fA-F]{2}))/).flatMap((part, i) => {
    if (i % 2 === 0) return [...new TextEncoder().encode(part)];
    return [named[part[1]!] ?? parseInt(part.slice(2), 16)];
  });
  return Uint8Array.from(bytes);
}

/** How often to check, and how many results in a row count. */
export const policyFlags = {
  timeout: duration({ min: 1, fallback: 2000 }),
  interval: duration({ min: 1, fallback: 2000 }),
  fastInterval: duration({ fallback: 0 }),
  downInterval: duration({ fallback: 0 }),
  initial: choice(["up", "down", "fully-up", "fully-down"], "up"),
  rise: integer({ min: 1, fallback: 2 }),
  fall: integer({ min: 1, fallback: 3 }),
};

/** The policy that they make; an interval that is 0 is `--interval`. */
export function healthPolicy(given: Values<typeof policyFlags>): HealthPolicy {
  const { interval, fastInterval, downInterval, initial, rise, fall } = given;
  return {
    interval,
    fastInterval: fastInterval || interval,
    downInterval: downInterval || interval,
    initial,
    rise,
    fall,
  };
}
