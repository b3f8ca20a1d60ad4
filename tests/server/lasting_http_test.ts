import { assert, assertEquals, assertThrows } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import { lastingHttp } from "../../lib/server/mod.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";

const ANY = { hostname: "127.0.0.1", port: 0 };

Deno.test("lastingHttp() answers, and its disposal cuts who never ends his request", async () => {
  const server = lastingHttp(ANY, () => new Response("hello"));
  const answer = await fetch(`http://127.0.0.1:${server.addr.port}/`);
  assertEquals(await answer.text(), "hello");
  using slow = await dial(server.addr);
  await writeAll(slow, new TextEncoder().encode("GET / HTTP/1.1\r\nHost"));
  await server[Symbol.asyncDispose]();
  const end = await readToEnd(slow).catch((error) => error);
  assert(end.length === 0 || end instanceof Deno.errors.ConnectionReset, String(end));
});

Deno.test("lastingHttp() throws at once if the port is taken", async () => {
  await using server = lastingHttp(ANY, () => new Response());
  assertThrows(
    () => lastingHttp({ ...ANY, port: server.addr.port }, () => new Response()),
    Deno.errors.AddrInUse,
  );
});
