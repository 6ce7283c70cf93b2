// Listeners, by type of event.

/** Tells listeners of events. One that throws harms nothing else. */
export class Events {
  /** @type {Map<string, Set<(event: any) => void>>} */
  #listeners = new Map();

  /**
   * Listens for events of a type. The README names the types, and what each event holds.
   * @param {string} type
   * @param {(event: any) => void} listener
   * @returns {() => void} takes the listener off again
   */
  on(type, listener) {
    const all = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, all.add(listener));
    return () => void all.delete(listener);
  }

  /** The next event of a type. @param {string} type @returns {Promise<any>} */
  once(type) {
    return new Promise((resolve) => {
      const off = this.on(type, (event) => {
        off();
        resolve(event);
      });
    });
  }

  /** @internal @param {string} type @param {unknown} event */
  emit(type, event) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        const report = /** @type {any} */ (globalThis).reportError ?? console.error;
        report(error);
      }
    }
  }
}
