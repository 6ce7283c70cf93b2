// Who wants to be told of what: the models say what happened, the views listen.

/** Something that tells. */
export class News {
  #listeners = new Map();

  /** Calls `listener` with what is told of this sort; returns what takes it off again. */
  on(sort, listener) {
    const all = this.#listeners.get(sort) ?? new Set();
    this.#listeners.set(sort, all.add(listener));
    return () => all.delete(listener);
  }

  /** Tells all who listen, in the order in which they came. */
  tell(sort, ...what) {
    for (const listener of [...(this.#listeners.get(sort) ?? [])]) {
      listener(...what);
    }
  }
}

/** A function that does `act` once in a frame at most, however often it is called. */
export function framed(act) {
  let waits = false;
  return () => {
    if (!waits) {
      waits = true;
      requestAnimationFrame(() => {
        waits = false;
        act();
      });
    }
  };
}
