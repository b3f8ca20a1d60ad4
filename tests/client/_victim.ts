/**
 * A server to be killed: says back each byte, but stops listening to who sends 0. Prints its port
 * when it listens. Usage: `_victim.ts PORT`
 */

const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 0) });
await Deno.stdout.write(Uint8Array.of(...new Uint8Array(new Uint16Array([port()]).buffer)));

function port(): number {
  return listener.addr.port;
}

async function serve(conn: Deno.TcpConn): Promise<void> {
  const byte = new Uint8Array(1);
  while (await conn.read(byte) !== null && byte[0] !== 0) await conn.write(byte);
}

while (true) serve(await listener.accept());
