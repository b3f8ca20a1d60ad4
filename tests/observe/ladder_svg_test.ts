import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { columns } from "../../lib/observe/_canvas.ts";
import type { TraceEvent } from "../../lib/observe/events.ts";
import { SvgLadder } from "../../lib/observe/ladder_svg.ts";
import { TCP_STATES } from "../../lib/observe/tcp_states.ts";
import { anyTrace } from "./_traces.ts";

const CLOSED: TraceEvent[] = [
  { kind: "note", who: "", at: 0, text: 'Not <this> & "that".' },
  { kind: "write", who: "client", at: 1, end: 1, size: 14, bytes: 14 },
  { kind: "read", who: "server", at: 0, end: 2, size: 99, bytes: 14 },
  { kind: "closeWrite", who: "client", at: 3, end: 3 },
  { kind: "read", who: "server", at: 2, end: 4, size: 99, bytes: null },
];

Deno.test("SvgLadder draws what the ladder of text says", () => {
  const svg = new SvgLadder({ title: "A title", subtitle: "and more" }).draw(CLOSED).toString();
  assertEquals(texts(svg), [
    ...["A title", "and more", "client", "server", "ms", "ms", 'Not <this> & "that".'],
    ...["14 B", "write 14 B", "1.00", "read 14 B", "2.00"],
    ...["FIN", "closeWrite", "3.00", "read → EOF", "4.00"],
  ]);
  assertStringIncludes(svg, "<title>A title</title>");
});

Deno.test("SvgLadder has every colour for a light and for a dark surrounding", () => {
  const svg = new SvgLadder().draw(CLOSED).toString();
  const [, light = "", dark = ""] =
    /svg\{(.*?);color-scheme.*?\n@media \(prefers-color-scheme:dark\)\{svg\{(.*?)\}\}/
      .exec(svg) ?? [];
  const names = (colors: string) => [...colors.matchAll(/--([a-z-]+):#/g)].map(([, name]) => name);
  assert(names(light).length > 10);
  assertEquals(names(light), names(dark));
  const used = [...svg.matchAll(/var\(--([a-z-]+)\)/g)].map(([, name]) => name!);
  assertEquals(new Set(used), new Set(names(light)));
  assert(!/(fill|stroke)="#/.test(svg), "a colour that knows no dark");
});

Deno.test("SvgLadder tells a lifeline that may send from one that may only receive", () => {
  const lives = (events: TraceEvent[]) =>
    [...new SvgLadder().draw(events).toString().matchAll(/class="life (\w+)"/g)].map(([, it]) =>
      it
    );
  assertEquals(lives(CLOSED), ["open", "finished", "open"]);
  assertEquals(lives([...CLOSED, { kind: "close", who: "server", at: 5, end: 5 }]), [
    ...["open", "open", "finished"],
  ]);
});

Deno.test("SvgLadder draws a pill for each state, with a colour that it has", () => {
  const states = TCP_STATES.map((state, at): TraceEvent => ({
    kind: "state",
    who: "a",
    at,
    state,
  }));
  const svg = new SvgLadder().draw(states).toString();
  const kinds = [...svg.matchAll(/class="pill (\w+)"/g)].map(([, kind]) => kind!);
  assertEquals(kinds.length, TCP_STATES.length);
  for (const kind of kinds) assertStringIncludes(svg, `.pill.${kind}{`);
});

Deno.test("SvgLadder puts pictures and claims one below the other, and is as high as they are", () => {
  const svg = new SvgLadder().draw(CLOSED).claim("held", true).draw(CLOSED).claim("did not", false)
    .claim("could not be seen", undefined).toString();
  const heights = [...svg.matchAll(/ y="([\d.]+)"/g)].map(([, y]) => Number(y));
  const [, height] = /^<svg [^>]*height="([\d.]+)"/.exec(svg) ?? [];
  assert(Math.max(...heights) < Number(height));
  const below = ["✓", "held", "client", "✗", "did not", "–", "could not be seen"];
  const said = texts(svg);
  assertEquals(
    said.filter((text) => below.slice(0, 2).includes(text) || below.slice(3).includes(text)),
    [
      ...["✓", "held", "✗", "did not", "–", "could not be seen"],
    ],
  );
  assert(said.indexOf("held") < said.lastIndexOf("client"));
});

Deno.test("SvgLadder draws nothing of nothing", () => {
  assertEquals(texts(new SvgLadder().draw([]).toString()), []);
  assertMatch(new SvgLadder().toString(), /^<svg .*<\/svg>\n$/s);
});

Deno.test("SvgLadder is well-formed XML, and inside its frame, whatever the trace", () => {
  fc.assert(
    fc.property(anyTrace(), fc.string({ unit: "binary" }), (events, title) => {
      const svg = new SvgLadder({ title, subtitle: title }).draw(events).claim(title, true);
      wellFormed(svg.toString());
    }),
    { numRuns: 300 },
  );
});

Deno.test("SvgLadder draws an arrow from the lifeline that sends to the one that takes", () => {
  const seen: TraceEvent[] = [
    { kind: "connect", who: "client", at: 0, end: 1, remote: "127.0.0.1:9", conn: "c" },
    { kind: "accept", who: "server", at: 1, end: 1, remote: "127.0.0.1:8", conn: "c" },
    { kind: "write", who: "client", at: 2, end: 2, size: 4, bytes: 4, conn: "c" },
    { kind: "read", who: "server", at: 0, end: 3, size: 9, bytes: 4, conn: "c" },
    { kind: "reset", who: "server", at: 4, end: 4, conn: "c" },
  ];
  const svg = new SvgLadder().draw(seen).toString();
  const [client, server] = [300, 660];
  const arrows = [...svg.matchAll(/<path d="M(\d+) ([\d.]+)H(\d+)" class="arrow (\w+)"/g)]
    .map(([, from, , to, kind]) => [kind, from, to]);
  assertEquals(arrows, [
    ["syn", `${client}`, `${server - 8}`],
    ["data", `${client}`, `${server - 8}`],
    ["rst", `${server}`, `${client + 8}`],
  ]);
  const tips = [...svg.matchAll(/<path d="M(\d+) [\d.]+l(-?\d+) -4.5v9z" class="tip (\w+)"/g)]
    .map(([, at, back, kind]) => [kind, at, back]);
  // A handshake is made by both, and points at both; a tip points away from where it came.
  assertEquals(tips, [
    ...[["syn", `${server - 3}`, "-9"], ["syn", `${client + 3}`, "9"]],
    ["data", `${server - 3}`, "-9"],
    ["rst", `${client + 3}`, "9"],
  ]);
  const dots = [...svg.matchAll(/<circle cx="(\d+)"/g)].map(([, at]) => at);
  assertEquals(dots, [`${client}`, `${server}`], "a call that sends is a dot where it was made");
});

Deno.test("SvgLadder draws what is taken late from halfway, and what is lost not to the end", () => {
  const late: TraceEvent[] = [
    { kind: "write", who: "client", at: 1, end: 1, size: 4, bytes: 4 },
    { kind: "closeWrite", who: "client", at: 2, end: 2 },
    { kind: "read", who: "server", at: 0, end: 3, size: 9, bytes: 4 },
    { kind: "write", who: "server", at: 4, end: 4, size: 4, bytes: 4 },
    { kind: "close", who: "client", at: 5, end: 5 },
  ];
  const svg = new SvgLadder().draw(late).toString();
  const ways = [...svg.matchAll(/<path d="M(\d+) [\d.]+H(\d+)" class="arrow data( late)?"/g)];
  assertEquals(ways.map(([, from, to, late]) => [from, to, late !== undefined]), [
    ["300", "652", false],
    ["510", "652", true],
    ["660", "321", false],
  ]);
});

Deno.test("SvgLadder keeps words apart, and off the lifelines, whatever the trace", () => {
  fc.assert(
    fc.property(anyTrace(), (events) => {
      const svg = new SvgLadder().draw(events, { lifelines: ["client", "server"] }).toString();
      const boxes = boxesOf(svg);
      for (const [at, a] of boxes.entries()) {
        assert(a.left >= 0 && a.right <= 960, `not on the page: ${a.text}`);
        for (const b of boxes.slice(at + 1)) {
          const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top ||
            b.bottom <= a.top;
          assert(apart, `${a.text} lies on ${b.text}`);
        }
        if (a.kind.includes("caption") || a.kind.includes("state") || a.kind === "who") continue;
        assert(
          a.right < 300 || a.left > 300 && a.right < 660 || a.left > 660,
          `on a line: ${a.text}`,
        );
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("SvgLadder puts words between more lifelines than two, and keeps them apart", () => {
  const call = (who: string, at: number, kind: "read" | "write"): TraceEvent => ({
    ...{ who, at, end: at, kind, size: 9, bytes: 9, conn: "ac" },
  });
  const events = [call("a", 1, "write"), call("c", 2, "read"), call("c", 3, "write")];
  const svg = new SvgLadder().draw(events, { lifelines: ["a", "b", "c"] }).toString();
  const boxes = boxesOf(svg);
  const at = (word: string) => boxes.find(({ text }) => text === word)!;
  const lines = [132, 480, 828];
  assert(at("write 9 B").left > lines[0]! && at("write 9 B").right < lines[1]!);
  assert(at("read 9 B").left > lines[1]! && at("read 9 B").right < lines[2]!);
  const times = boxes.filter(({ kind }) => kind === "time").map(({ text, right }) => [text, right]);
  assertEquals(times, [["ms", 74], ["1.00", 74], ["3.00", 74]], "one time for each row");
});

Deno.test("SvgLadder writes a state in its pill, and what the kernel holds beside it", () => {
  const state: TraceEvent = {
    kind: "state",
    who: "client",
    at: 1,
    state: "FIN-WAIT-1",
    sendQueue: 9,
  };
  const svg = new SvgLadder().draw([state], { lifelines: ["client", "server"] }).toString();
  const [, x, y, width, height] =
    /<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" rx="10.5"/.exec(svg)!
      .map(Number);
  assertEquals(x! + width! / 2, 300);
  const [pill, held] = [/FIN-WAIT-1/, /unacked/].map((word) =>
    boxesOf(svg).find(({ text }) => word.test(text))!
  );
  assert(pill!.left >= x! && pill!.right <= x! + width!);
  assert(pill!.top >= y! && pill!.bottom <= y! + height!);
  assert(held!.right < x! && held!.bottom > y! && held!.top < y! + height!);
});

/** Where each text of one line is; of the monospaced ones, whose letters are all as wide. */
function boxesOf(svg: string) {
  const found = svg.matchAll(
    /<text x="([\d.-]+)" y="([\d.-]+)" class="([^"]*)" text-anchor="(\w+)">([^<]*)</g,
  );
  return [...found].filter(([, , , kind]) => !/note|plain|title/.test(kind!)).map(
    ([, x, y, kind, anchor, escaped]) => {
      const text = escaped!.replaceAll(/&\w+;/g, "&");
      const letter = kind!.includes("time") ? 6.7 : /caption|state/.test(kind!) ? 7.1 : 7.9;
      const width = columns(text) * letter;
      const left = Number(x) - (anchor === "end" ? width : anchor === "middle" ? width / 2 : 0);
      return {
        text,
        kind: kind!,
        left,
        right: left + width,
        top: Number(y) - 9,
        bottom: Number(y) + 2,
      };
    },
  );
}

/** The texts that are drawn, in order. */
function texts(svg: string): string[] {
  return [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) =>
    text!.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"')
      .replaceAll("&amp;", "&")
  );
}

/** As much of XML as an SVG of ours has. */
function wellFormed(xml: string): void {
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(xml), "a character that XML has not");
  assert(xml.isWellFormed());
  const open: string[] = [];
  const rest = xml.trimEnd().replaceAll(
    /<(\/?)([a-z]+)((?: [a-zA-Z-]+="[^"<]*")*)(\/?)>|([^<]*)/g,
    (all, end, name, _attributes, empty, text) => {
      if (name === undefined) {
        assert(!/&(?!(lt|gt|amp|quot);)/.test(text), `a bare ampersand: ${text}`);
        return all === text ? "" : all;
      }
      if (end) assertEquals(open.pop(), name);
      else if (!empty) open.push(name);
      return "";
    },
  );
  assertEquals([rest, open], ["", []]);
  const numbers = xml.matchAll(/ (?:x|y|cx|cy|width|height)="([^"]*)"/g);
  for (const [, number] of numbers) assert(/^-?\d+(\.\d+)?$/.test(number!), `no number: ${number}`);
}
