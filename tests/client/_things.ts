/** Things for a pool to hold, which remember what is done to them. */

/** One thing. */
export interface Thing extends Disposable {
  /** Counted from 1. */
  readonly number: number;
  /** How often it was disposed. */
  disposed: number;
}

/** Makes things, and knows them all. */
export class Factory {
  /** All that were made. */
  readonly things: Thing[] = [];
  /** Openings that wait to be told how they go, if `manual`. */
  readonly waiting: {
    resolve: () => Thing;
    reject: (error: unknown) => void;
    signal: AbortSignal;
  }[] = [];
  /** Errors of the next openings; those after them succeed. */
  readonly errors: unknown[] = [];
  /** The most that were open at once. */
  peak = 0;
  readonly #manual: boolean;

  constructor(options: { manual?: boolean } = {}) {
    this.#manual = options.manual ?? false;
  }

  /** Those that are open. */
  get open(): number {
    return this.things.filter(({ disposed }) => disposed === 0).length;
  }

  /** What a pool calls. */
  readonly make = ({ signal }: { signal: AbortSignal }): Promise<Thing> => {
    if (this.errors.length > 0) return Promise.reject(this.errors.shift());
    if (!this.#manual) return Promise.resolve(this.thing());
    const { promise, resolve, reject } = Promise.withResolvers<Thing>();
    const made = () => {
      const thing = this.thing();
      resolve(thing);
      return thing;
    };
    this.waiting.push({ resolve: made, reject, signal });
    return promise;
  };

  /** One more. */
  thing(): Thing {
    const thing = {
      number: this.things.length + 1,
      disposed: 0,
      [Symbol.dispose]: () => void thing.disposed++,
    };
    this.things.push(thing);
    this.peak = Math.max(this.peak, this.open);
    return thing;
  }
}

/** Lets all that is ready run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await undefined;
}
