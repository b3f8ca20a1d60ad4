/**
 * The help of a script is its module doc, so that there is one text to keep true.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };

/** What `--version` prints. */
export const VERSION = `tcplab ${config.version}`;

/**
 * The module doc of the script that runs, without its comment marks.
 *
 * Deno hands out the text of the main module without any permission, also when it came
 * over HTTP; that of another module would need `--allow-read`.
 */
export async function help(script: ImportMeta): Promise<string> {
  const { default: source } = await import(script.url, { with: { type: "text" } });
  return moduleDoc(source);
}

/** The first doc comment of a source text, as plain text without the `@module` tag. */
export function moduleDoc(source: string): string {
  const [, comment = ""] = /\/\*\*(.*?)\*\//s.exec(source) ?? [];
  const lines = comment.split("\n").map((line) => line.replace(/^\s*\* ?/, "").trimEnd());
  return lines.filter((line) => line !== "@module").join("\n").trim();
}
