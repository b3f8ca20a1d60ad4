import { assertEquals, assertStrictEquals } from "@std/assert";
import { Acceptor } from "../../lib/server/accept.ts";
import { seededWorld, type World } from "../../lib/world.ts";

/** What one call of a listener's accept() comes to. */
type Step = string | Error;

/** A listener that does as it is told, then leaves accept() pending until it is closed. */
class ScriptedListener {
  calls = 0;
  closed = 0;
  readonly #steps: Step[];
  #pending: ((error: Error) => void) | undefined;

  constructor(steps: readonly Step[]) {
    this.#steps = [...steps];
  }

  accept(): Promise<string> {
    this.calls++;
    const step = this.#steps.shift();
    if (step === undefined) return new Promise((_, reject) => this.#pending = reject);
    return step instanceof Error ? Promise.reject(step) : Promise.resolve(step);
  }

  close(): void {
    this.closed++;
    this.#pending?.(new Deno.errors.BadResource("Listener has been closed"));
  }
}

/** Accepts all that `steps` yield, closing after that. */
async function run(steps: readonly Step[]) {
  const world = seededWorld(1, { auto: true });
  const listener = new ScriptedListener(steps);
  const errors: (readonly [unknown, number])[] = [];
  const acceptor = new Acceptor<string>(listener, {
    world,
    ref: () => true,
    onError: (error, retryIn) => errors.push([error, retryIn]),
  });
  const taken: string[] = [];
  const expected = steps.filter((step) => typeof step === "string").length;
  while (taken.length < expected) taken.push((await acceptor.next())!);
  const last = acceptor.next();
  acceptor.close();
  assertEquals(await last, undefined);
  return { taken, errors, sleeps: world.sleeps, calls: listener.calls };
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code} (os error)`), { code });
}

const GONE = new Deno.errors.NotConnected("Transport endpoint is not connected (os error 107)");

Deno.test("Acceptor backs off from 5 ms, doubling up to 1 s, when the system is short", async () => {
  const steps = [...Array<Step>(10).fill(failure("EMFILE")), "a"];
  const { taken, sleeps, errors } = await run(steps);
  assertEquals(taken, ["a"]);
  assertEquals(sleeps, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
  assertEquals(errors.map(([, retryIn]) => retryIn), [...sleeps]);
});

Deno.test("Acceptor begins at 5 ms again after a connection", async () => {
  const full = failure("ENFILE");
  const { taken, sleeps } = await run([full, full, "a", full, "b"]);
  assertEquals(taken, ["a", "b"]);
  assertEquals(sleeps, [5, 10, 5]);
});

for (const code of ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EPERM", undefined]) {
  Deno.test(`Acceptor goes on after an error with code ${code}, and tells it`, async () => {
    const error = code === undefined ? new TypeError("anything") : failure(code);
    const { taken, errors, calls } = await run(["a", error, "b"]);
    assertEquals(taken, ["a", "b"]);
    assertEquals(errors.length, 1);
    assertStrictEquals(errors[0]![0], error);
    assertEquals(calls, 4);
  });
}

Deno.test("Acceptor tries again at once when the client was gone already", async () => {
  const aborted = new Deno.errors.ConnectionAborted("Software caused connection abort");
  const { taken, sleeps, errors } = await run([GONE, GONE, aborted, GONE, "a"]);
  assertEquals(taken, ["a"]);
  assertEquals(sleeps, []);
  assertEquals(errors, [[GONE, 0], [GONE, 0], [aborted, 0], [GONE, 0]]);
});

for (const ref of [true, false]) {
  Deno.test(`Acceptor waits with a timer that is as the server: ref ${ref}`, async () => {
    const refs: unknown[] = [];
    const world: World = {
      ...seededWorld(1),
      sleep: (_ms, options) => Promise.resolve(void refs.push(options?.ref)),
    };
    const listener = new ScriptedListener([failure("EMFILE"), "a"]);
    const acceptor = new Acceptor<string>(listener, { world, ref: () => ref, onError: () => {} });
    assertEquals([await acceptor.next(), refs], ["a", [ref]]);
  });
}

Deno.test("Acceptor.retryNow() ends a wait early", async () => {
  const world = seededWorld(1);
  const listener = new ScriptedListener([failure("EMFILE"), "a"]);
  const failed = Promise.withResolvers<void>();
  const acceptor = new Acceptor<string>(listener, {
    world,
    ref: () => true,
    onError: () => failed.resolve(),
  });
  const next = acceptor.next();
  await failed.promise;
  assertEquals(world.sleepers, 1);
  acceptor.retryNow();
  assertEquals(await next, "a");
  assertEquals(world.sleepers, 0);
});

Deno.test("Acceptor.close() ends a wait, and closes the listener once", async () => {
  const world = seededWorld(1);
  const listener = new ScriptedListener([failure("EMFILE")]);
  const failed = Promise.withResolvers<void>();
  const acceptor = new Acceptor<string>(listener, {
    world,
    ref: () => true,
    onError: () => failed.resolve(),
  });
  const next = acceptor.next();
  await failed.promise;
  acceptor.close();
  acceptor.close();
  assertEquals(await next, undefined);
  assertEquals([listener.closed, listener.calls, world.sleepers], [1, 1, 0]);
});

Deno.test("Acceptor.closeWhenEmpty() waits while connections come", async () => {
  const listener = new ScriptedListener(["a", GONE, "b", "c"]);
  const acceptor = new Acceptor<string>(listener, {
    world: seededWorld(1),
    ref: () => true,
    onError: () => {},
  });
  const closing = acceptor.closeWhenEmpty(100);
  const taken: string[] = [];
  for (let conn; (conn = await acceptor.next()) !== undefined;) taken.push(conn);
  await closing;
  assertEquals(taken, ["a", "b", "c"]);
  assertEquals(listener.closed, 1);
});

Deno.test("Acceptor.closeWhenEmpty() waits while accept() is not asked", async () => {
  const world = seededWorld(1);
  const listener = new ScriptedListener(["a"]);
  const acceptor = new Acceptor<string>(listener, { world, ref: () => true, onError: () => {} });
  const closing = acceptor.closeWhenEmpty(100);
  for (let i = 0; i < 50; i++) await world.advance(0);
  assertEquals(acceptor.closed, false);
  assertEquals(await acceptor.next(), "a");
  assertEquals(await acceptor.next(), undefined);
  await closing;
});

/** Counts the turns of the event loop that are asked for by messages. */
function countTurns() {
  const RealChannel = MessageChannel;
  const turns = {
    count: 0,
    [Symbol.dispose]: () => void (globalThis.MessageChannel = RealChannel),
  };
  globalThis.MessageChannel = class extends RealChannel {
    constructor() {
      super();
      turns.count++;
    }
  };
  return turns;
}

Deno.test("Acceptor.closeWhenEmpty() waits out a want of descriptors, without spinning", async () => {
  using turns = countTurns();
  const world = seededWorld(1);
  const full = failure("EMFILE");
  const listener = new ScriptedListener([full, full, full, "a"]);
  const acceptor = new Acceptor<string>(listener, { world, ref: () => true, onError: () => {} });
  const next = acceptor.next();
  await world.advance(0);
  const closing = acceptor.closeWhenEmpty(100); // tries again at once, in vain
  for (let i = 0; i < 50; i++) await world.advance(0);
  assertEquals([acceptor.closed, listener.calls, world.sleepers], [false, 2, 1]);
  assertEquals(turns.count < 10, true, `it spins: ${turns.count} turns`);
  await world.advance(30);
  assertEquals(await next, "a");
  assertEquals(await acceptor.next(), undefined);
  await closing;
});

Deno.test("Acceptor.closeWhenEmpty() waits for no more than it was told, if clients never stop", async () => {
  const world = seededWorld(1);
  const listener = new ScriptedListener(Array<Step>(1000).fill("again"));
  const acceptor = new Acceptor<string>(listener, { world, ref: () => true, onError: () => {} });
  const closing = acceptor.closeWhenEmpty(20);
  let taken = 0;
  while (!acceptor.closed) {
    if (await acceptor.next() !== undefined) taken++;
    await world.advance(0);
  }
  await closing;
  assertEquals(taken >= 20 && taken < 30, true, `${taken} were taken`);
});
