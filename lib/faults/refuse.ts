import { type Fault, RST } from "./fault.ts";

/** Marks a fault for which the server is not even called. */
const refusals = new WeakSet<Fault>();

/**
 * Refuses new connections: they are reset as soon as they are accepted, and the server hears
 * nothing of them. On an open connection it is a reset.
 *
 * A kernel that refuses answers SYN with RST, which a program that listens cannot do; where that
 * is wanted, disable the whole link, which then does not listen.
 */
export function refuse(): Fault {
  const fault: Fault = async function* (_chunks, world) {
    world.note("RST", world.offset);
    yield RST;
    await world.sleep(Infinity);
  };
  refusals.add(fault);
  return fault;
}

/** Whether it is one made by {@linkcode refuse}. */
export function refuses(fault: Fault): boolean {
  return refusals.has(fault);
}
