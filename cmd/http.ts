#!/usr/bin/env -S deno run --allow-net
/**
 * Gets a URL over raw TCP: what the server says, byte for byte, to standard output.
 *
 *     deno task http http://example.com/
 *     deno task http http://127.0.0.1:8000/big.iso >big.iso
 *     deno task http http://127.0.0.1:8000/ --include
 *
 * It speaks http and no https, follows no redirect, and decodes no compression.
 *
 * Flags:
 *
 *     --include          print the status line and the headers first; also -i. Control
 *                        characters in them, which HTTP forbids, come out as "?"
 *     --head             ask for those alone
 *     --timeout TIME     how long connecting may take, then the head, then each pause; 10s
 *     --help, --version
 *
 * Exit codes: 0, the whole response came, whatever its status; 1, it did not, and one line
 * on standard error says why; 2, wrong command line; 130 or 143, ended at once; 141,
 * nobody reads the output.
 *
 * @module
 */

import { formatAddr } from "../lib/addr.ts";
import { type HttpAnswer, httpGet, httpTarget } from "../lib/client/http_get.ts";
import { explainLine } from "../lib/errors.ts";
import { FrameError } from "../lib/framing/decoder.ts";
import type { HttpFields } from "../lib/framing/http_fields.ts";
import { FailureError, type Io, run } from "./_cli.ts";
import { duration, type Flag, toggle } from "./_flag.ts";
import { parseFlags, UsageError } from "./_flags.ts";
import { need } from "./_permissions.ts";

/** What the command line may say. */
export const flags = {
  include: toggle(),
  head: toggle(),
  timeout: duration({ min: 1, fallback: 10_000 }),
};

/** Asks, and prints the answer as it comes. */
export async function main(args: string[], io: Io): Promise<void> {
  const spelled = args.map((arg) => arg === "-i" ? "--include" : arg);
  const { URL: url, include, head, timeout } = parseFlags(spelled, flags, { URL: httpUrl });
  const addr = httpTarget(url);
  need({ kind: "net", to: formatAddr(addr) });
  const { interrupted: signal, print } = io;
  try {
    const fields = [["User-Agent", "tcplab"], ["Accept", "*/*"]] as const;
    const method = head ? "HEAD" : "GET";
    using answer = await httpGet(url, { method, fields, timeout, signal });
    if (include || head) await print(headText(answer));
    for await (const bytes of answer.body()) await print(bytes);
    if (include) await print(latin1(fieldLines(answer.trailers)));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FrameError) {
      throw new FailureError(`${formatAddr(addr)}: ${error.message}`, { cause: error });
    }
    if (error instanceof Deno.errors.ConnectionReset) {
      throw new FailureError(explainLine(error, { op: "read", addr }), { cause: error });
    }
    if (error instanceof DOMException && error.name === "TimeoutError") {
      throw new FailureError(`${formatAddr(addr)} kept us waiting for --timeout`, { cause: error });
    }
    throw error;
  }
}

const httpUrl: Flag<string> = {
  allowed: "a URL such as http://example.com/",
  read(text) {
    try {
      httpTarget(text);
      return text;
    } catch (error) {
      if (error instanceof TypeError) throw new UsageError(error.message);
      throw error;
    }
  },
};

const QUESTION_MARK = "?".charCodeAt(0);

/** The heads as they came, with the line ends that HTTP has. */
function headText({ interim, head }: HttpAnswer): Uint8Array {
  const heads = [...interim, head].map(({ version, status, reason, fields }) =>
    `HTTP/${version} ${status} ${reason}\r\n${fieldLines(fields)}\r\n`
  );
  return latin1(heads.join(""));
}

function fieldLines(fields: HttpFields): string {
  return [...fields].map(([name, value]) => `${name}: ${value}\r\n`).join("");
}

/** Each character of a head is one byte of it. Controls, which HTTP forbids there, reach no terminal. */
function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => {
    const byte = char.charCodeAt(0);
    const isControl = byte === 127 || byte < 32 && !"\t\r\n".includes(char);
    return isControl ? QUESTION_MARK : byte;
  });
}

if (import.meta.main) await run(main, import.meta);
