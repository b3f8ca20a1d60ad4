/**
 * The scenarios that there are: every file of a folder, but for those that begin with `_`.
 *
 * @module
 */

import { moduleDoc } from "./_help.ts";
import { byOrder, type Lesson, lesson, LessonError, permissions } from "./scenarios/_lesson.ts";

/** A scenario that can be run. */
export interface Entry {
  /** Its file's name without `.ts`. */
  readonly name: string;
  /** Its file. */
  readonly file: URL;
  /** What it says about itself; missing if that cannot be read. */
  readonly lesson?: Lesson;
  /** The flags on its first line. */
  readonly flags: readonly string[];
  /** Why it cannot be run. */
  readonly problem?: string;
}

/** The scenarios of `folder`, whose URL ends in a slash, in the order of the chapter. */
export async function catalog(folder: URL): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile && /^[^_.].*\.ts$/.test(name)) entries.push(await entry(new URL(name, folder)));
  }
  return entries.sort((a, b) => {
    // What cannot be read has no place, and comes last.
    const order = byOrder(a.lesson?.order ?? [Infinity], b.lesson?.order ?? [Infinity]);
    return order || (a.name < b.name ? -1 : 1);
  });
}

async function entry(file: URL): Promise<Entry> {
  const name = file.pathname.replace(/^.*\/|\.ts$/g, "");
  try {
    const source = await Deno.readTextFile(file);
    return { name, file, flags: permissions(source), lesson: lesson(moduleDoc(source)) };
  } catch (error) {
    if (error instanceof LessonError) return { name, file, flags: [], problem: error.message };
    throw error;
  }
}
