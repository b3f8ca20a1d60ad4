/**
 * What people may be called, and what may reach their terminals.
 *
 * @module
 */

/** The most characters of a name. */
const LONGEST_NAME = 24;

/** Nothing here can end a name early, look like a word of the room's, or move a cursor. */
const NAME = new RegExp(`^[\\p{L}\\p{N}][\\p{L}\\p{M}\\p{N}._-]{0,${LONGEST_NAME - 1}}$`, "u");

/** Letters that draw nothing, such as U+3164: two names must not look the same by them. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;

/** What a name must be, in words. */
export const NAME_RULE =
  `a name must have 1 to ${LONGEST_NAME} letters, digits or . _ - and begin with a letter or digit`;

/**
 * The name that is meant by `text`, or nothing if it is none. Forms that differ only in how
 * they are drawn are one name (NFKC); letters of two scripts that look alike are two.
 */
export function chatName(text: string): string | undefined {
  const name = text.normalize("NFKC");
  return NAME.test(name) && !INVISIBLE.test(name) ? name : undefined;
}

/** The same for names that differ only in case. */
export function nameKey(name: string): string {
  return name.toUpperCase();
}

/**
 * What can do something to a terminal instead of being shown there: control characters,
 * ESC above all; other ends of a line; and marks that turn the direction of what follows.
 */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** The same text, harmless: a tab becomes a blank, all that could upset a terminal U+FFFD. */
export function printable(text: string): string {
  return text.replaceAll("\t", " ").replaceAll(UNPRINTABLE, "\ufffd");
}
