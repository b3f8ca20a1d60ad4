/** Programs that stand in for ss, nstat and tcpdump, in a place where nothing else is. */

import type { Needs } from "../_needs.ts";
import { ROOT } from "../_script.ts";

/** What a test needs to put others in their place. */
export const STANDING_IN: Needs = { run: ["deno"], read: true, write: true };

/** Options for {@linkcode ask}. */
export interface AskOptions {
  /** Shell scripts by the names of what they stand in for; what is not here is not installed. */
  tools?: Readonly<Record<string, string>>;
  /** What the one who asks may do. */
  flags?: readonly string[];
}

/** Puts a question of `_asking.ts`, in a process of its own, and resolves with what came of it. */
export async function ask(question: string, options: AskOptions = {}): Promise<unknown> {
  const { tools = {}, flags = ["--allow-run"] } = options;
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, script] of Object.entries(tools)) {
      await Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", ...flags, "tests/observe/_asking.ts", question],
      cwd: ROOT,
      env: { PATH: folder },
      stdin: "null",
      stderr: "inherit",
    });
    const { stdout } = await command.output();
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
