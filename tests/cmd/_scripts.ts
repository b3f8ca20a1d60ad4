/** How each script is made to do its work once, for the tests that hold for all of them. */

import { assertEquals, assertMatch } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import type { TcpServer } from "../../lib/server/server.ts";
import type { TcpHandler } from "../../lib/server/session.ts";
import { formatAddr } from "../../lib/addr.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { ROOT, type Started } from "../_script.ts";

/** One script. */
export interface Use {
  /** What the server does that it may talk to; an echo by default. */
  handler?: TcpHandler;
  /** Its arguments, given that server. */
  args?: (server: TcpServer) => string[];
  /** Sees it work, and ends it. By default it ends by itself, and well. */
  works?: (script: Started) => Promise<void>;
}

/** The scripts that want more than to be started and waited for. */
export const USES: Record<string, Use> = {
  balance: {
    args: (server) => ["--listen", "0", "--to", formatAddr(server.addr)],
    works: async (script) => {
      using client = await dial(await script.addr());
      await writeAll(client, new TextEncoder().encode("hello\nquit\n"));
      assertMatch(new TextDecoder().decode(await readToEnd(client)), /ECHO: hello\nGoodbye!\n$/);
      client[Symbol.dispose]();
      await script.logged(/ server=127\S+ up=11 .* end=-- /);
      script.kill("SIGTERM");
      assertEquals((await script.ended()).code, 0);
    },
  },
  chat: {
    args: () => ["--port", "0"],
    works: async (script) => {
      using client = await dial(await script.addr());
      await writeAll(client, new TextEncoder().encode("ada\n/quit\n"));
      assertMatch(new TextDecoder().decode(await readToEnd(client)), /you are ada.*\nGoodbye!\n$/);
      script.kill("SIGTERM");
      assertEquals((await script.ended()).code, 0);
    },
  },
  echo: {
    args: () => ["--port", "0"],
    works: async (script) => {
      using client = await dial(await script.addr());
      await writeAll(client, new TextEncoder().encode("hello\nquit\n"));
      await readToEnd(client);
      script.kill("SIGTERM");
      assertEquals((await script.ended()).code, 0);
    },
  },
  faults: {
    args: (server) => [
      ...["--listen", "0", "--to", formatAddr(server.addr), "--down", "limit_data=6"],
      ...["--script", "tests/cmd/_faults.txt"],
    ],
    works: async (script) => {
      using client = await dial(await script.addr());
      await writeAll(client, new TextEncoder().encode("hello\n"));
      assertEquals(new TextDecoder().decode(await readToEnd(client)), "Welcom");
      client[Symbol.dispose]();
      await script.logged(/#1 down limit_data down 1: effect close at byte 6/);
      script.kill("SIGTERM");
      assertEquals((await script.ended()).code, 0);
    },
  },
  health: {
    args: (server) => [formatAddr(server.addr)],
    works: async (script) => assertMatch(await script.output(), /^✓ 127\.0\.0\.1:\d+ - OK\n$/),
  },
  http: {
    handler: (conn) => writeAll(conn, new TextEncoder().encode("HTTP/1.0 204 No Content\r\n\r\n")),
    args: (server) => [`http://${formatAddr(server.addr)}/`],
  },
  latency: { args: (server) => [formatAddr(server.addr), "--count", "1"] },
  proxy: {
    args: (server) => ["--listen", "0", "--to", formatAddr(server.addr)],
    works: async (script) => {
      using client = await dial(await script.addr());
      await writeAll(client, new TextEncoder().encode("hello\nquit\n"));
      assertMatch(new TextDecoder().decode(await readToEnd(client)), /ECHO: hello\nGoodbye!\n$/);
      client[Symbol.dispose]();
      await script.logged(/ up=11 .* end=-- /);
      script.kill("SIGTERM");
      assertEquals((await script.ended()).code, 0);
    },
  },
  receive: {
    args: () => ["--port", "0", "--dir", "."],
    works: async (script) => {
      {
        using client = await dial(await script.addr());
        await writeAll(client, new Uint8Array(8)); // a plain file of no bytes, and of no name
        assertMatch(new TextDecoder().decode(await readToEnd(client)), /^ERROR name: /);
      }
      script.kill("SIGTERM");
      assertEquals((await script.ended()).code, 0);
    },
  },
  send: { args: (server) => [".gitignore", formatAddr(server.addr)] },
  // Whatever goes on here meanwhile is not alarming.
  states: { args: () => ["--queue", "0", "--half-open", "0", "--close-wait", "0"] },
  talk: {
    args: (server) => [formatAddr(server.addr)],
    works: async (script) => {
      await script.type("hello\n");
      await script.printed(/ECHO: hello/);
      await script.endInput();
      await script.output();
    },
  },
};

/** Every script of cmd/, by its path there without `.ts`; none if that may not be looked up. */
export function allScripts(): string[] {
  if (Deno.permissions.querySync({ name: "read", path: ROOT }).state !== "granted") return [];
  return ["", "scenarios/"].flatMap((folder) =>
    [...Deno.readDirSync(new URL(`cmd/${folder}`, ROOT))]
      .filter(({ name }) => /^[^_].*\.ts$/.test(name))
      .map(({ name }) => `${folder}${name.slice(0, -3)}`)
  ).sort();
}
