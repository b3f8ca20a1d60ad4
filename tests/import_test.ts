/** Importing by URL, from a folder with nothing in it: no import map, no lock file. */

import { assertEquals } from "@std/assert";
import { needs } from "./_needs.ts";

/** A program that imports `module` by URL, serves with it, and talks to itself. */
function program(module: string): string {
  return `
    import { serveTcp } from ${JSON.stringify(module)};
    await using server = serveTcp({}, async (conn) => {
      const bytes = new Uint8Array(16);
      const n = await conn.read(bytes);
      await conn.write(bytes.subarray(0, n ?? 0));
    });
    using client = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    await client.write(new TextEncoder().encode("over a URL"));
    const bytes = new Uint8Array(16);
    const n = await client.read(bytes);
    console.log(new TextDecoder().decode(bytes.subarray(0, n ?? 0)));
  `;
}

for (const path of ["lib/mod.ts", "lib/server/mod.ts"]) {
  needs(
    { run: ["deno"], read: true, write: true },
    `${path} serves when imported over http://127.0.0.1 from an empty folder`,
    async () => {
      await using files = serveFiles();
      const folder = await Deno.makeTempDir();
      try {
        await Deno.writeTextFile(`${folder}/main.ts`, program(`${files.url}/${path}`));
        const { code, stdout, stderr } = await new Deno.Command("deno", {
          args: [
            "run",
            "--no-prompt",
            "--check",
            "--reload=" + files.url,
            "--allow-net=127.0.0.1",
            `--allow-import=${new URL(files.url).host}`,
            "main.ts",
          ],
          cwd: folder,
          env: { NO_COLOR: "1" },
        }).output();
        const text = new TextDecoder();
        assertEquals([code, text.decode(stdout)], [0, "over a URL\n"], text.decode(stderr));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}

/** Serves this repository's files over HTTP, as a web server would. */
function serveFiles(): AsyncDisposable & { url: string } {
  const root = new URL("../", import.meta.url);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      try {
        const text = await Deno.readTextFile(new URL("." + new URL(request.url).pathname, root));
        return new Response(text, { headers: { "content-type": "application/typescript" } });
      } catch {
        return new Response(null, { status: 404 });
      }
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
