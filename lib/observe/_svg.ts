/** SVG as text: elements, and the colours of a ladder in light and in dark. */

/** An element; text in `children` is already escaped. */
export function el(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  ...children: readonly string[]
): string {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  const open = [name, ...given.map(([key, value]) => `${key}="${escape(value!)}"`)].join(" ");
  return children.length === 0 ? `<${open}/>` : `<${open}>${children.join("")}</${name}>`;
}

/** As text in XML 1.0, which has no word for most control characters. */
export function escape(value: string | number): string {
  // A lone half of a character is none.
  const text = typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
  return text.toWellFormed()
    // deno-lint-ignore no-control-regex
    .replaceAll(/[\x00-\x1f\x7f-\x9f\ufffe\uffff]/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** Text at a place; `class` is its kind, `anchor` where it is held. */
export function label(
  x: number,
  y: number,
  words: string,
  kind: string,
  anchor: "start" | "middle" | "end" = "start",
): string {
  return el("text", { x, y, class: kind, "text-anchor": anchor }, escape(words));
}

/** Name, in light, in dark. */
const COLORS: readonly (readonly [string, string, string])[] = [
  ["paper", "#ffffff", "#0d1117"],
  ["band", "#f6f8fa", "#161b22"],
  ["ink", "#1f2328", "#e6edf3"],
  ["faint", "#656d76", "#8d96a0"],
  ["line", "#c6ced7", "#3d444d"],
  ["syn", "#1a7f37", "#3fb950"],
  ["data", "#0969da", "#58a6ff"],
  ["fin", "#9a6700", "#d29922"],
  ["rst", "#cf222e", "#ff7b72"],
  ["ack", "#818b98", "#767f8a"],
  ["opening", "#ddf4ff", "#0c2d6b"],
  ["opening-ink", "#0550ae", "#a5d6ff"],
  ["open", "#dafbe1", "#033a16"],
  ["open-ink", "#116329", "#7ee787"],
  ["closing", "#fff8c5", "#4b2900"],
  ["closing-ink", "#7d4e00", "#e3b341"],
  ["waiting", "#fbefff", "#3c1e70"],
  ["waiting-ink", "#6639ba", "#d2a8ff"],
  ["closed", "#eaeef2", "#262c36"],
  ["closed-ink", "#57606a", "#9198a1"],
];

const palette = (index: 1 | 2) => COLORS.map((color) => `--${color[0]}:${color[index]}`).join(";");

/** What each kind of thing looks like. */
export const STYLE = `svg{${palette(1)};color-scheme:light dark}
@media (prefers-color-scheme:dark){svg{${palette(2)}}}
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
.title{font:600 20px system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
.note{font:italic 14px system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
.plain{font:14px system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
.faint,.time{fill:var(--faint)}.time{font-size:11px}
.who{font-weight:600;font-size:14px}
.paper{fill:var(--paper)}.band{fill:var(--band)}.head{fill:var(--band);stroke:var(--line)}
.life{stroke:var(--line);stroke-width:2}.finished{stroke-dasharray:3 5}
.arrow{fill:none;stroke-width:1.6}.dot{stroke:none}
.caption{stroke:var(--paper);stroke-width:5px;stroke-linejoin:round;paint-order:stroke;font-size:12px}
.bracket{fill:none;stroke:var(--faint)}
${
  ["syn", "data", "fin", "rst", "ack"].map((kind) =>
    `.arrow.${kind}{stroke:var(--${kind})}.dot.${kind},.tip.${kind},.caption.${kind}{fill:var(--${kind})}`
  ).join("\n")
}
.arrow.rst{stroke-dasharray:7 3 1.5 3}.arrow.late{stroke-dasharray:2 4}
${
  ["opening", "open", "closing", "waiting", "closed"].map((kind) =>
    `.pill.${kind}{fill:var(--${kind});stroke:var(--paper);stroke-width:3}` +
    `.state.${kind}{fill:var(--${kind}-ink)}`
  ).join("\n")
}
.state{font-size:11.5px;font-weight:600}.yes{fill:var(--syn)}.no{fill:var(--rst)}`;
