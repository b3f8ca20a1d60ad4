/**
 * A scenario's checks are worth something only if they fail where what they claim is not
 * so. Each of these is changed in one place such that one of its claims is false.
 */

import { assert, assertEquals } from "@std/assert";
import type { TraceEvent } from "../../lib/observe/events.ts";
import { needs } from "../_needs.ts";
import { firstLineFlags, ROOT, startProgram } from "../_script.ts";

/** What to change, and the claim that is false then. */
interface Lie {
  scenario: string;
  change: readonly (readonly [from: string, to: string])[];
  claim: RegExp;
}

const LIES: readonly Lie[] = [
  {
    scenario: "connect",
    change: [["server.addr.port, having(", 'server.addr.port, having("127.0.0.1", ']],
    claim: /^refused: the next address is tried/,
  },
  {
    scenario: "connect",
    change: [['hostname: "127.0.0.2", port', 'hostname: "127.0.0.3", port']],
    claim: /^silent: the next address is tried beside it/,
  },
  {
    scenario: "connect",
    change: [['tcpAddr("127.0.0.9", port)', 'tcpAddr("127.0.0.3", port)']],
    claim: /^NotCapable: Deno was not given leave/,
  },
  {
    scenario: "connect_timeout",
    change: [["{ timeout: PATIENCE }", "{ timeout: PATIENCE / 2 }"]],
    claim: /^ours: not before its time/,
  },
  {
    scenario: "connect_timeout",
    change: [["() => new Promise(() => {})", '() => Promise.resolve(["127.0.0.1"])']],
    claim: /^the name's: TimeoutError/,
  },
  {
    scenario: "latency",
    change: [["deaf.suspend()", "await deaf.shutdown()"]],
    claim: /^a series: all three answer each time/,
  },
  {
    scenario: "latency",
    change: [["number === 7", "number === 8"]],
    claim: /^an outage: four of ten find nobody/,
  },
  {
    scenario: "partial_write",
    change: [["await writeAll(client, data)", "await client.write(data)"]],
    claim: /^writeAll: all of it came/,
  },
  {
    scenario: "partial_write",
    change: [["const taken = await client.write(data)", "const taken = SIZE"]],
    claim: /^one write took something, but not all/,
  },
  {
    scenario: "boundaries",
    change: [["readLate(lab, 1024)", "readLate(lab, 8)"]],
    claim: /^late: fewer reads than messages/,
  },
  {
    scenario: "boundaries",
    change: [["readLate(lab, 11)", "readLate(lab, 8)"]],
    claim: /^short of room: a message is cut in two/,
  },
  {
    scenario: "framing",
    change: [["new MessageConn(through(conn))", "[]"]],
    claim: /^in crumbs: the messages come out as they went in/,
  },
  {
    scenario: "framing",
    change: [["[0xff, 0xff, 0xff, 0xff]", "[0, 0, 0, 0]"]],
    claim: /^a lie: refused/,
  },
  {
    scenario: "framing",
    change: [["first.slice(0, 8)", "first"]],
    claim: /^a cut: not taken for a message/,
  },
  {
    scenario: "delimiters",
    change: [["new LineConn(narrow(conn, 1))", '["Message ligne 1"]']],
    claim: /^in crumbs: the same three lines/,
  },
  {
    scenario: "delimiters",
    change: [["maxLength: LIMIT", "maxLength: 1000"]],
    claim: /^too long: no more than the limit/,
  },
  {
    scenario: "delimiters",
    change: [['lines.send("one\\ntwo")', 'lines.send("one, two")']],
    claim: /^two in one: refused/,
  },
  {
    scenario: "read_deadline",
    change: [["readToEnd(reader)", "readToEnd(client)"]],
    claim: /^timed: the second one heard the answer/,
  },
  {
    scenario: "read_deadline",
    change: [['serve(lab, "Mess", "age1\\n")', 'serve(lab, "Message1\\n", "\\n")']],
    claim: /^half a line: the client gave up/,
  },
  {
    scenario: "read_to_end",
    change: [["server.reset()", "server[Symbol.dispose]()"]],
    claim: /^RST: it is not taken for all/,
  },
  {
    scenario: "read_to_end",
    change: [["while (true) await writeAll", "await writeAll"]],
    claim: /^endless: the client would not have more/,
  },
  {
    scenario: "nagle",
    change: [
      [
        'name: "two writes", noDelay: false, writes: TWO_WRITES',
        "name: '', noDelay: false, writes: ONE_WRITE",
      ],
      [
        'name: "one write", noDelay: false, writes: ONE_WRITE',
        "name: '', noDelay: false, writes: TWO_WRITES",
      ],
    ],
    claim: /^in most rounds, two writes took longer than $/,
  },
  {
    scenario: "pitfalls",
    change: [[
      "deliver((client) => writeAll(client, data))",
      "deliver((client) => client.write(data))",
    ]],
    claim: /^trap 1, avoided/,
  },
  {
    scenario: "pitfalls",
    change: [[
      "deliver((client) => client.write(data))",
      "deliver((client) => writeAll(client, data))",
    ]],
    claim: /^trap 1, fallen into/,
  },
  {
    scenario: "pitfalls",
    change: [[
      "const n = await client.read(buffer);\n    goOn();",
      "goOn();\n    const n = (await readExact(client, 5)).length;",
    ]],
    claim: /^trap 2, fallen into/,
  },
  {
    scenario: "http_get",
    change: [["new Uint8Array(1024)", "new Uint8Array(1)"]],
    claim: /^Content-Length, the chapter's reader: it has lost them/,
  },
  {
    scenario: "chat",
    change: [["LINES = 2048", "LINES = 16"], [
      '["buffer", "drop", "disconnect"] as',
      '["drop"] as',
    ]],
    claim: /^drop: bob missed some/,
  },
  {
    scenario: "chat",
    change: [["{ slow, maxLine: 8192 }", '{ slow: "drop", maxLine: 8192 }'], [
      '["buffer", "drop", "disconnect"] as',
      '["buffer"] as',
    ]],
    claim: /^buffer: he has what she said first, up to the gap/,
  },
  {
    scenario: "websocket",
    change: [['socket.ping(new TextEncoder().encode("alive?"))', "socket.ping(new Uint8Array(6))"]],
    claim: /^the ping was answered with its own bytes/,
  },
  {
    scenario: "half_close_faults",
    change: [["finEarly(8)", "finEarly(800)"]],
    claim: /^early: the server takes a part for the whole/,
  },
  {
    scenario: "half_close_faults",
    change: [["rstAfterFin(), { tooLate: true }", "undefined"]],
    claim: /^reset: the client is told so/,
  },
  {
    scenario: "slow_link",
    change: [["const slow = () => latency(LATENCY)", "const slow = () => latency(LATENCY / 2)"]],
    claim: /^one by one: each pays there and back/,
  },
  {
    scenario: "flapping_server",
    change: [["at 1B rst", "at 1MB rst"]],
    claim: /^half there: one that talks says that it is not/,
  },
  {
    scenario: "cut_and_resume",
    change: [["connection 2 up: at 60kB close", ""]],
    claim: /^it took four connections/,
  },
  {
    scenario: "replay",
    change: [["live(seed, oneReadEach, lab)", "live(seed + 1, oneReadEach, lab)"]],
    claim: /^the receiver gets the same wrong messages/,
  },
  {
    scenario: "proxy",
    change: [["await writeAll(conn, asked.reverse())", "await writeAll(conn, asked)"]],
    claim: /^through: the answer came back/,
  },
  {
    scenario: "proxy",
    change: [['writeAll(client, text("pong"))', 'writeAll(client, text("pond"))']],
    claim: /^too early: no byte was lost/,
  },
  {
    scenario: "proxy_half_close",
    change: [[
      "if (n === null) break;",
      "if (n === null) { await destination.closeWrite(); await readToEnd(destination); break; }",
    ]],
    claim: /^the chapter's: the answer is lost/,
  },
  {
    scenario: "balance",
    change: [['balancer.add("b", b.addr, { weight: 3 })', 'balancer.add("b", b.addr)']],
    claim: /^round-robin: one for a, three for b/,
  },
  {
    scenario: "balance",
    change: [["Math.floor(roll() * 600)", "Math.floor(roll() * 60)"]],
    claim: /^least-conns: each server's share is within 5 %/,
  },
  {
    scenario: "health",
    change: [['".x..x."', '"......"']],
    claim: /^1\/1: each lost check takes the server out/,
  },
  {
    scenario: "health",
    change: [["  gone.close();\n", ""]],
    claim: /^who is not is DOWN/,
  },
  {
    scenario: "failover",
    change: [[
      'health: { probe: connectProbe(), interval: 5000, errorLimit: 1, onError: "mark-down" }',
      "retries: 0",
    ]],
    claim: /^ours: no client fails/,
  },
  {
    scenario: "rolling_restart",
    change: [[
      'await idle(fleet, "a");\n    cut += (await servers.a.shutdown()).cut;',
      "cut += (await servers.a.abort()).closed;",
    ]],
    claim: /^rolling: every question had its answer/,
  },
];

for (const { scenario, change, claim } of LIES) {
  const name = `${scenario} does not hold where this is not so: ${claim.source.slice(1)}`;
  needs({ run: ["deno"], read: true, write: true }, name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const file = `${folder}/${scenario}.ts`;
      await Deno.writeTextFile(file, await changed(scenario, change));
      // One that has a network of its own would start itself again there without this
      // configuration: it stays outside.
      const flags = (await firstLineFlags(`cmd/scenarios/${scenario}.ts`))
        .filter((flag) => !flag.startsWith("--allow-run=unshare"));
      const config = `--config=${new URL("deno.json", ROOT).pathname}`;
      const args = ["run", "--quiet", "--no-prompt", config, ...flags, file, "--json"];
      await using script = startProgram(Deno.execPath(), args);
      const { code, stdout, stderr } = await script.ended();
      const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
      const checks = lines.map((line): TraceEvent => JSON.parse(line))
        .filter((event) => event.kind === "check");
      assertEquals([code, stderr], [1, ""]);
      assert(checks.some(({ ok, text }) => !ok && claim.test(text)), lines.at(-1));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** The text of a scenario, changed, and able to run from elsewhere. */
async function changed(scenario: string, change: Lie["change"]): Promise<string> {
  const home = new URL(`cmd/scenarios/${scenario}.ts`, ROOT);
  let source = await Deno.readTextFile(home);
  for (const [from, to] of change) {
    assertEquals(source.split(from).length, 2, `${scenario} does not say once: ${from}`);
    source = source.replace(from, () => to);
  }
  return source.replaceAll(/from "(\.[^"]+)"/g, (_, path) => `from "${new URL(path, home)}"`);
}
