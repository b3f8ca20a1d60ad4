/**
 * Another machine, linked to the one that a lesson runs on: a second network namespace, and a
 * cable between them. A lesson can have it in a network of its own only.
 *
 * @module
 */

import { formatAddr } from "../../lib/addr.ts";
import { frames } from "../../lib/framing/frames.ts";
import { TextLineDecoder } from "../../lib/framing/lines.ts";
import type { Reader } from "../../lib/stream/conn.ts";

/** The cable: its name and address here, and the address there. */
export interface Cable {
  /** The name of the interface, such as `"vpn0"`. */
  readonly name: string;
  /** Our address. */
  readonly here: string;
  /** The other machine's. */
  readonly there: string;
}

/** How a dial went: from where, or why not. */
export type Knock = { readonly from: string } | { readonly code: string };

/** The other machine. Needs `--allow-run=unshare,ip`. */
export class Outside implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #said: AsyncGenerator<string>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#stdin = child.stdin.getWriter();
    this.#said = frames(reader(child.stdout), new TextLineDecoder<never>());
  }

  /** Starts it, and lays the cable. */
  static async open({ name, here, there }: Cable): Promise<Outside> {
    const knocker = new URL("_knocker.ts", import.meta.url).href;
    const end = `${name}-far`;
    // The shell is there first: a cable can only be laid to a network that is there.
    const script = `echo linked?; read linked
      ip address add ${there}/24 dev ${end}; ip link set ${end} up; exec "$@"`;
    const child = new Deno.Command("unshare", {
      args: ["--net", "sh", "-c", script, "sh"]
        .concat([Deno.execPath(), "run", "--no-prompt", `--allow-net=${here}`, knocker]),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const outside = new Outside(child);
    await outside.#line();
    await ip("link", "add", name, "type", "veth", "peer", "name", end, "netns", `${child.pid}`);
    await ip("address", "add", `${here}/24`, "dev", name);
    await ip("link", "set", name, "up");
    await outside.#say("linked");
    await outside.#line();
    return outside;
  }

  /** Dials from there. */
  async knock(addr: { hostname: string; port: number }): Promise<Knock> {
    await this.#say(formatAddr(addr));
    const line = await this.#line();
    const [, from] = /^from (.+)$/.exec(line) ?? [];
    return from === undefined ? { code: line } : { from };
  }

  /** Ends it; with its network goes the cable. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stdin.close();
    await this.#said.return(undefined);
    await this.#child.status;
  }

  async #say(line: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${line}\n`));
  }

  async #line(): Promise<string> {
    const { done, value } = await this.#said.next();
    if (done) throw new Error("the other machine has ended");
    return value;
  }
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args, stdin: "null" }).output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** A pipe as our decoders read it. */
function reader(pipe: ReadableStream<Uint8Array>): Reader {
  const chunks = pipe.getReader();
  let rest = new Uint8Array();
  return {
    read: async (p) => {
      if (rest.length === 0) {
        const { done, value } = await chunks.read();
        if (done) return null;
        rest = new Uint8Array(value);
      }
      const part = rest.subarray(0, p.length);
      p.set(part);
      rest = rest.subarray(part.length);
      return part.length;
    },
  };
}
