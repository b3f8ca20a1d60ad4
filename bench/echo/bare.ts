/** The yardstick: `Deno.listen`, and a loop of read and write that does nothing else. */

import { answer } from "./_answer.ts";

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 4096 });
answer(listener.addr.port);

for (;;) echo(await listener.accept());

async function echo(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  let buffer = new Uint8Array(1024);
  try {
    for (;;) {
      const n = await conn.read(buffer);
      if (n === null) break;
      for (let sent = 0; sent < n;) sent += await conn.write(buffer.subarray(sent, n));
      if (n === buffer.length) buffer = new Uint8Array(Math.min(n * 4, 256 * 1024));
    }
  } catch {
    // The load ends by closing: a reset is no news here.
  }
  conn.close();
}
