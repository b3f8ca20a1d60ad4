/**
 * The diagrams in docs/ that are made from code. `deno task diagrams` writes them
 * anew; diagrams_test.ts fails where that was forgotten.
 */

import { statesMermaid } from "../../lib/observe/states_mermaid.ts";
import { statesSvg } from "../../lib/observe/states_svg.ts";
import { ROOT } from "../_script.ts";

/** A file with a diagram in it. */
export interface Diagram {
  /** From the root. */
  file: string;
  /** What the file is to be, given what it is. */
  drawn(text: string): string;
}

/** All of them. */
export const DIAGRAMS: readonly Diagram[] = [
  {
    file: "docs/states.md",
    drawn: (text) => between(text, "states", `\`\`\`mermaid\n${statesMermaid()}\`\`\``),
  },
  { file: "docs/tcp_states.svg", drawn: statesSvg },
];

/** Puts `inside` between the two marks of that name, of which there must be one each. */
export function between(text: string, name: string, inside: string): string {
  const [begin, end] = [`<!-- ${name}: made by deno task diagrams -->`, `<!-- ${name}: end -->`];
  const [before, rest, ...more] = text.split(begin);
  const [old, after, ...others] = rest?.split(end) ?? [];
  if (old === undefined || after === undefined || more.length + others.length > 0) {
    throw new Error(`Cannot draw as the text must have ${begin} and ${end} once`);
  }
  return `${before}${begin}\n\n${inside}\n\n${end}${after}`;
}

if (import.meta.main) {
  for (const { file, drawn } of DIAGRAMS) {
    const path = new URL(file, ROOT);
    await Deno.writeTextFile(path, drawn(await Deno.readTextFile(path).catch(() => "")));
  }
}
