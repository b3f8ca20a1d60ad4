/** Counts who listens to a signal, to see that all let go of it in the end. */

/** A signal, how to abort it, and how many listen to it now. */
export interface WatchedSignal {
  /** To hand out. */
  readonly signal: AbortSignal;
  /** How many listeners it has. */
  readonly listeners: number;
}

/** Makes a signal whose listeners are counted. */
export function watchedSignal(): WatchedSignal {
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener;
  const remove = signal.removeEventListener;
  signal.addEventListener = (...args: unknown[]) => {
    listeners++;
    Reflect.apply(add, signal, args);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    listeners--;
    Reflect.apply(remove, signal, args);
  };
  return {
    signal,
    get listeners() {
      return listeners;
    },
  };
}
