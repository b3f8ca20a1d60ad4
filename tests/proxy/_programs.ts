/** Servers that other people wrote, on an address that is ours alone. */

import { type TcpAddr, tcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { realWorld } from "../../lib/world.ts";

/**
 * An address where nobody listens. These programs cannot choose a port themselves and say
 * which; on an address that only this process uses, a port that was free a moment ago still is.
 */
export function freeAddr(): TcpAddr {
  const hostname = `127.${Deno.pid >> 16 & 63 | 64}.${Deno.pid >> 8 & 255}.${Deno.pid & 255}`;
  using listener = Deno.listen({ hostname, port: 0 });
  return tcpAddr(hostname, (listener.addr as Deno.NetAddr).port);
}

/** A program that serves. */
export interface Program extends AsyncDisposable {
  /** A folder that is its own. */
  readonly folder: string;
}

/** Starts `command`, once `file` in a new folder has the text that it shall have. */
export async function startServer(
  command: string,
  args: (folder: string) => string[],
  files: (folder: string) => Record<string, string>,
  ready: TcpAddr,
): Promise<Program> {
  const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
  // What workers of another user write to has to be theirs, too.
  await Deno.chmod(folder, 0o777);
  for (const [name, text] of Object.entries(files(folder))) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const child = new Deno.Command(command, {
    args: args(folder),
    stdout: "null",
    stderr: "piped",
    stdin: "null",
  }).spawn();
  const said = new Response(child.stderr).text();
  const program = {
    folder,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended.
      }
      await child.status;
      await said;
      await Deno.remove(folder, { recursive: true });
    },
  };
  const over = new AbortController();
  child.status.then(() => over.abort());
  try {
    using _conn = await dial(ready, {
      attempts: Infinity,
      backoff: 20,
      maxBackoff: 50,
      signal: over.signal,
    });
    return program;
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw new Error(`${command} does not serve: ${await said}`, { cause: error });
  }
}

/** Starts nginx with these blocks of `stream` and `http`. */
export function startNginx(
  blocks: (folder: string) => string,
  ready: TcpAddr,
  files: Record<string, string> = {},
  logLevel = "warn",
): Promise<Program> {
  const config = (folder: string) => `
    load_module /usr/lib/nginx/modules/ngx_stream_module.so;
    daemon off;
    master_process off;
    worker_processes 1;
    pid ${folder}/pid;
    error_log ${folder}/error.log ${logLevel};
    events { worker_connections 256; }
    ${blocks(folder)}
  `;
  return startServer(
    "nginx",
    (folder) => ["-e", `${folder}/error.log`, "-p", folder, "-c", `${folder}/nginx.conf`],
    (folder) => ({ ...files, "nginx.conf": config(folder) }),
    ready,
  );
}

/** Starts HAProxy with these frontends and backends. */
export function startHaproxy(sections: string, ready: TcpAddr): Promise<Program> {
  const config = `
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
${sections}
`;
  return startServer(
    "haproxy",
    (folder) => ["-db", "-f", `${folder}/haproxy.cfg`],
    () => ({ "haproxy.cfg": config }),
    ready,
  );
}

/** A server of ours that hands over what it finds in each connection, the first ones first. */
export function collecting<Found>(
  find: (conn: Parameters<Parameters<typeof serveTcp>[1]>[0]) => Promise<Found>,
): TcpServer & { next(): Promise<Found> } {
  const found: PromiseWithResolvers<Found>[] = [];
  let asked = 0;
  let came = 0;
  const at = (i: number) => found[i] ??= Promise.withResolvers<Found>();
  const server = serveTcp({ onError: () => {} }, async (conn) => {
    const { resolve, reject } = at(came++);
    await find(conn).then(resolve, reject);
  });
  return Object.assign(server, { next: () => at(asked++).promise });
}

/** The clock. */
export const world = realWorld;
