/**
 * Whose turn it is to speak in a room that waits for its readers.
 *
 * @module
 */

/** What speakers wait for. */
export interface Pressed {
  /** While this is there, speakers wait for it. */
  readonly pressed?: Promise<void> | undefined;
}

/**
 * Lets speakers go on one by one, in the order in which they came. If all who wait looked at
 * the room each time somebody may go on, thousands of them would keep it from anything else.
 */
export class Floor {
  readonly #room: Pressed;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Waits while `room` is pressed. */
  constructor(room: Pressed) {
    this.#room = room;
  }

  /** Does `speak`, which does not wait, at once if nothing is to be waited for. */
  async take<T>(speak: () => T): Promise<T> {
    if (this.#waiting === 0 && !this.#room.pressed) return speak();
    this.#waiting++;
    const turn = this.#last.then(async () => {
      while (this.#room.pressed) await this.#room.pressed;
      this.#waiting--;
      return speak();
    });
    this.#last = turn.catch(() => {});
    return await turn;
  }
}
