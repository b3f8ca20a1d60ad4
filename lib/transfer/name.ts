/**
 * Which names a file may arrive under. A name is a stranger's word: it must stay in
 * the folder, mean the same on every system, and print as what it is.
 *
 * @module
 */

import { TransferError } from "./error.ts";

/**
 * The longest name, in bytes of UTF-8. File systems take 255; what is left is for the
 * dot and the ending of {@linkcode partName}.
 */
export const MAX_NAME = 240;

/**
 * Invisible characters that writing needs: they join what an emoji is made of, and choose the
 * form of letters, in Arabic script or after marks such as those of Devanagari.
 */
const JOINED =
  /(?<=[\p{M}\p{Emoji_Modifier}\p{Extended_Pictographic}\p{Script=Arabic}])[\u200c\u200d](?=[\p{L}\p{Extended_Pictographic}])/gu;

/** What makes a name none, and the reason we give. */
const RULES: readonly (readonly [broken: (name: string) => boolean, rule: string])[] = [
  [(name) => name === "", "must not be empty"],
  [(name) => name === "." || name === "..", "must not be a folder"],
  [(name) => /[/\\]/.test(name), "must not hold a separator"],
  // "C:x" is a file on another drive, and "x:y" a hidden stream of x, both on Windows.
  [(name) => name.includes(":"), "must not hold a colon"],
  [(name) => /\p{Cc}|\p{Zl}|\p{Zp}/u.test(name), "must not hold a control character"],
  // U+202E makes "gpj.exe" look like "exe.jpg".
  [
    (name) => /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(name),
    "must not turn the direction of writing",
  ],
  // Beside those that format, four letters of Hangul that stand for none.
  [
    (name) => /[\p{Cf}\u115f\u1160\u3164\uffa0]/u.test(name.replaceAll(JOINED, "")),
    "must not hold an invisible character",
  ],
  [(name) => !name.isWellFormed(), "must be well-formed Unicode"],
  [(name) => /^ |[. ]$/.test(name), "must not begin or end in what Windows strips"],
  [
    (name) => /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)/i.test(name),
    "must not be a device of Windows",
  ],
  [(name) => /^\..*\.part$/i.test(name), "must not be the name of a part"],
  [
    (name) => new TextEncoder().encode(name).length > MAX_NAME,
    `must have at most ${MAX_NAME} bytes`,
  ],
];

/**
 * Returns `name` if a file may be stored under it.
 *
 * @throws {TransferError} If it may not: `fault` is `"name"`.
 */
export function checkName(name: string): string {
  const broken = RULES.find(([broken]) => broken(name));
  if (broken === undefined) return name;
  throw new TransferError(
    "name",
    `Cannot take a file as its name ${broken[1]}: current value is ${quote(name)}`,
  );
}

/** Under which name a file waits until it is whole. */
export function partName(name: string): string {
  return `.${name}.part`;
}

/** As JSON, and cut: neither control characters nor a page of text reach a terminal. */
export function quote(name: string): string {
  const cut = name.length > 80 ? `${name.slice(0, 80)}…` : name;
  return JSON.stringify(cut).replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}

/** A path, cut before its last part; on Windows a backslash separates as well. */
export function splitPath(path: string): [folder: string, name: string] {
  const end = path.search(Deno.build.os === "windows" ? /[^/\\]*$/ : /[^/]*$/);
  return [path.slice(0, end).replace(/(.)[/\\]$/, "$1") || ".", path.slice(end)];
}
