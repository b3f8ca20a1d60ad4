/**
 * The rules of docs/architecture.md, executed. Each rule is one row: where it
 * holds, what may not stand there, and who is excused. A failure names the stray.
 */

import { assertEquals } from "@std/assert";
import { needs } from "./_needs.ts";

/** A rule about the text of files, comments and strings of prose left out. */
interface Rule {
  name: string;
  /** Which files it is about. */
  in: RegExp;
  /** What may not be said there. */
  never: RegExp;
  /** Which files may, nevertheless. */
  except?: RegExp;
}

/** Files that decide; where most of a folder does, those that wait are excused. */
const DECIDES =
  /^lib\/(addr|bytes|_linked_list|errors\w*|stream\/ending|framing\/\w+|client\/(backoff|dial_(attempt|error|retry|waterfall)|race_record|eyeballs_plan|latency_stats|waterfall|pool_(plan|line|timeline|events|errors))|observe\/\w+|transfer\/(wire|crc32|progress|tally|reply)|proxy\/(balance\w*|client_limit|end_reason|fairness|ip|cidr|crc32c|client_hello|prometheus|recording|tap_text|server_list|proxy_\w+|health_\w+))\.ts$/;
const WAITS =
  /^lib\/(framing\/(_sender|frames|messages|streams|\w*websocket_conn|open_websocket)|observe\/(trace|kernel|wire|segments|_ask|_tool))\.ts$/;

/** Tells errors of Deno's classes apart, which takes their names. */
const NAMES_ERRORS = /^lib\/(errors\w*|stream\/ending)\.ts$/;

const RULES: readonly Rule[] = [
  { name: "what decides does not wait", in: DECIDES, never: /\bawait\b/, except: WAITS },
  {
    name: "what decides does not touch the system",
    in: DECIDES,
    never: /\bDeno\./,
    except: new RegExp(`${WAITS.source}|${NAMES_ERRORS.source}`),
  },
  {
    name: "only lib/server/server.ts listens, and a pool to itself",
    in: /^(lib|cmd)\//,
    never: /\bDeno\.(listen|listenTls)\b/,
    // A pool may hear of events by a connection to itself, which it accepts once.
    except: /^lib\/(server\/(server|listen_\w+)|client\/pool_turn)\.ts$/,
  },
  {
    name: "only lib/client/dial.ts connects, and the check that asks for TLS",
    in: /^(lib|cmd)\//,
    never: /\bDeno\.(connect|connectTls)\b/,
    // The lesson is about what Deno's own connection says, compared with ours.
    except:
      /^(lib\/client\/dial|lib\/proxy\/(probe_tls|upstream_open)|cmd\/scenarios\/peer_gone)\.ts$/,
  },
  {
    name: "lib/ uses node: in a few named files only",
    in: /^lib\//,
    never: /(from |import\()"node:/,
    except: /^lib\/(stream\/resettable(_conn)?|transfer\/hash|client\/resolve)\.ts$/,
  },
  {
    name: "lib/ starts no process, but for what observes the kernel and the wire",
    in: /^lib\//,
    never: /\bDeno\.(Command|run)\b/,
    except: /^lib\/observe\/(_tool|wire)\.ts$/,
  },
  {
    name: "only lib/world.ts holds the clock and the dice",
    in: /^lib\//,
    never:
      /\b(Date\.now|new Date|performance\.|Math\.random|setTimeout|setInterval|AbortSignal\.timeout)\b/,
    except: /^lib\/world\.ts$/,
  },
  { name: "lib/ has no console", in: /^lib\//, never: /\bconsole\b/ },
  { name: "lib/ reads no environment", in: /^lib\//, never: /\bDeno\.(env|args)\b/ },
  {
    name: "only cmd/_cli.ts reads Deno.args and exits",
    in: /^cmd\//,
    never: /\b(Deno\.(args|exit)|console)\b/,
    except: /^cmd\/_cli\.ts$/,
  },
  {
    name: "nobody half-closes through Deno's own streams",
    in: /^(lib|cmd)\//,
    never: /\b(conn\w*|this\.#conn)\.(readable|writable)\b|\.pipeTo\(/,
  },
  {
    name: "nobody accepts with for await",
    in: /^(lib|cmd)\//,
    never: /for await \(.* of \w*listener\w*\)/i,
  },
];

/** From the top of the picture to the bottom; imports go down, or sideways on one floor. */
const FLOORS: readonly (readonly [name: string, files: RegExp])[] = [
  ["people", /^cmd\//],
  ["all of it", /^lib\/mod\.ts$/],
  [
    "opens",
    /^lib\/(server\/|client\/(mod|dial(_options)?\.|resolve|http_get|latency\.|pool_tcp|pool_turn)|proxy\/(mod|proxy\.|probe|passage|upstream|fleet)|faults\/)/,
  ],
  [
    "waits",
    /^lib\/(stream\/|framing\/|transfer\/|client\/(pool|eyeballs\.)|proxy\/(health\.|proxy_protocol|receive_|read_ahead|replay|server_queue|redispatch|tap\.)|observe\/(mod|trace|kernel|wire|segments|_ask|_tool)\.)/,
  ],
  [
    "decides",
    /^lib\/(addr|bytes|_linked_list|errors\w*|world|client\/\w+|observe\/\w+|proxy\/\w+)\.ts$/,
  ],
];

/** Imports up the picture that are argued for in docs/architecture.md. */
const EXCUSED: readonly string[] = [];

needs({ read: true }, "architecture: the files obey the rules", async () => {
  const strays: string[] = [];
  for (const file of await sources()) {
    const code = withoutProse(await Deno.readTextFile(new URL(`../${file}`, import.meta.url)));
    for (const rule of RULES) {
      if (!rule.in.test(file) || rule.except?.test(file)) continue;
      const lines = code.split("\n");
      const at = lines.findIndex((line) => rule.never.test(line));
      if (at >= 0) strays.push(`${file}:${at + 1} breaks "${rule.name}"`);
    }
  }
  assertEquals(strays, []);
});

needs({ read: true }, "architecture: lib/ imports only its own files and node:", async () => {
  const strays: string[] = [];
  for (const [file, imports] of await importGraph()) {
    if (!file.startsWith("lib/")) continue;
    for (const specifier of imports) {
      const own = specifier.startsWith("./") || specifier.startsWith("../");
      const stays = own && resolve(file, specifier).startsWith("lib/");
      if (!stays && !specifier.startsWith("node:")) strays.push(`${file} imports ${specifier}`);
    }
  }
  assertEquals(strays, []);
});

needs({ read: true }, "architecture: imports go down the picture or sideways", async () => {
  const strays: string[] = [];
  for (const [file, imports] of await importGraph()) {
    for (const specifier of imports) {
      if (!specifier.startsWith(".")) continue;
      const target = resolve(file, specifier);
      if (!target.startsWith("lib/") && !target.startsWith("cmd/")) continue;
      if (floor(file) < 0) strays.push(`${file} stands on no floor`);
      if (floor(target) < floor(file) && !EXCUSED.includes(`${file} -> ${target}`)) {
        strays.push(`${file} (${floorName(file)}) imports ${target} (${floorName(target)})`);
      }
    }
  }
  assertEquals(strays, []);
});

needs({ read: true }, "architecture: no import goes in a circle", async () => {
  const graph = await importGraph();
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const seen = path.indexOf(file);
    if (seen >= 0) circles.push([...path.slice(seen), file].join(" -> "));
    if (seen >= 0 || done.has(file)) return;
    for (const specifier of graph.get(file) ?? []) {
      if (specifier.startsWith(".")) visit(resolve(file, specifier), [...path, file]);
    }
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  assertEquals(circles, []);
});

needs(
  { read: true },
  "architecture: every folder of lib/ exports itself, and mod.ts only",
  async () => {
    const config = JSON.parse(
      await Deno.readTextFile(new URL("../deno.json", import.meta.url)),
    ) as { exports: Record<string, string> };
    const exported = new Set(Object.values(config.exports));
    const strays: string[] = [];
    for (const file of await sources()) {
      if (!/^lib\/(.+\/)?mod\.ts$/.test(file)) continue;
      if (!exported.has(`./${file}`)) strays.push(`${file} is missing in "exports" of deno.json`);
      const code = withoutProse(await Deno.readTextFile(new URL(`../${file}`, import.meta.url)));
      const other = code.replaceAll(/export (\*|(type )?\{[^}]*\}) from "[^"]+";/g, "").trim();
      if (other !== "") strays.push(`${file} does more than re-export: ${other.slice(0, 60)}`);
    }
    assertEquals(strays, []);
  },
);

/** The TypeScript files of lib/ and cmd/, from the root, sorted. */
async function sources(): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(new URL(`../${folder}`, import.meta.url))) {
      if (entry.isDirectory) await walk(`${folder}${entry.name}/`);
      else if (entry.name.endsWith(".ts")) found.push(`${folder}${entry.name}`);
    }
  };
  await walk("lib/");
  await walk("cmd/");
  return found.sort();
}

/** Each file with the specifiers it imports or re-exports, dynamic imports too. */
async function importGraph(): Promise<Map<string, string[]>> {
  const graph = new Map<string, string[]>();
  for (const file of await sources()) {
    const code = withoutComments(await Deno.readTextFile(new URL(`../${file}`, import.meta.url)));
    const found = code.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)"([^"]+)"/g);
    graph.set(file, [...found].map((match) => match[1]!));
  }
  return graph;
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

function floor(file: string): number {
  return FLOORS.findIndex(([, files]) => files.test(file));
}

function floorName(file: string): string {
  return FLOORS[floor(file)]?.[0] ?? "nowhere";
}

/** Comments become blanks, so that line numbers stay. */
function withoutComments(code: string): string {
  return code
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "))
    .replaceAll(/(^|\s)\/\/.*$/gm, "$1");
}

/** Comments and the words in template and string literals that hold a space are prose. */
function withoutProse(code: string): string {
  return withoutComments(code).replaceAll(/"[^"\n]* [^"\n]*"/g, '""').replaceAll(
    /`[^`$\\]* [^`$\\]*`/g,
    "``",
  );
}
