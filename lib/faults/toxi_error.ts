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
  const told = (message: string) => new ToxiError(message, 500, { cause: error });
  if (error instanceof Deno.errors.AddrInUse) {
    return told(`listen tcp ${listen}: bind: address already in use`);
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return told(`listen tcp ${listen}: bind: cannot assign requested address`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return told(`listen tcp ${listen}: bind: permission denied`);
  }
  if (error instanceof TypeError && !listen.includes(":")) {
    return told(`listen tcp: address ${listen}: missing port in address`);
  }
  if (error instanceof RangeError || error instanceof TypeError) {
    return told(`listen tcp: address ${listen.slice(listen.lastIndexOf(":") + 1)}: invalid port`);
  }
  return told(`listen tcp ${listen}: ${error instanceof Error ? error.message : error}`);
}
