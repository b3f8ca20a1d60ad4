import { assert, assertEquals } from "@std/assert";
import { formatAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { bytes, text } from "../_conformance.ts";
import { needs } from "../_needs.ts";
import { start, type Started } from "../_script.ts";
import { freeAddr, startHaproxy } from "../proxy/_programs.ts";

needs(
  { run: ["deno", "haproxy"], read: true, write: true },
  "behind HAProxy two of our proxies are restarted under load, and no client notices",
  async () => {
    await using server = serveTcp({}, async (conn) => {
      await writeAll(conn, bytes(`heard ${text(await readToEnd(conn))}`));
    });
    const addrs = [freeAddr(), freeAddr()];
    const pages = [freeAddr(), freeAddr()];
    const begin = (i: number): Promise<Started> => {
      const args = ["--listen", formatAddr(addrs[i]!), "--to", formatAddr(server.addr)];
      const asked = ["--metrics", formatAddr(pages[i]!), "--grace", "2s"];
      return start("proxy", [...args, ...asked, "--accept-proxy", "127.0.0.0/8"]);
    };
    const proxies = await Promise.all([begin(0), begin(1)]);
    await using stack = new AsyncDisposableStack();
    stack.defer(async () => {
      for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
    });
    for (const proxy of proxies) await proxy.addr();
    const front = freeAddr();
    await using _haproxy = await startHaproxy(
      `
listen front
  bind ${formatAddr(front)}
  retries 3
  option redispatch 1
  option httpchk GET /ready
  timeout check 10s
  default-server send-proxy-v2 check inter 50ms fall 1 rise 1
  server a ${formatAddr(addrs[0]!)} addr ${pages[0]!.hostname} port ${pages[0]!.port}
  server b ${formatAddr(addrs[1]!)} addr ${pages[1]!.hostname} port ${pages[1]!.port}`,
      front,
    );

    let stopped = false;
    let answered = 0;
    const failures: unknown[] = [];
    const client = async () => {
      while (!stopped) {
        try {
          using conn = await dial(front);
          await writeAll(conn, bytes("hello"));
          await conn.closeWrite();
          assertEquals(text(await readToEnd(conn)), "heard hello");
          answered++;
        } catch (error) {
          failures.push(error);
        }
      }
    };
    const load = Promise.all(Array.from({ length: 10 }, client));
    for (const i of [0, 1]) {
      // The script's own log says that both have work.
      await proxies[i]!.logged(/client=127.* via=127.* end=--/);
      proxies[i]!.kill("SIGTERM");
      const { code, stderr } = await proxies[i]!.ended();
      assertEquals([code, / 0 cut, 0 never served/.test(stderr)], [0, true], stderr.slice(-500));
      await proxies[i]![Symbol.asyncDispose]();
      proxies[i] = await begin(i);
      await proxies[i]!.addr();
      await proxies[i]!.logged(/end=--/);
    }
    stopped = true;
    await load;
    assertEquals(failures, []);
    assert(answered > 100);
  },
);
