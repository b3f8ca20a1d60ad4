import type { Duplex } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { relay } from "../../lib/stream/relay.ts";
import { dialResettable, listenResettable } from "../../lib/stream/resettable.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { type DuplexPair, pairOf, testDuplex, testReset } from "../_conformance.ts";
import { cert, key } from "../_tls.ts";

for (const capacity of [1, 7, 65536]) {
  testDuplex(`memoryPair({ capacity: ${capacity} })`, () => pairOf(...memoryPair({ capacity })));
}

testDuplex("Deno.TcpConn", async () => pairOf(...await tcpPair()));

testDuplex("Deno.TlsConn", async () => {
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  const { port } = listener.addr;
  return pairOf(
    ...await Promise.all([
      Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [cert] }),
      listener.accept(),
    ]),
  );
});

testDuplex("TcpStream", async () => pairOf(...await streamPair()));

testDuplex("dialResettable() and listenResettable()", resettablePair);

testDuplex("relay() in memory", () => relayed(memoryPair(), memoryPair()));

testDuplex("relay() in memory, seven bytes at a time", () => {
  return relayed(memoryPair({ capacity: 7 }), memoryPair({ capacity: 7 }));
});

testDuplex("relay() over TCP", async () => relayed(await streamPair(), await streamPair()));

testReset("memoryPair()", () => pairOf(...memoryPair()));

testReset("memoryPair({ capacity: 4 })", () => pairOf(...memoryPair({ capacity: 4 })));

testReset("dialResettable()", resettablePair);

testReset("listenResettable()", async () => {
  using listener = await listenResettable();
  const { port } = listener.addr;
  const [client, server] = await Promise.all([Deno.connect({ port }), listener.accept()]);
  return pairOf(server, new TcpStream(client));
});

/** client — relay — server, seen from the client and the server. */
function relayed(near: [Duplex, Duplex], far: [Duplex, Duplex]): DuplexPair {
  const [a, ours] = near;
  const [theirs, b] = far;
  const relaying = relay(ours, theirs);
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      a[Symbol.dispose]();
      b[Symbol.dispose]();
      await relaying;
    },
  };
}

async function tcpPair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  return await Promise.all([Deno.connect({ port }), listener.accept()]);
}

async function streamPair(): Promise<[TcpStream, TcpStream]> {
  const [client, server] = await tcpPair();
  return [new TcpStream(client), new TcpStream(server)];
}

async function resettablePair() {
  using listener = await listenResettable();
  return pairOf(...await Promise.all([dialResettable(listener.addr), listener.accept()]));
}
