import { GoAddrError } from "./_go_addr.ts";

/** An answer of the API that says what was wrong. */
export class ToxiError extends Error {
  override readonly name = "ToxiError";
  /** The HTTP status. */
  readonly status: number;

  /** Says it in toxiproxy's words. */
  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** What a request body is told to be wrong with. */
export function badBody(cause: Error): ToxiError {
  return new ToxiError(`bad request body: ${cause.message}`, 400, { cause });
}

/** Makes an error of listening say what toxiproxy's would; others are as they are. */
export function listenError(error: unknown, listen: string): ToxiError {
  if (error instanceof ToxiError) return error;
  const at = listen.replace(/^localhost:/, "127.0.0.1:");
  const told = (message: string) => new ToxiError(message, 500, { cause: error });
  if (error instanceof Deno.errors.AddrInUse) {
    return told(`listen tcp ${at}: bind: address already in use`);
  }
  const { code } = error as { code?: string };
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return told(`listen tcp: lookup ${listen.slice(0, listen.lastIndexOf(":"))}: no such host`);
  }
  // Of an address that is not ours, `node:net` in Deno says EINVAL.
  if (error instanceof Deno.errors.AddrNotAvailable || code === "EINVAL") {
    return told(`listen tcp ${at}: bind: cannot assign requested address`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return told(`listen tcp ${at}: bind: permission denied`);
  }
  if (error instanceof GoAddrError) return told(`listen tcp: ${error.message}`);
  return told(`listen tcp ${at}: ${error instanceof Error ? error.message : error}`);
}
