/**
 * The errors of Deno's sockets, with their classes and codes, for streams that Deno
 * does not make: a caller need not know which kind of stream it holds.
 */

/** The peer takes no more, or our own FIN was said. */
export function brokenPipe(): Error {
  return coded(new Deno.errors.BrokenPipe("Broken pipe"), "EPIPE");
}

/** The peer broke off. */
export function connectionReset(): Error {
  return coded(new Deno.errors.ConnectionReset("Connection reset by peer"), "ECONNRESET");
}

/** Our own closing ended this operation. */
export function interrupted(): Error {
  return coded(new Deno.errors.Interrupted("operation canceled"), "EINTR");
}

/** The operation came after our own closing. */
export function badResource(): Error {
  return new Deno.errors.BadResource("Bad resource ID");
}

/** Gives `error` the `code` that the system would have given it. */
export function coded<E extends Error>(error: E, code: string): E {
  return Object.assign(error, { code });
}
