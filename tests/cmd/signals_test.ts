import { assertEquals } from "@std/assert";
import { InterruptedError, interruption } from "../../cmd/_signals.ts";
import { seededWorld } from "../../lib/world.ts";

/** A script that is running: signals can be sent to it, and it notes when it is ended. */
function running() {
  const listeners = new Map<Deno.Signal, () => void>();
  const ends: number[] = [];
  const world = seededWorld(1);
  const listen = (signal: Deno.Signal, listener: () => void) => listeners.set(signal, listener);
  const first = interruption((code) => ends.push(code), { listen, world });
  const [soft, hard] = [...listeners.keys()];
  return { first, ends, world, soft: listeners.get(soft!)!, hard: listeners.get(hard!)! };
}

Deno.test("interruption() aborts at the first signal, and says which it was", () => {
  const { first, ends, soft } = running();
  soft();
  assertEquals(first.reason instanceof InterruptedError, true);
  assertEquals([first.reason.message, first.reason.exitCode], ["SIGINT", 130]);
  assertEquals(ends, []);
});

Deno.test("interruption() takes a Ctrl-C that deno task passes on as well for one", async () => {
  const { ends, world, soft } = running();
  soft();
  soft();
  await world.advance(199);
  soft();
  assertEquals(ends, []);
});

Deno.test("interruption() ends at the second signal, of either kind", async () => {
  const { ends, world, soft, hard } = running();
  soft();
  await world.advance(200);
  soft();
  hard();
  assertEquals(ends, Deno.build.os === "windows" ? [130, 149] : [130, 143]);
});
