import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { formatAddr, type TcpAddr } from "../../lib/addr.ts";
import { backoffDelay } from "../../lib/client/backoff.ts";
import { dial, type DialOptions } from "../../lib/client/dial.ts";
import type { DialAttempt } from "../../lib/client/dial_attempt.ts";
import { DialError } from "../../lib/client/dial_error.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { dice, seededWorld } from "../../lib/world.ts";
import { addrOf, asleep, deserted, fakeConnect, listen, SilentListener } from "./_sockets.ts";

Deno.test("dial() connects to an address as text, and to a host and a port", async () => {
  using listener = listen();
  for (const addr of [formatAddr(listener.addr), listener.addr, addrOf(listener)]) {
    using client = await dial(addr);
    using server = await listener.accept();
    assertInstanceOf(client, TcpStream);
    assertEquals(client.remoteAddr, addrOf(listener));
    assertEquals(client.localAddr.port, server.remoteAddr.port);
  }
});

Deno.test("DialedConn.attempts tells what was asked, when, and where that led", async () => {
  using listener = listen();
  const world = seededWorld(1);
  await world.advance(7);
  const told: DialAttempt[] = [];
  using conn = await dial(listener.addr, { world, onAttempt: (one) => told.push(one) });
  const { remoteAddr } = conn;
  const [addr, times] = [addrOf(listener), { started: 7, ended: 7 }];
  const connects = [{ hostname: "127.0.0.1", ...times, outcome: "connected" as const }];
  assertEquals(conn.attempts, [{ addr, number: 1, ...times, lookups: [], connects, remoteAddr }]);
  assertEquals(told, [...conn.attempts]);
  assertEquals(world.sleepers, 0);
});

Deno.test("dial() sends small writes at once and probes nobody, unless told otherwise", async () => {
  using listener = listen();
  using set = new SocketOptions();
  for (const options of [{}, { noDelay: false, keepAlive: true }]) {
    using _conn = await dial(listener.addr, options);
  }
  assertEquals([set.noDelay, set.keepAlive], [[true], [true]]); // both are off in a new socket
});

Deno.test("dial() to a port where nobody listens rejects with what the system said", async () => {
  const addr = deserted();
  const error = await assertRejects(() => dial(addr), DialError);
  assertEquals([error.name, error.code], ["DialError", "ECONNREFUSED"]);
  assertEquals(error.addr, addr);
  assertInstanceOf(error.cause, Deno.errors.ConnectionRefused);
  assertEquals(error.attempts.map(({ number, error }) => ({ number, error })), [
    { number: 1, error: error.cause },
  ]);
  assert(!("remoteAddr" in error.attempts[0]!));
  assertStringIncludes(
    error.message,
    `Cannot connect to ${
      formatAddr(addr)
    } in 1 attempt: #1 Connection refused (os error 111) (after `,
  );
});

Deno.test("dial() tries again, and shows every attempt, not only the last", async () => {
  const world = seededWorld(3, { auto: true });
  const failures = ["first", "second", "third"].map((text) => new Error(text));
  using _connect = fakeConnect(async () => {
    await world.sleep(5);
    throw failures.shift();
  });
  const all = [...failures];
  const error = await assertRejects(
    () => dial("192.0.2.1:1", { world, attempts: 3, timeout: Infinity }),
    DialError,
  );
  assertEquals(
    error.message,
    "Cannot connect to 192.0.2.1:1 in 3 attempts: " +
      "#1 first (after 5 ms); #2 second (after 5 ms); #3 third (after 5 ms)",
  );
  assertEquals(error.attempts.map(({ error }) => error), all);
  assertEquals(error.attempts.map(({ number }) => number), [1, 2, 3]);
  assertStrictEquals(error.cause, all[2]);
});

Deno.test("dial() reaches a server that starts while it tries", async () => {
  const addr = deserted();
  let listener: Deno.TcpListener | undefined;
  using conn = await dial(addr, {
    attempts: 2,
    timeout: Infinity,
    world: seededWorld(1, { auto: true }),
    onAttempt: () => listener ??= Deno.listen(addr),
  });
  using _listener = listener;
  assertEquals(conn.attempts.map((attempt) => "error" in attempt), [true, false]);
  assertEquals(conn.attempts.at(-1)?.number, 2);
});

Deno.test("dial() waits longer after each failure, as backoffDelay() and the dice say", async () => {
  const world = seededWorld(11, { auto: true });
  using _connect = fakeConnect(() => Promise.reject(new Error("down")));
  await assertRejects(
    () => dial("192.0.2.1:1", { world, attempts: 4, timeout: Infinity }),
    DialError,
  );
  const roll = dice(11);
  const waits = [1, 2, 3].map((failures) => backoffDelay(failures, roll()));
  assertEquals(world.sleeps.filter(Number.isFinite), waits);
});

Deno.test("dial() takes 'backoff' and 'maxBackoff' for the wait", async () => {
  const world = seededWorld(11, { auto: true });
  using _connect = fakeConnect(() => Promise.reject(new Error("down")));
  const options = { world, attempts: 4, timeout: Infinity, backoff: 4, maxBackoff: 10 };
  await assertRejects(() => dial("192.0.2.1:1", options), DialError);
  const roll = dice(11);
  const waits = [1, 2, 3].map((failures) => backoffDelay(failures, roll(), { base: 4, cap: 10 }));
  assertEquals(world.sleeps.filter(Number.isFinite), waits);
});

Deno.test("dial() without 'attempts' tries once and waits for nothing", async () => {
  const world = seededWorld(1);
  const error = await assertRejects(() => dial(deserted(), { world }), DialError);
  assertEquals(error.attempts.length, 1);
  assertEquals(world.sleeps, [10_000]); // the deadline
});

const LASTING = [
  new Deno.errors.NotCapable("no"),
  new Deno.errors.PermissionDenied("no"),
  new TypeError("no"),
  new RangeError("no"),
  new URIError("no"),
];

for (const lasting of LASTING) {
  Deno.test(`dial() does not try again after ${lasting.name}, which time does not heal`, async () => {
    using _connect = fakeConnect(() => Promise.reject(lasting));
    const error = await assertRejects(() => dial("192.0.2.1:1", { attempts: 5 }), DialError);
    assertEquals(error.attempts.length, 1);
    assertStrictEquals(error.cause, lasting);
  });
}

Deno.test({
  name: "dial() without permission rejects with NotCapable as the cause",
  permissions: { net: false },
  fn: async () => {
    const error = await assertRejects(() => dial("127.0.0.1:1", { attempts: 5 }), DialError);
    assertInstanceOf(error.cause, Deno.errors.NotCapable);
    assertEquals(error.attempts.length, 1);
  },
});

Deno.test("dial() asks 'shouldRetry', if there is one, and nobody else", async () => {
  const world = seededWorld(1, { auto: true });
  using _connect = fakeConnect(() => Promise.reject(new TypeError("again")));
  const asked: unknown[] = [];
  const error = await assertRejects(() =>
    dial("192.0.2.1:1", {
      world,
      timeout: Infinity,
      attempts: 9,
      shouldRetry: (error) => asked.push(error) < 3,
    }), DialError);
  assertEquals(error.attempts.length, 3);
  assertEquals(asked, error.attempts.map(({ error }) => error));
});

Deno.test("dial() gives up an attempt when its time is over, and not before", async () => {
  using silent = await SilentListener.open();
  const world = seededWorld(1);
  let over = false;
  const dialing = assertRejects(() => dial(silent.addr, { world }).finally(() => over = true));
  await world.advance(9_999);
  assertEquals(over, false);
  await world.advance(1);
  const error = await dialing;
  assertInstanceOf(error, DialError);
  assertInstanceOf(error.cause, DOMException);
  assertEquals(error.cause.name, "TimeoutError");
  assertEquals(error.code, undefined); // a DOMException's is a number, from another list
  const [{ started, ended }] = error.attempts as [DialAttempt];
  assertEquals([started, ended], [0, 10_000]);
  assertStringIncludes(error.message, "#1 Cannot connect within 10000 ms (after 10000 ms)");
  assertEquals(world.sleepers, 0);
});

Deno.test("dial() gives each attempt its own time", async () => {
  using silent = await SilentListener.open();
  const world = seededWorld(1);
  const options = { world, timeout: 50, attempts: 2, backoff: 0 };
  const dialing = assertRejects(() => dial(silent.addr, options), DialError);
  await world.advance(50);
  await asleep(world, 3); // deadline, backoff, deadline
  await world.advance(50);
  const { attempts } = await dialing;
  assertEquals(attempts.map(({ started, ended }) => ended - started), [50, 50]);
});

Deno.test("dial() that is aborted while it connects rejects with the reason itself", async () => {
  using silent = await SilentListener.open();
  const world = seededWorld(1);
  const told: DialAttempt[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  const dialing = dial(silent.addr, {
    world,
    signal,
    attempts: 3,
    onAttempt: (attempt) => told.push(attempt),
  });
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => dialing), reason);
  assertEquals(told.map(({ error }) => error), [reason]);
  assertEquals(world.sleepers, 0);
});

Deno.test("dial() that is aborted while it waits rejects with the reason itself", async () => {
  const world = seededWorld(1);
  const controller = new AbortController();
  const { signal } = controller;
  const dialing = dial(deserted(), { world, signal, attempts: 3 });
  await asleep(world, 2); // deadline, backoff
  controller.abort("enough");
  assertEquals(await dialing.catch((reason) => reason), "enough");
  assertEquals(world.sleepers, 0);
});

Deno.test("dial() with a signal that has aborted tries nothing", async () => {
  using connect = fakeConnect(() => Promise.reject(new Error("tried")));
  const signal = AbortSignal.abort("enough");
  assertEquals(await dial("192.0.2.1:1", { signal }).catch((reason) => reason), "enough");
  assertEquals(connect.calls, 0);
});

Deno.test("dial() that is aborted by its own onAttempt does not try again", async () => {
  const world = seededWorld(1, { auto: true });
  const controller = new AbortController();
  const { signal } = controller;
  let count = 0;
  const dialing = dial(deserted(), {
    world,
    signal,
    timeout: Infinity,
    attempts: Infinity,
    onAttempt: () => ++count === 5 && controller.abort("enough"),
  });
  assertEquals(await dialing.catch((reason) => reason), "enough");
  assertEquals(count, 5);
});

Deno.test("dial() has nothing to do with its signal once connected", async () => {
  using listener = listen();
  const controller = new AbortController();
  let listening = 0;
  const { signal } = controller;
  for (const [name, change] of [["addEventListener", 1], ["removeEventListener", -1]] as const) {
    const original = signal[name].bind(signal);
    signal[name] = (...args: [string, EventListener]) => {
      listening += change;
      original(...args);
    };
  }
  using client = await dial(listener.addr, { signal });
  using server = await listener.accept();
  assertEquals(listening, 0);
  controller.abort();
  assertEquals(await client.write(Uint8Array.of(1)), 1);
  assertEquals(await server.read(new Uint8Array(8)), 1);
});

const TOO_LATE: Record<string, (cut: AbortController) => Partial<DialOptions>> = {
  "its time was over": () => ({ timeout: 10 }),
  "it was aborted": (cut) => ({ signal: cut.signal }),
};

for (const [why, options] of Object.entries(TOO_LATE)) {
  Deno.test(`dial() closes a connection that is made after ${why}`, async () => {
    using listener = listen();
    const world = seededWorld(1);
    const cut = new AbortController();
    // Between the kernel's word and ours there is a moment; this one makes it long.
    using _connect = fakeConnect(async (connect, { signal }) => {
      const conn = await connect(listener.addr);
      cut.abort("enough");
      await world.advance(10);
      assert(signal?.aborted);
      return conn;
    });
    const error = await dial("192.0.2.1:1", { world, ...options(cut) }).catch((error) => error);
    assertEquals(error === "enough", why === "it was aborted");
    if (error !== "enough") assertInstanceOf(error, DialError);
    using server = await listener.accept();
    assertEquals(await server.read(new Uint8Array(1)), null);
  });
}

Deno.test("dial() closes the connection when its onAttempt throws", async () => {
  using listener = listen();
  const bug = new Error("a bug");
  const onAttempt = () => {
    throw bug;
  };
  assertStrictEquals(await assertRejects(() => dial(listener.addr, { onAttempt })), bug);
  using server = await listener.accept();
  assertEquals(await server.read(new Uint8Array(1)), null);
});

type Refusal = [addr: unknown, options: unknown, kind: typeof Error, says: string];

const REFUSED: Record<string, Refusal> = {
  "text without a port": ["localhost", {}, TypeError, "must end in a port"],
  "port 0 in text": [
    "127.0.0.1:0",
    {},
    RangeError,
    "'port' must be 1 to 65535: current value is 0",
  ],
  "port 65536": [{ hostname: "h", port: 65536 }, {}, RangeError, "current value is 65536"],
  "port -1": [{ hostname: "h", port: -1 }, {}, RangeError, "current value is -1"],
  "port 1.5": [{ hostname: "h", port: 1.5 }, {}, TypeError, "'port' must be an integer"],
  "port NaN": [{ hostname: "h", port: NaN }, {}, TypeError, "current value is NaN"],
  "no port": [{ hostname: "h" }, {}, TypeError, "current value is undefined"],
  "no host": [{ port: 1 }, {}, TypeError, "'hostname' must be a name or an IP address"],
  "an empty host": [{ hostname: "", port: 1 }, {}, TypeError, 'current value is ""'],
  "timeout 0": ["h:1", { timeout: 0 }, RangeError, "'timeout' must be > 0: current value is 0"],
  "timeout NaN": ["h:1", { timeout: NaN }, RangeError, "'timeout' must be > 0"],
  "attempts 0": ["h:1", { attempts: 0 }, RangeError, "'attempts' must be an integer >= 1, or"],
  "attempts 1.5": ["h:1", { attempts: 1.5 }, RangeError, "current value is 1.5"],
  "attempts NaN": ["h:1", { attempts: NaN }, RangeError, "current value is NaN"],
  "backoff -1": ["h:1", { backoff: -1 }, RangeError, "'backoff' must be >= 0"],
  "backoff NaN": ["h:1", { backoff: NaN }, RangeError, "'backoff' must be >= 0"],
  "budget 0": ["h:1", { budget: 0 }, RangeError, "'budget' must be > 0: current value is 0"],
  "turnAround -1": ["h:1", { turnAround: -1 }, RangeError, "'turnAround' must be >= 0"],
  "attemptDelay 1": ["h:1", { attemptDelay: 1 }, RangeError, "'attemptDelay' must be >= 10"],
  "an unknown jitter": [
    "h:1",
    { jitter: "some" },
    TypeError,
    "'jitter' must be equal, full, decorrelated or none: current value is some",
  ],
  "maxBackoff -1": ["h:1", { maxBackoff: -1 }, RangeError, "'maxBackoff' must be >= 0"],
};

for (const [name, [addr, options, kind, says]] of Object.entries(REFUSED)) {
  Deno.test(`dial() refuses ${name}, before anything is opened`, async () => {
    using connect = fakeConnect(() => Promise.reject(new Error("tried")));
    const refused = () => dial(addr as TcpAddr, options as DialOptions);
    const { message } = await assertRejects(refused, kind, says);
    assertEquals(message.startsWith("Cannot "), true);
    assertEquals(connect.calls, 0);
  });
}

/** Notes the socket options that are set, which nothing reports back. */
class SocketOptions implements Disposable {
  readonly noDelay: unknown[] = [];
  readonly keepAlive: unknown[] = [];
  readonly #original = {
    setNoDelay: TcpStream.prototype.setNoDelay,
    setKeepAlive: TcpStream.prototype.setKeepAlive,
  };

  constructor() {
    Object.assign(TcpStream.prototype, {
      setNoDelay: (on: unknown) => void this.noDelay.push(on),
      setKeepAlive: (on: unknown) => void this.keepAlive.push(on),
    });
  }

  [Symbol.dispose](): void {
    Object.assign(TcpStream.prototype, this.#original);
  }
}
