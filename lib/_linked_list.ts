/**
 * A list that many come to and leave, in the order in which they came.
 *
 * It is no Set. One that members come to and leave gets a new table again and again, and in V8 each
 * table holds the next one. Once one of them is in the old generation, all after it live on until
 * that is collected, with whoever was in them: every scavenge then moves connections that are long
 * over. A proxy's own work for a connection took almost twice as long (docs/performance.md).
 */

/** What can be in a list, in one at a time: who is before it, and who after it. */
export interface Linked<T> {
  before: T | undefined;
  after: T | undefined;
}

/** A list whose members know their neighbours. */
export class LinkedList<T extends Linked<T>> {
  /** How many are in it. */
  size = 0;
  /** Who came first. */
  first: T | undefined;
  #last: T | undefined;

  /** Adds a member that is in no list. */
  add(member: T): void {
    member.before = this.#last;
    if (this.#last === undefined) this.first = member;
    else this.#last.after = member;
    this.#last = member;
    this.size++;
  }

  /** Takes one out; says whether it was in. */
  remove(member: T): boolean {
    const { before, after } = member;
    if (before === undefined && this.first !== member) return false;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    // Who has left must hold nobody, or it would be as with a Set.
    member.before = member.after = undefined;
    this.size--;
    return true;
  }

  /** Who is in it now: others may come and go while these are met. */
  members(): T[] {
    const members: T[] = [];
    for (let at = this.first; at !== undefined; at = at.after) members.push(at);
    return members;
  }
}
