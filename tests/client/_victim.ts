/**
 * A server to be killed: says back each byte, but stops listening to who sends 0. SIGTERM has it
 * close everything and end. Prints its port when it listens. Usage: `_victim.ts PORT`
 */

const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 0) });
const conns: Deno.TcpConn[] = [];

Deno.addSignalListener("SIGTERM", () => {
  for (const conn of conns) conn.close();
  Deno.exit();
});
const { port } = listener.addr;
await Deno.stdout.write(new Uint8Array(new Uint16Array([port]).buffer));

async function serve(conn: Deno.TcpConn): Promise<void> {
  conns.push(conn);
  const byte = new Uint8Array(1);
  while (await conn.read(byte) !== null && byte[0] !== 0) await conn.write(byte);
}

while (true) serve(await listener.accept());
