/**
 * The kernel's tools, started as processes.
 *
 * @module
 */

import { KernelUnavailableError } from "./kernel_error.ts";

/** Runs a tool, and resolves with what it printed. */
export type RunTool = (tool: string, args: readonly string[]) => Promise<string>;

/** The packages that they come with, on Debian and most others. */
const PACKAGES: Readonly<Record<string, string>> = { ss: "iproute2", nstat: "iproute2" };

/**
 * Starts them for real; `signal` ends what runs.
 *
 * @throws {KernelUnavailableError} If the tool is missing, may not be started, or fails.
 */
export function toolRunner(signal: AbortSignal | undefined): RunTool {
  return (tool, args) => output(tool, args, signal);
}

async function output(
  tool: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string> {
  signal?.throwIfAborted();
  let result: Deno.CommandOutput;
  try {
    const command = new Deno.Command(tool, {
      args: [...args],
      stdin: "null",
      ...signal && { signal },
    });
    result = await command.output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new KernelUnavailableError(tool, "missing", missing(tool), error);
    }
    if (error instanceof Deno.errors.NotCapable) {
      throw new KernelUnavailableError(tool, "forbidden", `add --allow-run=${tool}`, error);
    }
    throw error;
  }
  signal?.throwIfAborted();
  if (result.success) return new TextDecoder().decode(result.stdout);
  const complaint = new TextDecoder().decode(result.stderr).trim().split("\n")[0];
  throw new KernelUnavailableError(
    tool,
    "failed",
    `${tool} ended with ${result.code}${complaint ? `: ${complaint}` : ""}`,
  );
}

function missing(tool: string): string {
  const name = PACKAGES[tool];
  if (name === undefined) return `${tool} is not installed`;
  const { os } = Deno.build;
  return os === "linux"
    ? `${tool} is not installed: it comes with the package ${name}`
    : `${os} has no ${tool}, which is of Linux`;
}
