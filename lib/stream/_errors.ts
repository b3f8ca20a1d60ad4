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

/** Whether an error says no more than that we have closed: only who disposes a connection sees it. */
export function isOurClosing(error: Error): boolean {
  return error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource;
}

/** What the system calls an error, and the class that Deno has for it. */
const CLASSES: Record<string, new (message: string, options?: ErrorOptions) => Error> = {
  EACCES: Deno.errors.PermissionDenied,
  EADDRINUSE: Deno.errors.AddrInUse,
  EADDRNOTAVAIL: Deno.errors.AddrNotAvailable,
  ECONNABORTED: Deno.errors.ConnectionAborted,
  ECONNREFUSED: Deno.errors.ConnectionRefused,
  ECONNRESET: Deno.errors.ConnectionReset,
  ENETUNREACH: Deno.errors.NetworkUnreachable,
  ENOTCONN: Deno.errors.NotConnected,
  EPIPE: Deno.errors.BrokenPipe,
  ETIMEDOUT: Deno.errors.TimedOut,
};

/** What `node:net` throws. */
export interface SystemError extends Error {
  code?: string;
}

/** Gives an error of `node:net` the class that the same failure has elsewhere in Deno. */
export function systemError(error: SystemError): Error {
  const { code = "", message } = error;
  const Class = CLASSES[code];
  return Class === undefined ? error : coded(new Class(message, { cause: error }), code);
}

function coded<E extends Error>(error: E, code: string): E {
  return Object.assign(error, { code });
}
