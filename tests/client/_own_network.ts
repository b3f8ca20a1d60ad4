/** A network of its own for a program: a namespace of Linux, gone when the program is. */

import { assertEquals } from "@std/assert";

/** What a program in there needs of the system. */
export const PROGRAMS = ["unshare", "ip", "nft", "sysctl", "deno"];

/** For who is root, and for others where the system lets them. */
const WAYS = [["--net", "--mount"], ["--map-root-user", "--net", "--mount"]];

/**
 * Runs `program` after `setup`, lines for `sh`, in a network and a view of the files of its
 * own, and resolves with what it printed; `undefined` if this system gives none to this user.
 */
export async function inOwnNetwork(
  setup: string,
  program: readonly string[],
): Promise<string | undefined> {
  for (const way of WAYS) {
    const probe = new Deno.Command("unshare", { args: [...way, "ip", "link", "set", "lo", "up"] });
    if (!(await probe.output()).success) continue;
    const script = `set -e; ip link set lo up\n${setup}\nexec "$@"`;
    const args = [...way, "sh", "-c", script, "sh", ...program];
    const { code, stdout, stderr } = await new Deno.Command("unshare", { args }).output();
    const said = new TextDecoder().decode(stderr);
    assertEquals([code, said], [0, ""]);
    return new TextDecoder().decode(stdout);
  }
  return undefined;
}
