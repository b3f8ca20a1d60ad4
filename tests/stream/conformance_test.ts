import { memoryPair } from "../../lib/stream/memory.ts";
import { dialResettable, listenResettable } from "../../lib/stream/resettable.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { pairOf, testDuplex } from "../_conformance.ts";

for (const capacity of [1, 7, 65536]) {
  testDuplex(`memoryPair({ capacity: ${capacity} })`, () => pairOf(...memoryPair({ capacity })));
}

testDuplex("Deno.TcpConn", async () => pairOf(...await connected()));

testDuplex("TcpStream", async () => {
  const [client, server] = await connected();
  return pairOf(new TcpStream(client), new TcpStream(server));
});

async function connected(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  return await Promise.all([Deno.connect({ port }), listener.accept()]);
}

testDuplex("dialResettable() and listenResettable()", async () => {
  using listener = await listenResettable();
  return pairOf(...await Promise.all([dialResettable(listener.addr), listener.accept()]));
});
