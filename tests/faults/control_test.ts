/** toxiproxy's HTTP API to the letter: each route, and each kind of request that is wrong. */

import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { type ControlServer, serveControl, TOXIPROXY_VERSION } from "../../lib/faults/mod.ts";
import {
  dialResettable,
  listenResettable,
  readExact,
  readToEnd,
  writeAll,
} from "../../lib/stream/mod.ts";

interface Told {
  status: number;
  type: string | null;
  text: string;
  // deno-lint-ignore no-explicit-any
  json: any;
}

async function ask(
  control: ControlServer,
  method: string,
  path: string,
  body?: unknown,
  headers: HeadersInit = {},
): Promise<Told> {
  const { addr: { port } } = control;
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { "User-Agent": "test", ...headers },
    ...body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) },
  });
  const text = await answer.text();
  const type = answer.headers.get("Content-Type");
  return {
    status: answer.status,
    type,
    text,
    json: text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : undefined,
  };
}

const DB = { name: "db", listen: "127.0.0.1:0", upstream: "127.0.0.1:5432" };

async function withDb(): Promise<ControlServer> {
  const control = serveControl({ port: 0, seed: 1 });
  await ask(control, "POST", "/proxies", DB);
  return control;
}

Deno.test("control: a proxy is created, shown, listed, changed and deleted", async () => {
  await using control = serveControl({ port: 0 });
  assertEquals((await ask(control, "GET", "/proxies")).text, "{}");

  const created = await ask(control, "POST", "/proxies", DB);
  assertEquals([created.status, created.type], [201, "application/json"]);
  const { listen } = created.json;
  assertEquals(/^127\.0\.0\.1:[1-9]\d*$/.test(listen), true);
  const expected = { ...DB, listen, enabled: true, toxics: [] };
  assertEquals(created.text, JSON.stringify(expected), "with its fields in order");
  assertEquals((await ask(control, "GET", "/proxies/db")).json, expected);
  assertEquals((await ask(control, "GET", "/proxies")).json, { db: expected });

  for (const method of ["POST", "PATCH"]) {
    const off = await ask(control, method, "/proxies/db", { enabled: false });
    assertEquals([off.status, off.json], [200, { ...expected, enabled: false }]);
    const on = await ask(control, method, "/proxies/db", { enabled: true });
    assertEquals(on.json, expected);
  }
  const moved = await ask(control, "PATCH", "/proxies/db", { upstream: "127.0.0.1:1", name: "x" });
  assertEquals(moved.json, { ...expected, upstream: "127.0.0.1:1" });

  const gone = await ask(control, "DELETE", "/proxies/db");
  assertEquals([gone.status, gone.text], [204, ""]);
  assertEquals((await ask(control, "GET", "/proxies/db")).status, 404);
});

Deno.test("control: a toxic has toxiproxy's defaults, and is changed by POST and PATCH", async () => {
  await using control = await withDb();
  const path = "/proxies/db/toxics";
  const latency = {
    attributes: { latency: 100, jitter: 0 },
    name: "latency_downstream",
    type: "latency",
    stream: "downstream",
    toxicity: 1,
  };
  const created = await ask(control, "POST", path, {
    type: "latency",
    attributes: { latency: 100 },
  });
  assertEquals([created.status, created.text], [200, JSON.stringify(latency)]);
  assertEquals((await ask(control, "GET", `${path}/latency_downstream`)).json, latency);
  const post = await ask(control, "POST", `${path}/latency_downstream`, {
    attributes: { jitter: 5 },
  });
  assertEquals(post.json.attributes, { latency: 100, jitter: 5 });
  const patch = await ask(control, "PATCH", `${path}/latency_downstream`, { toxicity: 0.5 });
  assertEquals(patch.json, { ...latency, attributes: { latency: 100, jitter: 5 }, toxicity: 0.5 });

  await ask(control, "POST", path, { type: "slicer", stream: "UPSTREAM", name: "cut" });
  const list = await ask(control, "GET", path);
  assertEquals(list.json.map(({ name }: { name: string }) => name), ["cut", "latency_downstream"]);
  assertEquals(list.json[0].attributes, { average_size: 0, size_variation: 0, delay: 0 });

  assertEquals((await ask(control, "DELETE", `${path}/cut`)).status, 204);
  assertEquals((await ask(control, "DELETE", `${path}/cut`)).status, 404);
});

Deno.test("control: each toxic of toxiproxy has its attributes, and ours are types too", async () => {
  await using control = await withDb();
  const defaults = {
    latency: { latency: 0, jitter: 0 },
    bandwidth: { rate: 0 },
    slow_close: { delay: 0 },
    timeout: { timeout: 0 },
    reset_peer: { timeout: 0 },
    slicer: { average_size: 0, size_variation: 0, delay: 0 },
    limit_data: { bytes: 0 },
    noop: {},
    swallow_fin: {},
    rst_after_fin: { delay: 0 },
    corrupt: { rate: 0.001 },
    drop: { rate: 0.1 },
  };
  for (const [type, attributes] of Object.entries(defaults)) {
    const { json } = await ask(control, "POST", "/proxies/db/toxics", { type });
    assertEquals(json.attributes, attributes, type);
  }
  const ours = { type: "latency", name: "x", attributes: { latency: 1, spread: "pareto" } };
  const { json } = await ask(control, "POST", "/proxies/db/toxics", ours);
  assertEquals(json.attributes, { latency: 1, jitter: 0, spread: "pareto" });
});

Deno.test("control: what is wrong gets toxiproxy's status and words", async () => {
  await using control = await withDb();
  const { listen } = control.proxies[0]!;
  await ask(control, "POST", "/proxies/db/toxics", { type: "latency" });
  const bad = "bad request body: ";
  const wrong: [string, string, unknown, number, string][] = [
    ["GET", "/proxies/none", undefined, 404, "proxy not found"],
    ["DELETE", "/proxies/none", undefined, 404, "proxy not found"],
    ["PATCH", "/proxies/none", {}, 404, "proxy not found"],
    ["GET", "/proxies/none/toxics", undefined, 404, "proxy not found"],
    ["POST", "/proxies/none/toxics", {}, 404, "proxy not found"],
    ["GET", "/proxies/db/toxics/none", undefined, 404, "toxic not found"],
    ["PATCH", "/proxies/db/toxics/none", {}, 404, "toxic not found"],
    ["DELETE", "/proxies/db/toxics/none", undefined, 404, "toxic not found"],
    ["POST", "/proxies", {}, 400, "missing required field: name"],
    ["POST", "/proxies", { name: "a" }, 400, "missing required field: upstream"],
    ["POST", "/proxies", DB, 409, "proxy already exists"],
    ["POST", "/proxies/db/toxics", { type: "latency" }, 409, "toxic already exists"],
    ["POST", "/proxies/db/toxics", { type: "nope" }, 400, "invalid toxic type"],
    ["POST", "/proxies/db/toxics", {}, 400, "invalid toxic type"],
    ["POST", "/proxies/db/toxics", { type: "toString" }, 400, "invalid toxic type"],
    [
      "POST",
      "/proxies/db/toxics",
      { type: "latency", stream: "sideways" },
      400,
      "stream was invalid, can be either upstream or downstream",
    ],
    ["POST", "/proxies", undefined, 400, `${bad}EOF`],
    ["POST", "/proxies", "  ", 400, `${bad}EOF`],
    ["POST", "/proxies", '{"name":', 400, `${bad}unexpected EOF`],
    ["POST", "/proxies", '{"name":"a"', 400, `${bad}unexpected EOF`],
    ["POST", "/proxies", "x", 400, `${bad}invalid character 'x' looking for beginning of value`],
    [
      "POST",
      "/proxies",
      "{x",
      400,
      `${bad}invalid character 'x' looking for beginning of object key string`,
    ],
    ["POST", "/proxies", '{"a"x', 400, `${bad}invalid character 'x' after object key`],
    ["POST", "/proxies", '{"a":1x', 400, `${bad}invalid character 'x' after object key:value pair`],
    ["POST", "/proxies", '{"a":[1x', 400, `${bad}invalid character 'x' after array element`],
    [
      "POST",
      "/proxies",
      '{"a":trux',
      400,
      `${bad}invalid character 'x' in literal true (expecting 'e')`,
    ],
    ["POST", "/proxies", '{"a":-x', 400, `${bad}invalid character 'x' in numeric literal`],
    [
      "POST",
      "/proxies",
      '{"a":1.x',
      400,
      `${bad}invalid character 'x' after decimal point in numeric literal`,
    ],
    [
      "POST",
      "/proxies",
      '{"a":1ex',
      400,
      `${bad}invalid character 'x' in exponent of numeric literal`,
    ],
    ["POST", "/proxies", '{"a\n', 400, `${bad}invalid character '\\n' in string literal`],
    ["POST", "/proxies", '{"\\x', 400, `${bad}invalid character 'x' in string escape code`],
    [
      "POST",
      "/proxies",
      '{"\\ux',
      400,
      `${bad}invalid character 'x' in \\u hexadecimal character escape`,
    ],
    [
      "POST",
      "/proxies",
      "[]",
      400,
      `${bad}json: cannot unmarshal array into Go value of type toxiproxy.Proxy`,
    ],
    [
      "POST",
      "/proxies",
      { name: 1 },
      400,
      `${bad}json: cannot unmarshal number into Go struct field Proxy.name of type string`,
    ],
    [
      "PATCH",
      "/proxies/db",
      { enabled: "no" },
      400,
      `${bad}json: cannot unmarshal string into Go struct field Proxy.enabled of type bool`,
    ],
    [
      "POST",
      "/proxies/db/toxics",
      { type: "latency", name: "l", attributes: { latency: "1" } },
      400,
      `${bad}json: cannot unmarshal string into Go struct field LatencyToxic.attributes.latency of type int64`,
    ],
    [
      "PATCH",
      "/proxies/db/toxics/latency_downstream",
      { attributes: { latency: 1.5 } },
      400,
      `${bad}json: cannot unmarshal number 1.5 into Go struct field LatencyToxic.attributes.latency of type int64`,
    ],
    [
      "POST",
      "/proxies/db/toxics",
      { type: "latency", toxicity: "all" },
      400,
      `${bad}json: cannot unmarshal string into Go struct field ToxicWrapper.toxicity of type float32`,
    ],
    [
      "POST",
      "/proxies/db/toxics",
      { type: "latency", name: "l", attributes: 5 },
      400,
      `${bad}json: cannot unmarshal number into Go struct field ToxicWrapper.attributes of type toxics.NoopToxic`,
    ],
    [
      "PATCH",
      "/proxies/db/toxics/latency_downstream",
      { attributes: [] },
      400,
      `${bad}json: cannot unmarshal array into Go struct field .attributes of type toxics.LatencyToxic`,
    ],
    [
      "PATCH",
      "/proxies/db/toxics/latency_downstream",
      "7",
      400,
      `${bad}json: cannot unmarshal number into Go value of type struct { Attributes interface {} "json:\\"attributes\\""; Toxicity float32 "json:\\"toxicity\\"" }`,
    ],
    [
      "POST",
      "/proxies/db/toxics",
      '{"type":"slicer","attributes":{"delay":1e3}}',
      400,
      `${bad}json: cannot unmarshal number 1e3 into Go struct field SlicerToxic.attributes.delay of type int`,
    ],
    [
      "POST",
      "/proxies/db/toxics",
      '{"type":"latency","name":"l","attributes":{"latency":2.0}}',
      400,
      `${bad}json: cannot unmarshal number 2.0 into Go struct field LatencyToxic.attributes.latency of type int64`,
    ],
    [
      "POST",
      "/proxies/db/toxics",
      '{"type":"latency","name":"l","toxicity":1e40}',
      400,
      `${bad}json: cannot unmarshal number 1e40 into Go struct field ToxicWrapper.toxicity of type float32`,
    ],
    [
      "POST",
      "/proxies",
      "\ufeff{}",
      400,
      `${bad}invalid character 'ï' looking for beginning of value`,
    ],
    [
      "POST",
      "/proxies",
      "\\",
      400,
      `${bad}invalid character '\\\\' looking for beginning of value`,
    ],
    [
      "POST",
      "/proxies",
      "\x07",
      400,
      `${bad}invalid character '\\a' looking for beginning of value`,
    ],
    [
      "POST",
      "/proxies/db/toxics",
      { type: "latency", name: "l", attributes: { spread: "flat" } },
      400,
      `${bad}'spread' must be one of uniform, normal, pareto`,
    ],
    [
      "POST",
      "/proxies/db/toxics",
      { type: "drop", attributes: { unit: "0" } },
      400,
      `${bad}'unit' must be chunk, line or a size of at least 1`,
    ],
    [
      "POST",
      "/proxies",
      { ...DB, name: "second", listen },
      500,
      `listen tcp ${listen}: bind: address already in use`,
    ],
    [
      "POST",
      "/proxies",
      { ...DB, name: "second", listen: listen.replace("127.0.0.1", "localhost") },
      500,
      `listen tcp ${listen}: bind: address already in use`,
    ],
    [
      "POST",
      "/proxies",
      { ...DB, name: "second", listen: "192.0.2.1:0" },
      500,
      "listen tcp 192.0.2.1:0: bind: cannot assign requested address",
    ],
    [
      "POST",
      "/proxies",
      { ...DB, name: "second", listen: "nowhere" },
      500,
      "listen tcp: address nowhere: missing port in address",
    ],
    [
      "POST",
      "/proxies",
      { ...DB, name: "second", listen: "127.0.0.1:99999" },
      500,
      "listen tcp: address 99999: invalid port",
    ],
    ...[
      ["127.0.0.1:web", "address tcp/web: unknown port"],
      ["::1:0", "address ::1:0: too many colons in address"],
      ["[::1", "address [::1: missing ']' in address"],
      ["[::1]", "address [::1]: missing port in address"],
      ["[::1]x:0", "address [::1]x:0: missing port in address"],
      ["127.1:0", "lookup 127.1: no such host"],
      ["*:0", "lookup *: no such host"],
    ].flatMap(([listen, error]): [string, string, unknown, number, string][] => [
      ["POST", "/proxies", { ...DB, name: "second", listen }, 500, `listen tcp: ${error}`],
      ["PATCH", "/proxies/db", { listen }, 500, error!], // and it listens where it did
    ]),
    [
      "POST",
      "/proxies",
      `{"name":"${"x".repeat(2 ** 20)}"}`,
      400,
      `${bad}http: request body too large`,
    ],
  ];
  const before = JSON.stringify(control.proxies);
  for (const [method, path, body, status, error] of wrong) {
    const told = await ask(control, method, path, body);
    const called = `${method} ${path} ${JSON.stringify(body)?.slice(0, 80)}`;
    assertEquals([told.status, told.json], [status, { error, status }], called);
    assertEquals(told.text, `${JSON.stringify({ error, status })}\n`);
    assertEquals(told.type, "text/plain; charset=utf-8");
  }
  assertEquals(JSON.stringify(control.proxies), before, "none of it changed anything");
});

Deno.test("control: what Go reads is read: either case, unknown fields, null, and more behind it", async () => {
  await using control = serveControl({ port: 0 });
  const body = '{"NAME":"a","Upstream":"b:1","listen":null,"enabled":false,"more":{}} trailing';
  const { status, json } = await ask(control, "POST", "/proxies", body);
  assertEquals([status, json.name, json.enabled], [201, "a", false]);
  const upstream = await ask(control, "PATCH", "/proxies/a", "null");
  assertEquals(upstream.json.upstream, "b:1");
});

Deno.test("control: a field that comes twice counts twice, and a number is the one that was written", async () => {
  await using control = await withDb();
  const path = "/proxies/db/toxics";
  const twice =
    '{"type":"latency","attributes":{"latency":1},"attributes":{"jitter":2,"jitter":3}}';
  assertEquals((await ask(control, "POST", path, twice)).json.attributes, {
    latency: 1,
    jitter: 3,
  });
  const parts: [told: string, shown: string][] = [
    ["0.30000001192092896", "0.3"], // as it comes from 32 bits
    ["0.2", "0.2"],
    ["-1", "-1"],
    ["7", "7"],
  ];
  for (const [told, shown] of parts) {
    const { text } = await ask(
      control,
      "PATCH",
      `${path}/latency_downstream`,
      `{"toxicity":${told}}`,
    );
    assertStringIncludes(text, `"toxicity":${shown}}`);
  }
});

Deno.test("control: JSON is written as Go writes it: sorted by name, and fit for HTML", async () => {
  await using control = serveControl({ port: 0 });
  for (const name of ["b", "10", "9", "<&>\u2028", '"\\ud800"']) {
    const body = `{"name":${
      name.startsWith('"') ? name : JSON.stringify(name)
    },"upstream":"x","enabled":false}`;
    assertEquals((await ask(control, "POST", "/proxies", body)).status, 201);
  }
  const { text } = await ask(control, "GET", "/proxies");
  const names = [...text.matchAll(/"([^"]*)":{"name"/g)].map(([, name]) => name);
  assertEquals(names, ["10", "9", "\\u003c\\u0026\\u003e\\u2028", "b", "\ufffd"]);
  assertEquals((await ask(control, "DELETE", "/proxies/%EF%BF%BD")).status, 204);
});

Deno.test("control: a doubled slash leads to the path without it", async () => {
  await using control = serveControl({ port: 0 });
  const { port } = control.addr;
  const answer = await fetch(`http://127.0.0.1:${port}//version?a=//`, { redirect: "manual" });
  assertEquals([answer.status, await answer.text()], [301, ""]);
  assertEquals(answer.headers.get("Location"), "/version?a=//");
  assertEquals((await ask(control, "GET", "//version")).json.version, TOXIPROXY_VERSION);
});

Deno.test("control: a proxy without a port, or on all addresses, listens as asked", async () => {
  await using control = serveControl({ port: 0 });
  for (
    const [listen, shown] of [
      ["127.0.0.1:", /^127\.0\.0\.1:[1-9]/],
      ["[127.0.0.1]:0", /^127\.0\.0\.1:[1-9]/],
      ["localhost:+0", /^127\.0\.0\.1:[1-9]/],
      ["", /^127\.0\.0\.1:[1-9]/],
      [":0", /^\[::\]:[1-9]/],
      ["[]:0", /^\[::\]:[1-9]/],
      ["0.0.0.0:0", /^0\.0\.0\.0:[1-9]/],
    ] as const
  ) {
    const { json } = await ask(control, "POST", "/proxies", { name: "p", listen, upstream: "x:1" });
    assertMatch(json.listen, shown, listen);
    assertEquals((await ask(control, "PATCH", "/proxies/p", json)).json, json, "it is not moved");
    await ask(control, "DELETE", "/proxies/p");
  }
});

Deno.test("control: what is no address takes the place of none that is", async () => {
  await using control = await withDb();
  const before = control.proxies[0]!;
  const moved = await ask(control, "POST", "/populate", [{ ...DB, listen: "nowhere" }]);
  const error = "address nowhere: missing port in address";
  assertEquals([moved.status, moved.json], [500, { error, status: 500, proxies: null }]);
  assertEquals(control.proxies[0], before);
  assertEquals((await ask(control, "POST", "/reset")).status, 204);
});

Deno.test("control: populate makes, replaces and keeps, and says where a field is missing", async () => {
  await using control = await withDb();
  await ask(control, "POST", "/proxies/db/toxics", { type: "latency" });
  const { listen } = control.proxies[0]!;
  const list = [{ ...DB, listen }, { name: "off", upstream: "x:1", enabled: false }];
  const told = await ask(control, "POST", "/populate", list);
  assertEquals(told.status, 201);
  assertEquals(told.json.proxies.map((p: { toxics: unknown[] }) => p.toxics.length), [1, 0]);
  const moved = await ask(control, "POST", "/populate", [{ ...DB, upstream: "x:2" }]);
  assertEquals(moved.json.proxies[0].toxics, []);
  assertEquals((await ask(control, "POST", "/populate", "[]")).text, '{"proxies":null}');

  const error = "missing required field: upstream at proxy 2";
  const missing = await ask(control, "POST", "/populate", [DB, { name: "b" }]);
  assertEquals([missing.status, missing.json], [400, { error, status: 400, proxies: null }]);
  assertEquals(missing.type, "application/json");
  const object = await ask(control, "POST", "/populate", "{}");
  assertStringIncludes(object.json.error, "cannot unmarshal object into Go value of type []struct");
  const item = await ask(control, "POST", "/populate", "[5]");
  assertStringIncludes(item.json.error, "cannot unmarshal number into Go value of type struct { ");
  const field = await ask(control, "POST", "/populate", '[{"enabled":1}]');
  assertStringIncludes(field.json.error, "into Go struct field .enabled of type bool");
  const taken = control.proxies.find(({ name }) => name === "db")!.listen;
  const half = await ask(control, "POST", "/populate", [
    { name: "new", listen: "127.0.0.1:0", upstream: "x:1" },
    { name: "clash", listen: taken, upstream: "x:1" },
  ]);
  assertEquals([half.status, half.json.proxies.length], [500, 1]);
});

Deno.test("control: reset enables every proxy and removes every toxic", async () => {
  await using control = await withDb();
  await ask(control, "POST", "/proxies/db/toxics", { type: "latency" });
  await ask(control, "PATCH", "/proxies/db", { enabled: false });
  const told = await ask(control, "POST", "/reset");
  assertEquals([told.status, told.text], [204, ""]);
  assertEquals(control.proxies.map(({ enabled, toxics }) => [enabled, toxics]), [[true, []]]);
});

Deno.test("control: version, unknown paths, wrong methods, and browsers", async () => {
  await using control = await withDb();
  const version = await ask(control, "GET", "/version");
  assertEquals(version.text, `{"version": "${TOXIPROXY_VERSION}"}\n`);
  assertEquals(version.type, "application/json;charset=utf-8");
  for (const path of ["/", "/nope", "/proxies/", "/proxies/db/", "/proxies/db/toxics/a/b"]) {
    const told = await ask(control, "GET", path);
    assertEquals([told.status, told.text], [404, "404 page not found\n"], path);
  }
  const escape = await ask(control, "GET", "/proxies/%");
  assertEquals([escape.status, escape.text], [400, "400 Bad Request"]);
  const methods = [["PUT", "/proxies"], ["GET", "/reset"], ["DELETE", "/version"], [
    "HEAD",
    "/proxies",
  ]];
  for (const [method, path] of methods) {
    const told = await ask(control, method!, path!);
    assertEquals([told.status, told.text], [405, ""], path);
  }
  const browser = await ask(control, "GET", "/version", undefined, {
    "User-Agent": "Mozilla/5.0 (X11)",
  });
  assertEquals([browser.status, browser.text], [403, "User agent not allowed\n"]);
});

Deno.test("control: toxics act on connections, open and new; metrics count bytes", async () => {
  await using control = serveControl({ port: 0, seed: 1 });
  using listener = await listenResettable();
  const upstream = `127.0.0.1:${listener.addr.port}`;
  const { json } = await ask(control, "POST", "/proxies", { name: "echo", upstream });
  const port = Number(json.listen.split(":")[1]);
  using client = await dialResettable({ hostname: "127.0.0.1", port });
  using server = await listener.accept();
  await writeAll(client, new TextEncoder().encode("hello"));
  await readExact(server, 5);
  await writeAll(server, new TextEncoder().encode("you"));
  await readExact(client, 3);

  const labels = (way: string) =>
    `{direction="${way}",listener="${json.listen}",proxy="echo",upstream="${upstream}"}`;
  const { text, type } = await ask(control, "GET", "/metrics");
  assertStringIncludes(text, `toxiproxy_proxy_received_bytes_total${labels("upstream")} 5\n`);
  assertStringIncludes(text, `toxiproxy_proxy_sent_bytes_total${labels("downstream")} 3\n`);
  assertEquals(type, "text/plain; version=0.0.4; charset=utf-8");

  await ask(control, "POST", "/proxies/echo/toxics", { type: "reset_peer" });
  await assertRejects(() => readToEnd(client), Deno.errors.ConnectionReset);
  using again = await dialResettable({ hostname: "127.0.0.1", port });
  await assertRejects(() => readToEnd(again), Deno.errors.ConnectionReset);
});

Deno.test("control: a client of a proxy whose server is away connects, and gets FIN", async () => {
  await using control = serveControl({ port: 0 });
  using free = await listenResettable();
  const upstream = `127.0.0.1:${free.addr.port}`;
  free.close();
  const { json } = await ask(control, "POST", "/proxies", { name: "p", upstream });
  using client = await dialResettable({
    hostname: "127.0.0.1",
    port: Number(json.listen.split(":")[1]),
  });
  await writeAll(client, new Uint8Array(3)); // of which nobody reads, which must not become a RST
  assertEquals((await readToEnd(client)).length, 0);
});

Deno.test("control: a proxy can be deleted while a receiver is blocked and a toxic holds bytes", async () => {
  await using control = serveControl({ port: 0, lingerTimeout: 10 });
  using listener = await listenResettable();
  const upstream = `127.0.0.1:${listener.addr.port}`;
  const { json } = await ask(control, "POST", "/proxies", { name: "stuck", upstream });
  const port = Number(json.listen.split(":")[1]);
  using client = await dialResettable({ hostname: "127.0.0.1", port });
  using _server = await listener.accept(); // it never reads
  const toxic = { type: "latency", stream: "upstream", attributes: { latency: 1e6 } };
  await ask(control, "POST", "/proxies/stuck/toxics", toxic);
  const writing = writeAll(client, new Uint8Array(64 * 1024 * 1024)).catch(() => {});
  assertEquals(
    (await ask(control, "DELETE", "/proxies/stuck/toxics/latency_upstream")).status,
    204,
  );
  assertEquals((await ask(control, "DELETE", "/proxies/stuck")).status, 204);
  client.reset();
  await writing;
});

Deno.test("control: a body that is too deep gets Go's words", async () => {
  await using control = serveControl({ port: 0 });
  for (const body of ["[".repeat(200_000), '{"a":'.repeat(100_000)]) {
    const { status, json } = await ask(control, "POST", "/proxies", body);
    assertEquals([status, json.error], [400, "bad request body: exceeded max depth"]);
  }
  const deep = `{"x":${"[".repeat(900)}${"]".repeat(900)},"name":"a","upstream":"127.0.0.1:1"}`;
  assertEquals((await ask(control, "POST", "/proxies", deep)).status, 201);
});

Deno.test("control: a client that never ends its request does not keep it from ending", async () => {
  const control = serveControl({ port: 0 });
  using client = await dialResettable(control.addr);
  const head =
    "POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n";
  await writeAll(client, new TextEncoder().encode(head));
  const going = "HTTP/1.1 100 Continue\r\n\r\n"; // it wants the body now
  assertEquals(new TextDecoder().decode(await readExact(client, going.length)), going);
  await control[Symbol.asyncDispose]();
  assertEquals((await readToEnd(client)).length, 0);
});

Deno.test("control: a body that is cut off is the client's mistake, and changes nothing", async () => {
  await using control = serveControl({ port: 0 });
  const proxy = '{"name":"a","upstream":"x:1","enabled":false}';
  for (const head of ["Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n64\r\n"]) {
    using client = await dialResettable(control.addr);
    const asked = `POST /proxies HTTP/1.1\r\nHost: x\r\n${head}${proxy}`;
    await writeAll(client, new TextEncoder().encode(asked));
    await client.closeWrite();
    const answer = new TextDecoder().decode(await readToEnd(client));
    assertStringIncludes(answer, "HTTP/1.1 400 Bad Request\r\n");
    assertStringIncludes(answer, '{"error":"bad request body: unexpected EOF","status":400}\n');
  }
  assertEquals(control.proxies, []);
});

Deno.test("control: requests come one behind another, as HTTP/1.0, or in pieces", async () => {
  await using control = serveControl({ port: 0 });
  const proxy = '{"name":"a","upstream":"x:1","enabled":false}';
  const last = "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const answers = async (asked: string[]): Promise<string[]> => {
    using client = await dialResettable(control.addr);
    for (const part of asked) await writeAll(client, new TextEncoder().encode(part));
    const told = new TextDecoder().decode(await readToEnd(client));
    return [...told.matchAll(/HTTP\/1\.[01] (\d+)/g)].map(([, status]) => status!);
  };
  const length = `Content-Length: ${proxy.length}\r\n\r\n${proxy}`;
  assertEquals(await answers([`PUT /proxies HTTP/1.1\r\nHost: x\r\n${length}`, last]), [
    "405",
    "200",
  ]);
  const browser = "POST /proxies HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\n";
  assertEquals(await answers([`${browser}${length}${last}`]), ["403", "200"]);
  assertEquals(
    await answers([`POST /proxies HTTP/1.1\r\nHost: x\r\n${length}${last}`]),
    ["201", "200"],
  );
  assertEquals(await answers(["GET /version HTTP/1.0\r\n\r\n"]), ["200"]);
  const chunked = "PATCH /proxies/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  assertEquals(await answers([...chunked, "2\r\n{}\r\n0\r\n\r\n", last]), ["200", "200"]);
});

Deno.test("control: a Host that is none is the client's mistake, of which nobody else hears", async () => {
  await using control = serveControl({ port: 0 });
  using client = await dialResettable(control.addr);
  const asked = "GET /version HTTP/1.1\r\nHost: [[[\r\nConnection: close\r\n\r\n";
  await writeAll(client, new TextEncoder().encode(asked));
  const answer = new TextDecoder().decode(await readToEnd(client));
  assertStringIncludes(answer, "HTTP/1.1 400 Bad Request\r\n");
  assertStringIncludes(answer, "malformed Host header");
});
