/**
 * A program that listens without SO_REUSEADDR, which Deno cannot: it always sets it.
 *
 * @module
 */

/** Python, since it leaves out what nobody asks for. It ends at once, and leaves nothing. */
const PROGRAM = `
import errno, socket, sys
with socket.socket() as listener:
    try:
        listener.bind(("127.0.0.1", int(sys.argv[1])))
        listener.listen()
        print("listening")
    except OSError as error:
        print(error.errno, errno.errorcode[error.errno])
`;

/** What came of it. */
export type BareBind =
  | { readonly tried: false; readonly why: string }
  | {
    readonly tried: true;
    /** Its name, such as `"EADDRINUSE"`; missing if it could listen. */
    readonly code?: string;
    /** Its number on this system. */
    readonly errno?: number;
  };

/** Listens on this port of 127.0.0.1, without SO_REUSEADDR. Needs `--allow-run=python3`. */
export async function bindWithoutReuse(port: number, signal: AbortSignal): Promise<BareBind> {
  const { state } = Deno.permissions.querySync({ name: "run", command: "python3" });
  if (state !== "granted") {
    return { tried: false, why: "python3 is missing, or --allow-run=python3" };
  }
  const args = ["-c", PROGRAM, String(port)];
  const command = new Deno.Command("python3", { args, stdin: "null", signal });
  const { stdout, stderr, success } = await command.output();
  const said = new TextDecoder().decode(stdout).trim();
  if (!success) {
    const why = new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "";
    return { tried: false, why: `python3 failed: ${why}` };
  }
  if (said === "listening") return { tried: true };
  const [errno, code] = said.split(" ");
  return { tried: true, errno: Number(errno), code: code! };
}
