/** Dialing a name: its addresses, the race over them, and what is known afterwards. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { tcpAddr } from "../../lib/addr.ts";
import { dial, type DialOptions } from "../../lib/client/dial.ts";
import { dialTimes, mostTelling } from "../../lib/client/dial_attempt.ts";
import { DialError } from "../../lib/client/dial_error.ts";
import type { Resolve } from "../../lib/client/eyeballs.ts";
import { familyOf, systemResolve } from "../../lib/client/resolve.ts";
import { explain } from "../../lib/errors.ts";
import { seededWorld } from "../../lib/world.ts";
import { asleep, deserted, fakeConnect, listen, SilentListener } from "./_sockets.ts";

/** A name with these IPv4 addresses, and no other. */
function having(...addresses: string[]): Resolve {
  return (_, family) => Promise.resolve(family === 4 ? addresses : []);
}

Deno.test("dial() looks a name up by the system, hosts file included", async () => {
  using listener = listen();
  const asked: Promise<string[]>[] = [];
  const resolve: Resolve = (name, family) => {
    asked.push(systemResolve(name, family));
    return asked.at(-1)!;
  };
  using conn = await dial(`localhost:${listener.addr.port}`, { resolve });
  await Promise.allSettled(asked); // AAAA may have to be asked for elsewhere
  const [attempt] = conn.attempts;
  assertEquals(attempt?.lookups.map(({ family }) => family), [6, 4]);
  assertEquals(attempt?.connects.at(-1)?.hostname, "127.0.0.1");
  assertEquals(conn.remoteAddr.hostname, "127.0.0.1");
});

Deno.test("dial() of a name that does not exist says so by a code", async () => {
  // RFC 6761 keeps .invalid from ever existing. A lookup cannot be called off, so a deadline
  // would leave one behind that no resolver answers: it is the system's to give up.
  const error = await assertRejects(
    () => dial("nope.invalid:80", { timeout: Infinity }),
    DialError,
  );
  assert(["ENOTFOUND", "EAI_AGAIN", "EAI_FAIL"].includes(error.code ?? "none"), error.message);
  assertEquals(explain(error).whose, "network", error.message);
  assertStringIncludes(error.message, "Cannot connect to nope.invalid:80 in 1 attempt: #1 ");
});

Deno.test("dial() of a name without an address says so by a code, and connects to nobody", async () => {
  using connect = fakeConnect(() => Promise.reject(new Error("tried")));
  const error = await assertRejects(() => dial("h:1", { resolve: having() }), DialError);
  assertEquals([error.code, connect.calls], ["ENOTFOUND", 0]);
  assertStringIncludes(error.message, "#1 Cannot resolve h as it has no address (after ");
  assertStringIncludes(explain(error).what, "the name h could not be resolved");
});

Deno.test("dial() goes on to the next address at once when one refuses", async () => {
  using listener = listen();
  const { port } = listener.addr;
  const world = seededWorld(1);
  using conn = await dial(`h:${port}`, { world, resolve: having("127.0.0.2", "127.0.0.1") });
  const [attempt] = conn.attempts;
  const times = { started: 0, ended: 0 };
  assertEquals(attempt?.connects.map(({ error: _, ...rest }) => rest), [
    { hostname: "127.0.0.2", ...times, outcome: "failed" },
    { hostname: "127.0.0.1", ...times, outcome: "connected" },
  ]);
  assertInstanceOf(attempt?.connects[0]?.error, Deno.errors.ConnectionRefused);
  assertEquals(attempt?.addr, tcpAddr("h", port));
  assertEquals(conn.remoteAddr, tcpAddr("127.0.0.1", port));
  assertEquals(world.sleepers, 0);
});

Deno.test("dial() overtakes an address that keeps silent, and takes resolve and connect apart", async () => {
  using listener = listen();
  const { port } = listener.addr;
  using _silent = await SilentListener.open({ hostname: "127.0.0.2", port });
  const world = seededWorld(1);
  const resolve: Resolve = async (_, family) => {
    await world.sleep(family === 4 ? 30 : 70);
    return family === 4 ? ["127.0.0.2", "127.0.0.1"] : [];
  };
  const dialing = dial(`h:${port}`, { world, resolve });
  await world.advance(70); // both lookups
  await world.advance(250); // Connection Attempt Delay
  using conn = await dialing;
  const [attempt] = conn.attempts;
  assertEquals(attempt?.lookups.map(({ family, ended }) => [family, ended]), [[6, 70], [4, 30]]);
  assertEquals(attempt?.connects, [
    { hostname: "127.0.0.2", started: 70, ended: 320, outcome: "dropped" },
    { hostname: "127.0.0.1", started: 320, ended: 320, outcome: "connected" },
  ]);
  assertEquals(dialTimes(attempt!), { resolve: 70, connect: 0, total: 320 });
  assertEquals(world.sleepers, 0);
});

Deno.test("dial() takes the delays of RFC 8305 from its options", async () => {
  using _connect = fakeConnect(() => Promise.reject(new Error("down")));
  const world = seededWorld(1);
  const options = { world, resolutionDelay: 7, attemptDelay: 33, prefer: 4 as const };
  const resolve: Resolve = (_, family) =>
    family === 6 ? Promise.resolve(["::2", "::3"]) : new Promise(() => {});
  const dialing = assertRejects(() => dial("h:1", { ...options, resolve, timeout: 90 }));
  await asleep(world, 2);
  assertEquals(world.sleeps, [90, 7]);
  await world.advance(90);
  await dialing;
});

Deno.test("dial() spends its timeout on the lookup too, and says which it was", async () => {
  const world = seededWorld(1);
  const resolve: Resolve = () => new Promise(() => {});
  const dialing = assertRejects(() => dial("h:1", { world, resolve, timeout: 40 }), DialError);
  await world.advance(40);
  const error = await dialing;
  assertEquals((error.cause as Error).name, "TimeoutError");
  assertStringIncludes(error.message, "#1 Cannot resolve h within 40 ms (after 40 ms)");
  assertEquals(dialTimes(error.attempts[0]!), { resolve: 40, connect: undefined, total: 40 });
});

Deno.test("dial() that is aborted while it resolves rejects with the reason itself", async () => {
  const controller = new AbortController();
  const heard = Promise.withResolvers<unknown>();
  const resolve: Resolve = (_, __, { signal }) => {
    signal.addEventListener("abort", () => heard.resolve("heard"));
    return new Promise(() => {});
  };
  const dialing = dial("h:1", { resolve, signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => dialing), reason);
  assertEquals(await heard.promise, "heard"); // the resolver may stop as well
});

Deno.test("dial() shows each address that failed, and blames what says most", async () => {
  const { port } = deserted();
  const lost = Object.assign(new Error("No route to host (os error 113)"), {
    code: "EHOSTUNREACH",
  });
  using _connect = fakeConnect((connect, options) =>
    options.hostname === "::2" ? Promise.reject(lost) : connect(options)
  );
  const resolve: Resolve = (_, family) => Promise.resolve(family === 6 ? ["::2"] : ["127.0.0.1"]);
  const error = await assertRejects(() => dial(`h:${port}`, { resolve }), DialError);
  assertEquals(error.code, "ECONNREFUSED");
  assertStringIncludes(error.message, "#1 Connection refused (os error 111) (after ");
  assertStringIncludes(error.message, " ms), of ::2 EHOSTUNREACH, 127.0.0.1 ECONNREFUSED");
});

Deno.test("mostTelling() prefers the peer's word to silence, and silence to what is missing", () => {
  const coded = (code: string) => Object.assign(new Error(code), { code });
  const order = ["EAFNOSUPPORT", "ENETUNREACH", "ENOTFOUND", "EHOSTUNREACH", "ETIMEDOUT"]
    .concat("ECONNREFUSED").map(coded);
  for (const [i, less] of order.entries()) {
    for (const more of order.slice(i + 1)) {
      assertStrictEquals(mostTelling([less, more]), more);
      assertStrictEquals(mostTelling([more, less]), more);
    }
  }
  const [one, other] = [coded("ECONNREFUSED"), coded("ECONNREFUSED")];
  assertStrictEquals(mostTelling([one, other]), one);
  const strange = new Error("strange");
  assertStrictEquals(mostTelling([coded("ENETUNREACH"), strange]), strange);
  assertStrictEquals(mostTelling([strange, one]), one);
  assertEquals(mostTelling([]), undefined);
});

Deno.test("dial() resolves a name anew for each attempt", async () => {
  using listener = listen();
  const world = seededWorld(1, { auto: true });
  const answers = [["127.0.0.2"], ["127.0.0.1"]];
  const resolve: Resolve = (_, family) =>
    Promise.resolve(family === 4 ? answers.shift() ?? [] : []);
  const options: DialOptions = { world, resolve, attempts: 3, timeout: Infinity };
  using conn = await dial(`h:${listener.addr.port}`, options);
  assertEquals(
    conn.attempts.map(({ connects }) => connects.map(({ hostname }) => hostname)),
    [["127.0.0.2"], ["127.0.0.1"]],
  );
});

Deno.test("dial() of a name resolves it also when only its signal can end it", async () => {
  using listener = listen();
  const { signal } = new AbortController();
  const options = { signal, timeout: Infinity, resolve: having("127.0.0.1") };
  using conn = await dial(`h:${listener.addr.port}`, options);
  assertEquals(conn.attempts[0]?.connects[0]?.hostname, "127.0.0.1");
});

Deno.test("familyOf() tells addresses from names", () => {
  const four = ["127.0.0.1", "0.0.0.0", "255.255.255.255"];
  const six = ["::1", "fe80::1%eth0", "::ffff:127.0.0.1"];
  const names = ["localhost", "10", "1.2.3", "1.2.3.4.5", "1.2.3.256", "a.b.c.d", "1.2.3.4.", ""];
  for (const address of four) assertEquals(familyOf(address), 4, address);
  for (const address of six) assertEquals(familyOf(address), 6, address);
  for (const name of names) assertEquals(familyOf(name), undefined, name);
});

Deno.test("dial() of an address asks no resolver", async () => {
  using listener = listen();
  const resolve: Resolve = () => Promise.reject(new Error("asked"));
  using conn = await dial(listener.addr, { resolve });
  assertEquals(conn.attempts[0]?.lookups, []);
});

Deno.test({
  name: "dial() that is allowed the name only leaves its addresses to Deno",
  permissions: { net: ["localhost"] },
  fn: async () => {
    using listener = listen({ hostname: "localhost" });
    using conn = await dial(`localhost:${listener.addr.port}`);
    const [attempt] = conn.attempts;
    assertEquals(attempt?.lookups, []);
    assertEquals(attempt?.connects.map(({ hostname }) => hostname), ["localhost"]);
  },
});

Deno.test({
  name: "dial() of a name that is not allowed says which permission is missing",
  permissions: { net: ["127.0.0.1"] },
  fn: async () => {
    const error = await assertRejects(() => dial("localhost:9"), DialError);
    assertInstanceOf(error.cause, Deno.errors.NotCapable);
    assertStringIncludes(explain(error).tryThis, "--allow-net=localhost:9");
  },
});

Deno.test("dial() stops when its budget is spent, and waits for nothing that it cannot use", async () => {
  const world = seededWorld(1);
  using _connect = fakeConnect(() => Promise.reject(new Error("down")));
  const options: DialOptions = {
    ...{ world, attempts: Infinity, budget: 1_000, timeout: 600 },
    ...{ backoff: 400, maxBackoff: 400, jitter: "none" },
  };
  const dialing = assertRejects(() => dial("192.0.2.1:1", options), DialError);
  await world.advance(1_000);
  const { attempts } = await dialing;
  assertEquals(attempts.map(({ started }) => started), [0, 400, 800]);
  assertEquals(world.sleeps, [600, 400, 600, 400, 200]); // deadlines and waits
});

Deno.test("dial() begins no wait that takes all that is left of its budget", async () => {
  const world = seededWorld(1);
  using connect = fakeConnect(() => Promise.reject(new Error("down")));
  const wait = { attempts: 2, backoff: 500, jitter: "none" as const, budget: 500 };
  await assertRejects(() => dial("192.0.2.1:1", { world, ...wait }), DialError);
  assertEquals([connect.calls, world.sleeps], [1, [500]]); // the deadline
});

Deno.test("dial() gives an attempt no more time than the budget has left", async () => {
  using silent = await SilentListener.open();
  const world = seededWorld(1);
  const dialing = assertRejects(() => dial(silent.addr, { world, budget: 300 }), DialError);
  await world.advance(300);
  const error = await dialing;
  assertStringIncludes(error.message, "#1 Cannot connect within 300 ms");
});
