#!/usr/bin/env -S deno run --allow-net
/**
 * Another machine, for a lesson: dials each address that comes on a line of standard input, and
 * says on a line of its own how that went: `"from 10.8.0.2:40000"`, or a code such as
 * `"ECONNREFUSED"`. It ends when its input does.
 *
 * @module
 */

import { formatAddr, parseAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { frames } from "../../lib/framing/frames.ts";
import { TextLineDecoder } from "../../lib/framing/lines.ts";
import { run } from "../_cli.ts";

/** Milliseconds to wait for a connection. */
const PATIENCE = 5000;

if (import.meta.main) {
  await run(async (_args, io) => {
    await io.print("ready\n");
    for await (const line of frames(io.stdin, new TextLineDecoder<never>())) {
      await io.print(`${await knock(line)}\n`);
    }
  }, import.meta);
}

async function knock(at: string): Promise<string> {
  try {
    using conn = await dial(parseAddr(at), { timeout: PATIENCE });
    return `from ${formatAddr(conn.localAddr)}`;
  } catch (error) {
    const { code, name } = error as Error & { code?: string };
    return code ?? name;
  }
}
