// A storage in memory, such as a browser's, and one with faults.

/** What `localStorage` is to a page. */
export class Store {
  /** @type {Map<string, string>} */
  all = new Map();
  writes = 0;
  /** Throws at everything from now on. */
  broken = false;
  /** How many characters fit. */
  room = Infinity;

  /** @param {string} key */
  getItem(key) {
    this.#check();
    return this.all.get(key) ?? null;
  }

  /** @param {string} key @param {string} value */
  setItem(key, value) {
    this.#check();
    const others = [...this.all].filter(([name]) => name !== key).reduce((sum, [, text]) => sum + text.length, 0);
    if (others + value.length > this.room) {
      throw new Error("there is no room");
    }
    this.writes += 1;
    this.all.set(key, value);
  }

  /** @param {string} key */
  removeItem(key) {
    this.#check();
    this.all.delete(key);
  }

  #check() {
    if (this.broken) {
      throw new Error("the storage is broken");
    }
  }
}
