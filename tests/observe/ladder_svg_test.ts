import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
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
