/**
 * A crowd of clients in a process of its own: `_crowd.ts PORT COUNT`. Says `ready` when all
 * are welcomed; for each line on standard input all of them speak, and it says `answered`
 * when all have heard their echo.
 */

const [port, count] = Deno.args.map(Number);
const clients: Deno.TcpConn[] = [];
const decoder = new TextDecoder();

for (let i = 0; i < count!; i++) {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: port! });
  clients.push(conn);
  if (!(await line(conn)).startsWith("Welcome")) throw new Error("not welcomed");
}
await say("ready");
while (await Deno.stdin.read(new Uint8Array(1)) !== null) {
  await Promise.all(clients.map((conn) => conn.write(new TextEncoder().encode("hi\n"))));
  for (const conn of clients) {
    if (await line(conn) !== "ECHO: hi") throw new Error("not answered");
  }
  await say("answered");
}

async function line(conn: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(100);
  for (let length = 0;;) {
    length += await conn.read(buffer.subarray(length)) ?? NaN;
    if (Number.isNaN(length)) throw new Error("the server has gone");
    if (buffer[length - 1] === 10) return decoder.decode(buffer.subarray(0, length - 1));
  }
}

async function say(word: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${word}\n`));
}
