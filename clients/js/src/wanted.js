// The channels that are wanted, and what has to be said for them. Pure. `tracks.js` has how far each was heard.

import { Known } from "./known.js";

/**
 * @typedef {import("./types.js").Cursor} Cursor
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Waiter} Waiter
 * @typedef {import("./errors.js").ParlorError} ParlorError
 * @typedef {{ channel: string, start: { since?: Cursor, tail?: number }, member: boolean, cursor: Cursor | null,
 *   stage: "idle" | "joining" | "filling" | "live", at: number, next: number, replayed: number, held: Frame[],
 *   over: boolean, waiters: Waiter[], joined: Frame | null, belongs: boolean, head: number, fails: number,
 *   asked: Frame | null }} Track
 *   `at` is when an idle one is joined, or a page of a filling one is asked for; Infinity while that is under way;
 *   `belongs`: the user became a member, and if that has ended since, a mere reconnect does not undo it; `asked`: the
 *   last join
 */

/** All of them. */
export class Wanted {
  /** @param {import("./types.js").Rules} rules @param {(type: string, event: Frame) => void} tell */
  constructor(rules, tell) {
    this.rules = rules;
    this.tell = tell;
    this.known = new Known(rules);
    /** @type {Map<string, Track>} */
    this.map = new Map();
    /** The cursors of an earlier client. @type {Map<string, Cursor>} */
    this.kept = new Map();
    /** Those that were left, with the cursor that is to be kept, if it is. @type {Map<string, Cursor | null>} */
    this.left = new Map();
    /** Grows with each change of what has to be kept. */
    this.version = 0;
    /** When some channel may need something said. */
    this.wake = Infinity;
  }

  /**
   * Wants a channel.
   * @param {string} channel
   * @param {{ since?: Cursor, tail?: number, member?: boolean }} how
   * @param {Waiter} waiter is told of the first `joined`
   */
  want(channel, { since, tail, member = true }, waiter) {
    let track = this.map.get(channel);
    if (!track) {
      track = {
        channel,
        start: { since, tail },
        member,
        cursor: since ? { ...since } : null,
        stage: "idle",
        at: 0,
        next: 0,
        replayed: 0,
        held: [],
        over: false,
        waiters: [],
        joined: null,
        belongs: false,
        asked: null,
        head: 0,
        fails: 0,
      };
      this.map.set(channel, track);
    } else if (member && !track.member) {
      Object.assign(track, { member, joined: null, stage: "idle", at: 0 });
    }
    if (track.joined) {
      waiter.resolve(track.joined);
    } else {
      track.waiters.push(waiter);
      this.wake = 0;
    }
  }

  /**
   * Does not want a channel any more.
   * @param {string} channel
   * @param {ParlorError} error for whoever waited for it
   * @param {boolean} [keep] its cursor
   */
  forget(channel, error, keep = false) {
    const track = this.map.get(channel);
    this.map.delete(channel);
    this.version += 1;
    track?.waiters.forEach((waiter) => waiter.reject(error));
    if (keep && track?.cursor) {
      this.kept.set(channel, track.cursor);
      this.left.set(channel, track.cursor);
    } else if (!keep) {
      this.kept.delete(channel);
      this.left.set(channel, null);
    }
  }

  /** Gives up on those that were never joined. @param {ParlorError} error */
  giveUp(error) {
    for (const track of [...this.map.values()].filter((track) => track.waiters.length > 0)) {
      track.joined
        ? track.waiters.splice(0).forEach((one) => one.reject(error))
        : this.forget(track.channel, error, true);
    }
  }

  /** Channels have their full names. @param {(channel: string) => string} named */
  rename(named) {
    for (const [from, track] of [...this.map]) {
      const to = named(from);
      if (to !== from) {
        this.map.delete(from);
        const there = this.map.get(to);
        there ? there.waiters.push(...track.waiters) : this.map.set((track.channel = to), track);
      }
    }
  }

  /** The connection went: everything has to be joined anew. */
  offline() {
    this.known.offline();
    for (const track of this.map.values()) {
      Object.assign(track, { stage: "idle", at: 0, held: [] });
    }
    this.wake = 0;
  }

  /**
   * What has to be said now, as commands without ids; each is said only if `say` has room for it.
   * @param {number} now
   * @param {(command: Frame, kind: "join" | "page" | "look") => boolean} say
   */
  needs(now, say) {
    if (this.wake > now) {
      return;
    }
    let wake = Infinity;
    /** @type {(command: Frame, kind: "join" | "page" | "look", at: number) => boolean} */
    const due = (command, kind, at) => {
      const said = at <= now && say(command, kind);
      wake = Math.min(wake, said ? Infinity : at);
      return said;
    };
    for (const track of this.map.values()) {
      const { channel, start, stage, at, member, belongs, next } = track;
      if (stage === "idle") {
        if (!track.cursor && start.tail === undefined) {
          track.cursor = this.kept.get(channel) ?? null;
        }
        const from = track.cursor ? { since: track.cursor } : { tail: start.tail };
        const asked = { type: "join", channel, ...from, member: member && !belongs ? undefined : false };
        if (due(asked, "join", at)) {
          Object.assign(track, { asked, stage: "joining", at: Infinity });
        }
      } else if (stage === "filling") {
        const after = track.cursor?.seq ?? 0;
        if (due({ type: "history", channel, after, before: next, limit: 1000 }, "page", at)) {
          track.at = Infinity;
        }
      }
    }
    for (const [channel, at] of this.known.looks) {
      if (due({ type: "history", channel, limit: 1 }, "look", at)) {
        this.known.looks.set(channel, Infinity);
      }
    }
    this.wake = wake;
  }
}
