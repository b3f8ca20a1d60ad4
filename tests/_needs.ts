/**
 * Tests that need more than `--allow-net`: where a permission or a program is
 * missing they are reported as ignored, and their name says what is missing.
 */

/** What a test needs beyond the network. */
export interface Needs {
  /** Programs it starts, by name; `"deno"` stands for the running one. */
  run?: readonly string[];
  /** A module of Python that the first of those programs must know. */
  python?: string;
  /** Whether it reads files. */
  read?: boolean;
  /** Whether it writes files. */
  write?: boolean;
  /** Whether it reads the environment, as npm packages for Node may. */
  env?: boolean;
}

/** Registers a test, ignored with its reason if something it needs is missing. */
export function needs(
  what: Needs,
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  const missing = firstMissing(what);
  if (missing === undefined) Deno.test(name, fn);
  else Deno.test({ name: `${name} [ignored: ${missing}]`, ignore: true, fn });
}

/** Says what is missing first, or nothing. */
export function firstMissing(what: Needs): string | undefined {
  const kinds = (["read", "write", "env"] as const).filter((kind) => what[kind]);
  for (const name of kinds) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return `needs --allow-${name}`;
  }
  for (const name of what.run ?? []) {
    // Not what the path has for it, which may be a launcher that keeps signals to itself.
    const command = name === "deno" ? Deno.execPath() : name;
    const { state } = Deno.permissions.querySync({ name: "run", command });
    if (state !== "granted") return `needs --allow-run=${command}`;
    if (!installed(command)) return `needs the program ${command}`;
  }
  const [python = ""] = what.run ?? [];
  if (what.python !== undefined && !succeeds(python, ["-c", `import ${what.python}`])) {
    return `needs ${what.python} for ${python}`;
  }
  return undefined;
}

/** Whether a program can be started; what it says to `--version` does not matter. */
function installed(command: string): boolean {
  try {
    succeeds(command, ["--version"]);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function succeeds(command: string, args: string[]): boolean {
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
}
