// When to try again, and over which transport. Pure: chance is handed in.

/** After so long online the waits begin anew, in milliseconds. */
const STEADY = 10_000;

/**
 * A random part of what doubles with each try: full jitter.
 * @param {{ min: number, max: number }} backoff
 * @param {number} tries
 * @param {() => number} random
 */
export const jittered = ({ min, max }, tries, random) => random() * Math.min(max, min * 2 ** Math.min(tries, 30));

/** The tries of one client. */
export class Backoff {
  /**
   * @param {import("./types.js").Transport[]} transports
   * @param {{ min: number, max: number }} backoff
   * @param {() => number} random
   */
  constructor(transports, backoff, random) {
    this.transports = transports;
    this.backoff = backoff;
    this.random = random;
    /** The place of the one over which the last welcome came. */
    this.good = 0;
    /** Connections in a row that did not come as far as a word of the server. */
    this.failed = 0;
    this.tries = 0;
    /** How often a connection was cut off soon after the welcome, without a word. */
    this.brief = 0;
    /** @type {number | null} */
    this.online = null;
  }

  /** What to try next. */
  get transport() {
    return this.transports[(this.good + this.failed) % this.transports.length];
  }

  /** A hello was welcomed over this transport. @param {number} now @param {import("./types.js").Transport} over */
  welcomed(now, over) {
    this.good = this.transports.indexOf(over);
    this.failed = 0;
    this.online = now;
  }

  /**
   * A connection was lost, or could not be made. Returns how long to wait.
   * @param {number} now
   * @param {boolean} spoke the server itself had a word in it, so that the transport is not to blame
   * @param {{ notBefore?: number, within?: number }} hint what the server said about when to come back
   */
  lost(now, spoke, { notBefore, within }) {
    const steady = this.online !== null && now - this.online >= STEADY;
    const blamed = !steady && !spoke && (this.online === null || ++this.brief % 3 === 0);
    if (steady) {
      this.tries = this.brief = 0;
    }
    this.failed += blamed ? 1 : 0;
    this.online = null;
    // Another transport is tried at once, the first time.
    if (blamed && this.failed < this.transports.length && notBefore === undefined && within === undefined) {
      return 0;
    }
    const wait = Math.round(jittered(this.backoff, this.tries, this.random));
    this.tries += 1;
    if (notBefore !== undefined) {
      return notBefore + Math.min(wait, this.backoff.min);
    }
    return within === undefined ? wait : Math.round(this.random() * within);
  }
}
