/** A network namespace of Linux for a test whose network nobody else may use. */

/** Ways to get one: for root, and for others where the system lets them. */
const WAYS: readonly (readonly string[])[] = [["--net"], ["--map-root-user", "--net"]];

/** Starts loopback there, and becomes the program whose arguments follow. */
const SHELL = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"];

/**
 * The command that starts a program in a network of its own, to which the program and its arguments
 * are to be added; nothing where that cannot be. Needs `--allow-run=unshare`.
 */
export async function ownNetwork(): Promise<string[] | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const { state } = Deno.permissions.querySync({ name: "run", command: "unshare" });
  if (state !== "granted") return undefined;
  for (const way of WAYS) {
    const args = [...way, ...SHELL];
    const command = new Deno.Command("unshare", {
      args: [...args, "true"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    if ((await command.output()).success) return ["unshare", ...args];
  }
  return undefined;
}
