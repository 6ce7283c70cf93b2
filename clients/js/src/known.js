// The newest message that is known of each channel, from which the base of a publish is taken. Pure.
//
// What was known over an older connection may be of a log that is gone. So before something is published in a channel
// that is not heard, the server is asked how far that has come, if that was not heard a moment ago on this connection.

import { passes } from "./errors.js";
import { jittered } from "./backoff.js";

/** So long it is good to know how far a channel has come, in milliseconds. */
const FRESH = 10_000;

/** @typedef {import("./types.js").Cursor} Cursor */

/** All channels of which something is known, or asked. */
export class Known {
  /** @param {import("./types.js").Rules} rules */
  constructor(rules) {
    this.rules = rules;
    /** @type {Map<string, Cursor>} */
    this.newest = new Map();
    /** When something was last heard of each on this connection. @type {Map<string, number>} */
    this.fresh = new Map();
    /** When each is to be asked about; Infinity if it is being asked. @type {Map<string, number>} */
    this.looks = new Map();
    this.fails = 0;
  }

  /** The connection went. */
  offline() {
    this.fresh.clear();
    this.looks.clear();
  }

  /**
   * A channel's log has come as far as this.
   * @param {number} now
   * @param {string} channel
   * @param {string} epoch
   * @param {number} seq
   */
  learn(now, channel, epoch, seq) {
    this.answered(now, channel);
    const known = this.newest.get(channel);
    if (known?.epoch === epoch) {
      known.seq = Math.max(known.seq, seq);
    } else {
      this.newest.set(channel, { epoch, seq });
    }
  }

  /**
   * Whether it is known well enough to publish there; if not, it will be asked.
   * @param {number} now
   * @param {string} channel
   */
  fit(now, channel) {
    const heard = this.fresh.get(channel);
    const fit = heard !== undefined && now - heard < FRESH;
    if (!fit && !this.looks.has(channel)) {
      this.looks.set(channel, 0);
    }
    return fit;
  }

  /** @param {number} now @param {string} channel */
  answered(now, channel) {
    this.fails = 0;
    this.looks.delete(channel);
    this.fresh.set(channel, now);
  }

  /**
   * It could not be said.
   * @param {number} now
   * @param {string} channel
   * @param {import("./errors.js").ParlorError} [error]
   */
  failed(now, channel, error) {
    if (!this.looks.has(channel)) {
      return;
    }
    if (!error || passes(error)) {
      const wait = error?.retryAfterMs ?? jittered(this.rules.backoff, this.fails, this.rules.random);
      this.fails += 1;
      this.looks.set(channel, now + wait);
    } else {
      // Whoever may not read it sends without a base.
      this.newest.delete(channel);
      this.answered(now, channel);
    }
  }
}
