/**
 * What a scenario says about itself: its first line is what it may touch, and its module
 * doc is title, place in the chapter, and what it is about. The lab reads it before it
 * runs anything, and the scenario itself when it starts.
 *
 * @module
 */

import { FailureError } from "../_cli.ts";
import type { Permission } from "../_permissions.ts";

/** A scenario's module doc, taken apart. */
export interface Lesson {
  /** Its first paragraph, on one line. */
  readonly title: string;
  /** Where the chapter treats it: `[5, 1]` for the first part of the fifth section. */
  readonly order: readonly number[];
  /** That section's heading. */
  readonly section: string;
  /** What it is about: the paragraphs up to the first one that is indented. */
  readonly about: readonly string[];
}

/** A scenario's text is not what the lab can work with. */
export class LessonError extends FailureError {}

const CHAPTER = /^Chapter §(\d+(?:\.\d+)*): (.+)$/;

/**
 * Reads a module doc without comment marks.
 *
 * @throws {LessonError} If its second paragraph does not say where the chapter treats it.
 */
export function lesson(doc: string): Lesson {
  const [title = "", place = "", ...more] = doc.split(/\n{2,}/);
  const [, order = "", section = ""] = CHAPTER.exec(oneLine(place)) ?? [];
  if (order === "") {
    throw new LessonError(
      `the second paragraph of its module doc must be such as "Chapter §5.1: shutdown() vs close()"`,
    );
  }
  const usage = more.findIndex((paragraph) => paragraph.startsWith("    "));
  const about = usage < 0 ? more : more.slice(0, usage);
  return {
    title: oneLine(title),
    order: order.split(".").map(Number),
    section,
    about,
  };
}

/** Compares two places in the chapter, for sorting. */
export function byOrder(a: readonly number[], b: readonly number[]): number {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const SHEBANG = "#!/usr/bin/env -S deno run";

/** A permission is named with what it is for: no lesson needs a whole kind. */
const GRANT = /^--allow-(net|read|write|run|env|sys)=([^\s=]+)$/;
const UNSTABLE = /^--unstable-[a-z-]+$/;

/**
 * The flags on a scenario's first line, for starting it.
 *
 * @throws {LessonError} If the line is missing, or grants more than it names.
 */
export function permissions(source: string): string[] {
  const first = source.split("\n", 1)[0]!;
  if (!first.startsWith(SHEBANG)) {
    throw new LessonError(`its first line must begin with "${SHEBANG}"`);
  }
  const flags = first.slice(SHEBANG.length).split(" ").filter((flag) => flag !== "");
  const stray = flags.find((flag) => !GRANT.test(flag) && !UNSTABLE.test(flag));
  if (stray === undefined) return flags;
  throw new LessonError(
    `its first line must grant only what it names, such as --allow-net=127.0.0.1: got ${stray}`,
  );
}

/**
 * The permissions that those flags give, one by one.
 *
 * @throws {LessonError} As {@linkcode permissions} does.
 */
export function grants(source: string): Permission[] {
  return permissions(source).flatMap((flag) => {
    const [, kind, values = ""] = GRANT.exec(flag) ?? [];
    return values.split(",").filter((to) => to !== "").map((to) => ({ kind, to }) as Permission);
  });
}

/**
 * Whether a lesson goes on without it: programs that look at the kernel and at the wire are not
 * on every machine, and the lesson says what it could not see.
 */
export function isOptional({ kind, to }: Permission): boolean {
  return kind === "run" && to !== "deno";
}

function oneLine(paragraph: string): string {
  return paragraph.split("\n").join(" ").trim();
}
