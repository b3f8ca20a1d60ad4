import { assert, assertEquals, assertThrows } from "@std/assert";
import { statesSvg } from "../../lib/observe/states_svg.ts";
import { FIGURE_5, TCP_STATES } from "../../lib/observe/tcp_states.ts";
import { needs } from "../_needs.ts";
import { ROOT } from "../_script.ts";
import { between, DIAGRAMS } from "./_diagrams.ts";

for (const { file, drawn } of DIAGRAMS) {
  needs(
    { read: true },
    `${file} has the diagram that the code draws: deno task diagrams`,
    async () => {
      const text = await Deno.readTextFile(new URL(file, ROOT));
      assertEquals(text, drawn(text));
    },
  );
}

Deno.test("between() replaces what stands between its marks, and nothing else", () => {
  const text = "a\n<!-- x: made by deno task diagrams -->\nold\n<!-- x: end -->\nb\n";
  const made = between(text, "x", "new");
  assertEquals(made, text.replace("\nold\n", "\n\nnew\n\n"));
  assertEquals(between(made, "x", "new"), made);
  for (const wrong of ["", text + text, text.replace("<!-- x: end -->", "")]) {
    assertThrows(() => between(wrong, "x", "new"), Error, "must have <!-- x: made by");
  }
});

/** Attributes and text of every element of one name. */
function elements(svg: string, name: string): { of: Record<string, string>; text: string }[] {
  return [
    ...svg.matchAll(new RegExp(`<${name}((?: [\\w-]+="[^"]*")*)(?:/>|>([^<]*)</${name}>)`, "g")),
  ]
    .map(([, attributes, text = ""]) => ({
      of: Object.fromEntries(
        [...attributes!.matchAll(/([\w-]+)="([^"]*)"/g)].map((it) => it.slice(1)),
      ),
      text,
    }));
}

const numbers = (text: string) => (text.match(/-?\d+(\.\d+)?/g) ?? []).map(Number);

Deno.test("statesSvg() draws every state, CLOSED twice, and every way of the figure", () => {
  const svg = statesSvg();
  const words = elements(svg, "text");
  const states = words.filter(({ of }) => of["class"]!.startsWith("state "));
  assertEquals(states.map(({ text }) => text).sort(), [...TCP_STATES, "CLOSED"].sort());
  assertEquals(elements(svg, "rect").length, 1 + states.length);
  const arrows = elements(svg, "path").filter(({ of }) => of["class"]!.startsWith("arrow "));
  assertEquals(arrows.length, FIGURE_5.length);
  const captions = words.filter(({ of }) => of["class"]!.startsWith("caption"));
  const said = FIGURE_5.flatMap(({ on, send, when }) => [
    when === undefined ? on : `${on}, ${when}`,
    ...send === undefined ? [] : [`send ${send}`],
  ]);
  assertEquals(captions.map(({ text }) => text), said);
});

Deno.test("statesSvg(): every way begins at its state, ends at the other, and passes through none", () => {
  const svg = statesSvg();
  const boxes = elements(svg, "rect").slice(1).map(({ of }) => {
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(of[name]));
    return { left: x!, top: y!, right: x! + width!, bottom: y! + height! };
  });
  const names = elements(svg, "text").filter(({ of }) => of["class"]!.startsWith("state "))
    .map(({ text }) => text);
  const near = ([x, y]: number[], room: number) =>
    names.filter((_, at) => {
      const { left, top, right, bottom } = boxes[at]!;
      return x! >= left - room && x! <= right + room && y! >= top - room && y! <= bottom + room;
    });
  const drawn = elements(svg, "path").map(({ of }) => ({
    kind: of["class"]!,
    at: numbers(of["d"]!),
  }));
  const arrows = drawn.filter(({ kind }) => kind.startsWith("arrow "));
  FIGURE_5.forEach(({ from, to }, way) => {
    const { at } = arrows[way]!;
    const corners = Array.from({ length: at.length / 2 }, (_, i) => at.slice(2 * i, 2 * i + 2));
    assertEquals(near(corners[0]!, 1), [from]);
    assertEquals(near(corners.at(-1)!, 12), [to]);
    // Every line goes straight across or down, so looking every few pixels misses no box.
    for (const [i, corner] of corners.slice(1).entries()) {
      for (let part = 0.02; part < 1; part += 0.02) {
        const on = corners[i]!.map((value, axis) => value + (corner[axis]! - value) * part);
        const touched = near(on, -4);
        assertEquals(touched, [], `${from} to ${to}`);
      }
    }
  });
  const tips = drawn.filter(({ kind }) => kind.startsWith("tip "));
  FIGURE_5.forEach(({ to }, way) => assertEquals(near(tips[way]!.at.slice(0, 2), 1), [to]));
});

Deno.test("statesSvg() is one whole file, light and dark, and lets nothing out of its frame", () => {
  const svg = statesSvg();
  assert(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 '));
  assert(svg.includes("@media (prefers-color-scheme:dark)"));
  const [, , width, height] = numbers(/viewBox="([^"]*)"/.exec(svg)![1]!);
  for (const { of, text } of elements(svg, "text")) {
    const long = text.length * (of["class"] === "title" ? 12 : 7.5);
    const start = { start: 0, middle: -long / 2, end: -long }[of["text-anchor"] ?? "start"]!;
    const x = Number(of["x"]) + start;
    assert(x >= 0 && x + long <= width!, text);
    assert(Number(of["y"]) > 10 && Number(of["y"]) < height! - 5, text);
  }
  assert(!/NaN|undefined/.test(svg));
});
