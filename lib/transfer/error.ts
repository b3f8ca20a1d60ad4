/**
 * How a transfer fails: one class, and a word for each cause.
 *
 * @module
 */

/**
 * Every way a transfer can fail. The place in this list is the number on the wire:
 * add at the end, and never reorder.
 */
export const FAULTS = [
  /** The peer said something else than the protocol has at that place. */
  "protocol",
  /** The name cannot be taken: it would leave the folder, or is none at all. */
  "name",
  /** Something else stands there already. */
  "exists",
  /** Another transfer writes that very file now. */
  "busy",
  /** No room is left for it. */
  "full",
  /** The system does not let us read or write it. */
  "denied",
  /** The connection ended before the file did. */
  "broken",
  /** The file changed while it was sent. */
  "changed",
  /** Other bytes arrived than were sent. */
  "mismatch",
  /** The peer let a deadline pass. */
  "timeout",
  /** Our own side called it off. */
  "aborted",
  /** Reading or writing the file failed otherwise. */
  "storage",
  /** All was sent, but the receiver did not say that it has it. */
  "unconfirmed",
  /** The peer connected and left without a word. */
  "nothing",
] as const;

/** Why a transfer failed. */
export type TransferFault = typeof FAULTS[number];

/** Options for {@linkcode TransferError}. */
export interface TransferErrorOptions {
  /**
   * Whether it was the peer who found the fault, and told us.
   *
   * @default {false}
   */
  told?: boolean;
  /** What the system said. */
  cause?: unknown;
}

/** A transfer failed, and no file that looks whole came of it. */
export class TransferError extends Error {
  /** Why. */
  readonly fault: TransferFault;
  /** Whether it was the peer who found the fault, and told us. */
  readonly told: boolean;
  /**
   * How many bytes the receiver keeps in its part, from which the next attempt can go on;
   * 0 if nothing is kept, or if this end cannot know.
   */
  kept = 0;

  /** Says why in `message`, and in one word in `fault`. */
  constructor(fault: TransferFault, message: string, options: TransferErrorOptions = {}) {
    const { told = false, cause } = options;
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TransferError";
    this.fault = fault;
    this.told = told;
  }
}

/** What the system calls a disk, or a share of it, without room. */
const FULL: readonly unknown[] = ["ENOSPC", "EDQUOT"];

/** A read-only file system; EACCES and EPERM have a class. */
const READ_ONLY = "EROFS";

/** The error of a file, as the fault of a transfer: `deed` is what could not be done. */
export function storageError(deed: string, error: unknown): TransferError {
  if (error instanceof TransferError) return error;
  const [fault, why] = storageFault(error);
  return new TransferError(fault, `${deed} as ${why}`, { cause: error });
}

function storageFault(error: unknown): [TransferFault, string] {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (FULL.includes(code)) return ["full", `there is no room for it: ${code}`];
  if (
    code === READ_ONLY || error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable
  ) return ["denied", `permission is denied: ${code ?? "NotCapable"}`];
  if (error instanceof Deno.errors.NotFound) return ["storage", "it is not there"];
  return ["storage", `the system failed: ${systemWords(error) ?? code ?? error}`];
}

/** What the system calls it, without the path that may follow: the peer reads this too. */
function systemWords(error: unknown): string | undefined {
  return error instanceof Error ? /^[^:]+ \(os error \d+\)/.exec(error.message)?.[0] : undefined;
}
