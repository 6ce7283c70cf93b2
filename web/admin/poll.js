// Asks again and again: one round at a time, at a steady pace, and not while nobody looks.

/** From the beginning of one round to that of the next, in milliseconds. */
const EVERY = 2000;
/** The longest rest after a slow round. */
const REST = 10_000;

/** Repeats `round`, an async function; `rests` is called when nobody looks or asks any more. */
export class Poll {
  #round;
  #rests;
  #on = false;
  #busy = false;
  #again = false;
  #waiting = 0;

  constructor(round, rests) {
    [this.#round, this.#rests] = [round, rests];
    document.addEventListener("visibilitychange", () => this.now());
  }

  start() {
    this.#on = true;
    this.now();
  }

  stop() {
    this.#on = false;
    clearTimeout(this.#waiting);
    this.#rests();
  }

  /** Has a round now, or right after the one under way. */
  async now() {
    clearTimeout(this.#waiting);
    if (this.#busy) {
      this.#again = true;
      return;
    }
    if (!this.#on || document.hidden) {
      this.#rests();
      return;
    }
    [this.#busy, this.#again] = [true, false];
    const begun = performance.now();
    try {
      await this.#round();
    } finally {
      this.#busy = false;
      const took = performance.now() - begun;
      // A server that is slow is left alone for as long as it took.
      const rest = this.#again ? 0 : Math.max(EVERY - took, Math.min(took, REST));
      this.#waiting = setTimeout(() => this.now(), rest);
    }
  }
}
