/** toxiproxy-node-client as npm has it, which does not know that this is not toxiproxy. */

import { assertEquals, assertRejects } from "@std/assert";
import { Toxiproxy } from "toxiproxy-node-client";
import { serveControl, TOXIPROXY_VERSION } from "../../lib/faults/mod.ts";
import {
  dialResettable,
  listenResettable,
  readExact,
  readToEnd,
  writeAll,
} from "../../lib/stream/mod.ts";

Deno.test({
  name: "toxiproxy-node-client, unmodified, does all it can do",
  // It leaves the bodies of answers that refuse it unread.
  sanitizeResources: false,
  fn: doAll,
});

async function doAll(): Promise<void> {
  await using control = serveControl({ port: 0, seed: 1 });
  const toxiproxy = new Toxiproxy(`http://127.0.0.1:${control.addr.port}`);
  assertEquals(JSON.parse(await toxiproxy.getVersion()), { version: TOXIPROXY_VERSION });

  using listener = await listenResettable();
  const upstream = `127.0.0.1:${listener.addr.port}`;
  const proxy = await toxiproxy.createProxy({ name: "db", listen: "localhost:0", upstream });
  assertEquals([proxy.name, proxy.upstream, proxy.enabled], ["db", upstream, true]);
  assertEquals(proxy.toJson().listen, control.proxies[0]!.listen);
  const port = Number(proxy.listen.split(":")[1]);
  const connect = async () => {
    const client = await dialResettable({ hostname: "127.0.0.1", port });
    return { client, server: await listener.accept() };
  };

  const toxic = await proxy.addToxic({
    name: "cut",
    type: "limit_data",
    stream: "downstream",
    toxicity: 1,
    attributes: { bytes: 3 },
  });
  assertEquals(toxic.toJson(), {
    attributes: { bytes: 3 },
    name: "cut",
    stream: "downstream",
    toxicity: 1,
    type: "limit_data",
  });
  const first = await connect();
  await writeAll(first.server, new TextEncoder().encode("abcdef"));
  assertEquals(new TextDecoder().decode(await readToEnd(first.client)), "abc");
  first.client[Symbol.dispose]();
  first.server[Symbol.dispose]();

  const changed = await toxic.update({ ...toxic.toJson(), attributes: { bytes: 4 } });
  assertEquals(changed.attributes, { bytes: 4 });
  assertEquals((await proxy.getToxic("cut")).attributes, { bytes: 4 });
  await toxic.remove();
  await assertRejects(() => proxy.getToxic("cut"), Error, "status code 404");
  const second = await connect();
  await writeAll(second.server, new TextEncoder().encode("abcdef"));
  assertEquals(new TextDecoder().decode(await readExact(second.client, 6)), "abcdef");

  const off = await proxy.update({ enabled: false, listen: proxy.listen, upstream });
  assertEquals(off.enabled, false);
  assertEquals((await readToEnd(second.client)).length, 0);
  second.client[Symbol.dispose]();
  second.server[Symbol.dispose]();
  await assertRejects(connect, Deno.errors.ConnectionRefused);
  await toxiproxy.reset();
  assertEquals((await toxiproxy.get("db")).enabled, true);

  const populated = await toxiproxy.populate([
    { name: "db", listen: proxy.listen, upstream },
    { name: "cache", listen: "localhost:0", upstream },
  ]);
  assertEquals(Object.keys(populated), ["db", "cache"]);
  assertEquals(Object.keys(await toxiproxy.getAll()), ["cache", "db"]);
  await assertRejects(
    () => toxiproxy.createProxy({ name: "db", listen: "localhost:0", upstream }),
    Error,
    "status code 409",
  );
  await proxy.remove();
  await assertRejects(() => toxiproxy.get("db"), Error, "status code 404");
  await assertRejects(() => proxy.remove(), Error, "status code 404");
}
