// The newest message that is known of each channel, from which the base of a publish is taken. Pure.
//
// What was known over an older connection may be of a log that is gone. So before something is published in a channel
// that is not heard, the server is asked once on each connection how far that has come.

import { passes } from "./errors.js";
import { jittered } from "./backoff.js";

/** @typedef {import("./types.js").Cursor} Cursor */

/** All channels of which something is known, or asked. */
export class Known {
  /** @param {import("./types.js").Rules} rules */
  constructor(rules) {
    this.rules = rules;
    /** @type {Map<string, Cursor>} */
    this.newest = new Map();
    /** Those of which something was heard on this connection. @type {Set<string>} */
    this.fresh = new Set();
    /** When each is to be asked about; Infinity if it is being asked. @type {Map<string, number>} */
    this.looks = new Map();
    this.fails = 0;
  }

  /** The connection went. */
  offline() {
    this.fresh.clear();
    this.looks.clear();
  }

  /** A channel's log has come as far as this. @param {string} channel @param {string} epoch @param {number} seq */
  learn(channel, epoch, seq) {
    this.answered(channel);
    const known = this.newest.get(channel);
    if (known?.epoch === epoch) {
      known.seq = Math.max(known.seq, seq);
    } else {
      this.newest.set(channel, { epoch, seq });
    }
  }

  /** Whether it has to be asked about before something is published there. @param {string} channel */
  want(channel) {
    if (!this.fresh.has(channel) && !this.looks.has(channel)) {
      this.looks.set(channel, 0);
    }
  }

  /** @param {string} channel */
  answered(channel) {
    this.fails = 0;
    this.looks.delete(channel);
    this.fresh.add(channel);
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
      this.answered(channel);
    }
  }
}
