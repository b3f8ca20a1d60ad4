/** What went wrong when a server could not listen, and what to check. */

import { formatAddr, type TcpAddr } from "../addr.ts";

/**
 * The same error (class and `code`) with a message that names the address and says
 * what to try. The system's own error, which says neither, is its `cause`.
 */
export function bindError(error: unknown, addr: TcpAddr): unknown {
  if (!(error instanceof Error)) return error;
  const SameClass = error.constructor as new (message: string, options: ErrorOptions) => Error;
  const told = new SameClass(`Cannot listen on ${formatAddr(addr)} as ${why(error, addr)}`, {
    cause: error,
  });
  const code = codeOf(error);
  return code === undefined ? told : Object.assign(told, { code });
}

function why(error: Error, addr: TcpAddr): string {
  const { errors } = Deno;
  if (error instanceof errors.AddrInUse) {
    return addr.port === 0
      ? "no port is free for the system to choose: wait for others to close, or name a 'port'"
      : "another socket has this port: stop it (`ss -ltnp` names it), or choose another 'port', " +
        "such as 0 for a free one";
  }
  if (error instanceof errors.AddrNotAvailable) {
    return "this machine does not have that address: check 'hostname'; 127.0.0.1 and ::1 are " +
      "itself, 0.0.0.0 and :: are all its addresses";
  }
  if (error instanceof errors.NotCapable) {
    return `this needs permission: run with --allow-net=${formatAddr(addr)}`;
  }
  if (error instanceof errors.PermissionDenied) {
    return "the system does not let this user have it: ports below 1024 are privileged, so " +
      "choose a higher 'port' or grant CAP_NET_BIND_SERVICE";
  }
  // Deno reports a name that cannot be resolved as a plain Error without a code.
  if (error.constructor === Error && codeOf(error) === undefined) {
    return `its name could not be resolved: check 'hostname': ${error.message}`;
  }
  return `the system refused: ${error.message}`;
}

function codeOf(error: Error): unknown {
  return (error as { code?: unknown }).code;
}
