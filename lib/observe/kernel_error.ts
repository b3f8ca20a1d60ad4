/**
 * Why the kernel could not be asked.
 *
 * @module
 */

/** The kernel cannot be asked here. The message says why, and what to do about it. */
export class KernelUnavailableError extends Error {
  /** The tool that was to ask it. */
  readonly tool: string;
  /** It is not installed, may not be run, or failed. */
  readonly why: "missing" | "forbidden" | "failed";

  /** Says what `tool` lacks. */
  constructor(
    tool: string,
    why: "missing" | "forbidden" | "failed",
    text: string,
    cause?: unknown,
  ) {
    super(`Cannot ask the kernel: ${text}`, cause === undefined ? {} : { cause });
    this.name = "KernelUnavailableError";
    this.tool = tool;
    this.why = why;
  }
}
