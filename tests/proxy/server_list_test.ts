import { assertEquals, assertThrows } from "@std/assert";
import { Balancer } from "../../lib/proxy/balancer.ts";
import { applyServerList, parseServerList } from "../../lib/proxy/server_list.ts";
import type { TcpAddr } from "../../lib/addr.ts";

Deno.test("parseServerList() reads a command line and a file alike", () => {
  const line = "a:1, b:2@3 backup,web=[::1]:80@0 max=5 drain";
  const file = `
# our servers
a:1                      # the first
b:2@3 backup

web=[::1]:80@0 max=5 drain
`;
  const ready = { backup: false, maxConns: Infinity, mode: "ready" } as const;
  assertEquals(parseServerList(line), [
    {
      id: "a:1",
      addr: { transport: "tcp", hostname: "a", port: 1 },
      settings: { weight: 1, ...ready },
    },
    {
      id: "b:2",
      addr: { transport: "tcp", hostname: "b", port: 2 },
      settings: { weight: 3, ...ready, backup: true },
    },
    {
      id: "web",
      addr: { transport: "tcp", hostname: "::1", port: 80 },
      settings: { weight: 0, backup: false, maxConns: 5, mode: "drain" },
    },
  ]);
  assertEquals(parseServerList(file), parseServerList(line));
});

for (
  const [text, says] of [
    ["", 'name a server: current value is ""'],
    ["# none", "name a server"],
    ["a:1,a:1", 'name each server once, not twice: current value is "a:1"'],
    ["x=a:1,x=a:2", 'name each server once, not twice: current value is "x"'],
    ["a".repeat(101), `current value is "${"a".repeat(100)}…"`],
    ["a", 'have servers such as 10.0.0.1:80@3, or web1=10.0.0.1:80: current value is "a"'],
    ["a:1\nb:2@", "in line 2"],
    ["a:1@-1", "have servers such as"],
    ["a:0", "have no port 0"],
    ["a:1 backpu", "have no words but backup, drain, maintenance and max=COUNT"],
    ["a:1 max=0", "have no words but"],
  ] as const
) {
  Deno.test(`parseServerList() rejects ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseServerList(text), TypeError, says);
  });
}

Deno.test("applyServerList() changes what is other, and leaves connections alone", () => {
  const balancer = new Balancer<TcpAddr>({ algorithm: "first" });
  const read = (text: string) => applyServerList(balancer, parseServerList(text));
  assertEquals(read("a=h:1, b=h:2, c=h:3"), {
    added: ["a", "b", "c"],
    changed: [],
    removed: [],
  });
  balancer.set("b", { up: false });
  const held = balancer.pick().lease!;
  assertEquals(held.id, "a");
  // a is somewhere else now, b has another weight, c is gone, d is new.
  assertEquals(read("a=h:9, b=h:2@5, d=h:4"), {
    added: ["a", "d"],
    changed: ["b"],
    removed: ["a", "c"],
  });
  assertEquals(
    balancer.servers.map((
      { id, target, weight, active, up },
    ) => [id, target.port, weight, active, up]),
    [["b", 2, 5, 0, false], ["a", 9, 1, 0, true], ["d", 4, 1, 0, true]],
  );
  // Switched while it serves: who drains keeps what it has.
  assertEquals(read("a=h:9 drain, b=h:2@5, d=h:4").changed, ["a"]);
  assertEquals(balancer.pick().lease?.id, "d");
  assertEquals(read("a=h:9, b=h:2@5, d=h:4").changed, ["a"]);
  assertEquals(balancer.pick().lease?.id, "a");
  held.release(); // of a server that is gone: harmless
  assertEquals(read("a=h:9, b=h:2@5, d=h:4"), { added: [], changed: [], removed: [] });
});
