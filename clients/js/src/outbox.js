// The publishes that have no receipt yet: in order for each channel, bounded, and sent again until it is known what
// became of them. Pure.

import { jittered } from "./backoff.js";
import { bytes } from "./checked.js";
import { BadFrame, Full, ParlorError, TimedOut, TooLarge, passes } from "./errors.js";

/** How many that failed are remembered, for the application to show. */
const FAILED = 100;
/** So often one may go from a newer base. */
const LOOKS = 3;
/** After so many times without any answer, over one connection, it fails. */
const SILENCES = 5;

/**
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Cursor} Cursor
 * @typedef {import("./types.js").Waiter} Waiter
 * @typedef {{ channel: string, key: string, body: object, kind?: string, ref?: number, at: number,
 *   base?: Cursor | null, tried?: boolean, waiter?: Waiter }} Words `base` is what was known of the channel
 *   when the key was first sent, or before; `tried`: it was sent
 * @typedef {Words & { tried: boolean, unsure: boolean, state: "queued" | "sent" | "failed", notBefore: number,
 *   tries: number, silences: number, error?: ParlorError }} Entry `unsure`: an earlier try may have been stored
 */

/** @type {(channel: string, key: string) => string} */
const place = (channel, key) => `${channel} ${key}`;

/** All of them. */
export class Outbox {
  /** @param {import("./types.js").Rules} rules @param {(type: string, event: Frame) => void} tell */
  constructor(rules, tell) {
    this.rules = rules;
    this.tell = tell;
    /** In the order in which they were accepted. @type {Map<string, Entry>} */
    this.entries = new Map();
    /** Those under way, by the ids of their frames; null if its own message came first. */
    /** @type {Map<string, { entry: Entry | null, until: number }>} */
    this.flights = new Map();
    /** How many wait or are under way. */
    this.open = 0;
    /** Those that may be sent as soon as everything else allows it. */
    this.queued = 0;
    /** Nothing is sent before this: the server said that the whole client is too fast. */
    this.hold = 0;
    /** How many may be under way: fewer once the server said too many, and then more with each receipt. */
    this.window = Infinity;
    /** Grows with each change of what has to be kept. */
    this.version = 0;
  }

  /** Takes a publish. @param {Words} words */
  accept(words) {
    if (this.open >= this.rules.outbox) {
      throw new Full("as much is waiting as may wait");
    }
    const name = place(words.channel, words.key);
    if (this.entries.get(name)?.state === "failed") {
      this.entries.delete(name);
    }
    /** @type {Entry} */
    const entry = {
      tried: false,
      unsure: !!words.tried,
      ...words,
      state: "queued",
      notBefore: 0,
      tries: 0,
      silences: 0,
    };
    this.entries.set(name, entry);
    this.open += 1;
    this.queued += 1;
    this.turn(entry, "queued");
  }

  /** The one with this key, if it waits or is under way. @param {string} channel @param {string} key */
  find(channel, key) {
    const entry = this.entries.get(place(channel, key));
    return entry?.state === "failed" ? undefined : entry;
  }

  /**
   * Sends what may be sent.
   * @param {number} now
   * @param {import("./types.js").Limits} limits
   * @param {(channel: string) => { open: boolean, known?: Cursor }} gate
   * @param {(command: Frame) => string | null} say gives the id, or null if nothing more may be sent
   */
  send(now, limits, gate, say) {
    if (this.queued === 0 || this.hold > now) {
      return;
    }
    const shut = new Set();
    for (const entry of [...this.entries.values()]) {
      const { channel, key, body, kind, ref } = entry;
      if (this.flights.size >= this.window) {
        return;
      }
      if (entry.state !== "queued" || shut.has(channel)) {
        continue;
      }
      const { open, known } = entry.notBefore > now ? { open: false } : gate(channel);
      if (!open) {
        // Nothing newer goes before this one.
        shut.add(channel);
        continue;
      }
      const base = entry.tried ? entry.base : known && { ...known };
      const lives = base && (!known || known.epoch === base.epoch);
      const command = { type: "publish", channel, key, body, kind, ref, base: lives ? base.seq : undefined };
      if (bytes(command) + 32 > limits.frame_bytes) {
        this.fail(entry, new TooLarge(`a frame may have ${limits.frame_bytes} bytes at most`, { code: "too_large" }));
        continue;
      }
      const id = say(command);
      if (id === null) {
        return;
      }
      Object.assign(entry, { base, tried: true });
      this.queued -= 1;
      this.flights.set(id, { entry, until: now + this.rules.answer });
      this.turn(entry, "sent");
    }
  }

  /** A receipt came. @param {string} id @param {Frame} receipt */
  receipt(id, receipt) {
    const entry = this.land(id);
    this.window += 1 / this.window;
    if (entry) {
      const { channel, epoch, seq, at, duplicate } = receipt;
      this.stored(entry, { channel, epoch, seq, at, duplicate, key: entry.key });
    }
  }

  /**
   * A message of this user came. If its key is that of one whose receipt may have been lost, that is as good.
   * @param {Frame} message
   * @param {string} epoch
   */
  heard({ channel, seq, at, key }, epoch) {
    const entry = key === undefined ? undefined : this.entries.get(place(channel, key));
    if (entry?.unsure) {
      for (const flight of this.flights.values()) {
        flight.entry = flight.entry === entry ? null : flight.entry;
      }
      this.stored(entry, { channel, epoch, seq, at, duplicate: false, key });
    }
  }

  /**
   * An error came. Either it is the end of that publish, or it is put off.
   * @param {number} now
   * @param {string} id
   * @param {ParlorError} error
   */
  refused(now, id, error) {
    const entry = this.land(id);
    if (!entry) {
      return;
    }
    if (error.code === "conflict" && !entry.unsure && entry.base && entry.tries < LOOKS) {
      // No try of it was stored, so it may go from what is the newest now.
      entry.tries += 1;
      Object.assign(entry, { tried: false, base: null });
      return this.again(entry, 0);
    }
    if (!passes(error)) {
      return this.fail(entry, error);
    }
    entry.unsure ||= error.code === "unavailable" || error.code === "internal";
    const wait = error.retryAfterMs ?? jittered(this.rules.backoff, entry.tries, this.rules.random);
    entry.tries += 1;
    entry.silences = 0;
    if (error.code === "rate_limited") {
      if (this.hold <= now) {
        this.window = Math.max(1, (this.flights.size + 1) / 2);
      }
      this.hold = now + wait;
    }
    this.again(entry, now + wait);
  }

  /** The connection went: whatever was under way goes again, in its old order. */
  offline() {
    for (const id of [...this.flights.keys()]) {
      this.unsure(id);
    }
    for (const entry of this.entries.values()) {
      entry.notBefore = entry.silences = 0;
    }
    this.hold = 0;
  }

  /** Those that were not answered in time go again, if not too often. @param {number} now */
  silent(now) {
    for (const [id, { entry, until }] of [...this.flights]) {
      if (until <= now && entry && ++entry.silences >= SILENCES) {
        this.lose(id, new TimedOut("no reply came in time"));
      } else if (until <= now) {
        this.unsure(id);
      }
    }
  }

  /** One under way fails, though it may be stored. @param {string} id @param {ParlorError} error */
  lose(id, error) {
    const entry = this.land(id);
    if (entry) {
      entry.unsure = true;
      this.fail(entry, error);
    }
  }

  /** There were too many bad frames: one of those under way may be such a one. @param {string} why */
  blamed(why) {
    [...this.flights.keys()].forEach((id) => this.lose(id, new BadFrame(why, { code: "bad_frame" })));
  }

  /** Takes one back that was not sent yet, or forgets one that failed. @param {string} key */
  cancel(key) {
    for (const [name, entry] of this.entries) {
      const unsent = entry.state === "queued" && !entry.tried;
      if (entry.key === key && (unsent || entry.state === "failed")) {
        this.entries.delete(name);
        if (unsent) {
          this.open -= 1;
          this.queued -= 1;
          entry.waiter?.reject(new ParlorError("it was cancelled"));
        }
        this.turn(entry, "cancelled");
        return true;
      }
    }
    return false;
  }

  /** Channels have their full names. @param {(channel: string) => string} named */
  rename(named) {
    const all = [...this.entries.values()];
    this.entries.clear();
    for (const entry of all) {
      entry.channel = named(entry.channel);
      this.entries.set(place(entry.channel, entry.key), entry);
    }
  }

  /** Gives up on all that wait. @param {ParlorError} error */
  giveUp(error) {
    this.offline();
    [...this.entries.values()].filter((entry) => entry.state !== "failed").forEach((entry) => this.fail(entry, error));
  }

  /** When something is due again. @param {number} now */
  deadline(now) {
    let at = Infinity;
    for (const { until } of this.flights.values()) {
      at = Math.min(at, until);
    }
    if (this.queued > 0) {
      // What is due and was not sent waits for something else.
      const waits = [this.hold, ...[...this.entries.values()].map((entry) => entry.notBefore)];
      at = waits.reduce((least, wait) => (wait > now ? Math.min(least, wait) : least), at);
    }
    return at;
  }

  /** What has to be kept. */
  kept() {
    const open = [...this.entries.values()].filter((entry) => entry.state !== "failed");
    return open.map(({ channel, key, body, kind, ref, at, base }) => ({ channel, key, body, kind, ref, at, base }));
  }

  /** @param {string} id */
  land(id) {
    const entry = this.flights.get(id)?.entry ?? null;
    this.flights.delete(id);
    return entry;
  }

  /** @param {string} id */
  unsure(id) {
    const entry = this.land(id);
    if (entry) {
      entry.unsure = true;
      this.again(entry, 0);
    }
  }

  /** @param {Entry} entry @param {number} notBefore */
  again(entry, notBefore) {
    entry.notBefore = notBefore;
    this.queued += 1;
    this.turn(entry, "queued");
  }

  /** @param {Entry} entry @param {Frame} receipt */
  stored(entry, receipt) {
    this.close(entry);
    this.entries.delete(place(entry.channel, entry.key));
    entry.waiter?.resolve(receipt);
    this.turn(entry, "stored", { receipt });
  }

  /** @param {Entry} entry @param {ParlorError} error */
  fail(entry, error) {
    error.uncertain = entry.unsure;
    this.close(entry);
    Object.assign(entry, { state: "failed", error });
    const failed = [...this.entries.values()].filter((one) => one.state === "failed");
    for (const { channel, key } of failed.slice(0, -FAILED)) {
      this.entries.delete(place(channel, key));
    }
    entry.waiter?.reject(error);
    this.turn(entry, "failed", { error });
  }

  /** @param {Entry} entry */
  close(entry) {
    if (entry.state !== "failed") {
      this.open -= 1;
      this.queued -= entry.state === "queued" ? 1 : 0;
    }
  }

  /** @param {Entry} entry @param {"queued" | "sent" | "stored" | "failed" | "cancelled"} state @param {Frame} [more] */
  turn(entry, state, more) {
    if (state === "queued" || state === "sent" || state === "failed") {
      entry.state = state;
    }
    this.version += 1;
    this.tell("outbox", { entry: shown(entry), state, ...more });
  }
}

/** What the application sees of one. @param {Entry} entry @returns {import("./types.js").Waiting} */
export function shown({ channel, key, body, kind, ref, at, state, error }) {
  return { channel, key, body, kind, ref, at, state, error };
}
