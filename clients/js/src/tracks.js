// How far each channel was heard: every message once, in order, and told of every hole. Pure.
//
// A channel goes from idle over joining to live. If the join leaves a gap, what is missing is read by history first,
// and what comes meanwhile is held, up to a bound. A jump, or a pulse ahead of what came, means that something was
// lost: the channel is joined again from its cursor.

import { jittered } from "./backoff.js";
import { Disconnected, passes } from "./errors.js";
import { Wanted } from "./wanted.js";

/** How many messages of a channel are held while what is before them is read. */
const HELD = 2000;

/**
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./wanted.js").Track} Track
 * @typedef {import("./errors.js").ParlorError} ParlorError
 */

/** All of them. */
export class Tracks extends Wanted {
  /**
   * The subscription starts, or starts anew, at this place of the stream.
   * @param {number} now
   * @param {Frame} frame
   * @param {Frame} [command] the one that it answers, if that is known
   */
  joined(now, frame, command) {
    const { channel, epoch, first, next, head } = frame;
    const track = this.map.get(channel);
    if (!track || (command && command !== track.asked)) {
      // It was left meanwhile, and another join is under way.
      return;
    }
    let cursor = { epoch, seq: next - 1 };
    if (track.cursor) {
      const whole = track.cursor.epoch === epoch && track.cursor.seq <= head;
      cursor = { epoch, seq: whole ? track.cursor.seq : 0 };
      if (!whole) {
        this.tell("reset", { channel, epoch });
      }
    }
    const replayed = next + (frame.replay ?? 0);
    Object.assign(track, { cursor, joined: frame, head, next, replayed, held: [] });
    track.belongs ||= command?.member !== false;
    this.left.delete(channel);
    this.version += 1;
    this.known.learn(now, channel, epoch, head);
    this.tell("joined", frame);
    track.waiters.splice(0).forEach((waiter) => waiter.resolve(frame));
    this.miss(track, Math.min(first, next), false);
    this.miss(track, next - this.rules.refill, true);
    const stage = cursor.seq + 1 < next ? "filling" : "live";
    Object.assign(track, { stage, at: 0, over: false });
    this.wake = 0;
  }

  /** What lies before this is not handed on. @param {Track} track @param {number} before @param {boolean} kept */
  miss({ channel, cursor }, before, kept) {
    if (cursor && cursor.seq + 1 < before) {
      this.tell("hole", { channel, after: cursor.seq, before, kept });
      cursor.seq = before - 1;
      this.version += 1;
    }
  }

  /** Hands a message on, if it was not. @param {Track} track @param {Frame} message */
  hand(track, message) {
    if (track.cursor && message.seq > track.cursor.seq) {
      track.cursor.seq = message.seq;
      this.version += 1;
      track.head = Math.max(track.head, message.seq);
      this.tell("message", { ...message, replayed: message.seq < track.replayed });
    }
  }

  /** A message came. @param {number} now @param {Frame} message */
  message(now, message) {
    const track = this.map.get(message.channel);
    if (!track?.cursor) {
      return;
    }
    const { seq } = message;
    if (track.stage === "live" && seq === track.cursor.seq + 1) {
      track.fails = 0;
      this.known.learn(now, track.channel, track.cursor.epoch, seq);
      this.hand(track, message);
    } else if (track.stage === "live" && seq > track.cursor.seq) {
      this.lost(now, track);
    } else if (track.stage === "filling") {
      const due = track.next + track.held.length;
      if (seq > due || (seq === due && track.held.length >= HELD)) {
        track.over = true;
      } else if (seq === due && !track.over) {
        track.held.push(message);
      }
    }
  }

  /**
   * Everything up to there stands before this in the stream: what did not come was lost.
   * @param {number} now
   * @param {Record<string, number>} heads
   */
  pulse(now, heads) {
    for (const [channel, head] of Object.entries(heads)) {
      const track = this.map.get(channel);
      if (track?.stage === "live" && track.cursor && head > track.cursor.seq) {
        this.lost(now, track);
      } else if (track?.stage === "filling") {
        track.over ||= head >= track.next + track.held.length;
      }
    }
  }

  /** A page came of what is missing. @param {number} now @param {string} channel @param {Frame} page */
  page(now, channel, page) {
    this.learn(now, channel, page.epoch, page.head);
    const track = this.map.get(channel);
    if (track?.stage !== "filling" || !track.cursor) {
      return;
    }
    this.wake = 0;
    if (page.epoch !== track.cursor.epoch) {
      return this.lost(now, track);
    }
    const stood = track.cursor.seq;
    this.miss(track, Math.min(page.first, track.next), false);
    for (const message of page.messages) {
      if (message.seq < track.next) {
        this.miss(track, message.seq, false);
        this.hand(track, message);
      }
    }
    if (!page.more) {
      this.miss(track, track.next, false);
    }
    if (track.cursor.seq + 1 >= track.next) {
      this.filled(now, track);
    } else {
      track.at = track.cursor.seq > stood ? 0 : now + this.wait(track);
    }
  }

  /**
   * A page could not be had, for good or for now.
   * @param {number} now
   * @param {string} channel
   * @param {ParlorError} [error]
   */
  pageFailed(now, channel, error) {
    const track = this.map.get(channel);
    if (track?.stage !== "filling") {
      return;
    }
    this.wake = 0;
    if (!error || passes(error)) {
      track.at = now + (error?.retryAfterMs ?? this.wait(track));
    } else {
      this.miss(track, track.next, true);
      this.filled(now, track);
    }
  }

  /** Nothing is missing any more: hands on what was held. @param {number} now @param {Track} track */
  filled(now, track) {
    Object.assign(track, { stage: "live", fails: 0 });
    track.held.splice(0).forEach((message) => this.hand(track, message));
    if (track.over) {
      this.lost(now, track);
    }
  }

  /** Something is missing: it is joined again, at once the first time. @param {number} now @param {Track} track */
  lost(now, track) {
    const wait = this.wait(track);
    Object.assign(track, { stage: "idle", at: track.fails === 1 ? 0 : now + wait, held: [] });
    this.wake = 0;
  }

  /** @param {Track} track */
  wait(track) {
    return jittered(this.rules.backoff, track.fails++, this.rules.random);
  }

  /**
   * A join was answered by an error, or not at all.
   * @param {number} now
   * @param {string} channel
   * @param {ParlorError} [error]
   */
  joinFailed(now, channel, error) {
    const track = this.map.get(channel);
    if (track?.stage !== "joining") {
      return;
    }
    this.wake = 0;
    if (!error || passes(error)) {
      return Object.assign(track, { stage: "idle", at: now + (error?.retryAfterMs ?? this.wait(track)) });
    }
    this.forget(channel, error);
    if (track.joined) {
      this.tell("closed", { type: "closed", channel, reason: "refused", error });
    }
  }

  /** The server ended the subscription. @param {number} now @param {Frame} frame */
  closed(now, frame) {
    const track = this.map.get(frame.channel);
    this.known.fresh.delete(frame.channel);
    if (!track || track.stage === "idle" || track.stage === "joining") {
      // It is about an older subscription: what becomes of the join says how it stands.
    } else if (frame.reason === "reset") {
      this.lost(now, track);
    } else {
      this.forget(frame.channel, new Disconnected(`closed: ${frame.reason}`));
      this.tell("closed", frame);
    }
  }

  /**
   * The life of the log that a channel's messages count in now; none while it is not heard, when that may have changed.
   * @param {string} channel
   */
  epoch(channel) {
    const track = this.map.get(channel);
    return track?.stage === "live" || track?.stage === "filling" ? track.cursor?.epoch : undefined;
  }

  /**
   * A channel's log has come as far as this.
   * @param {number} now
   * @param {string} channel
   * @param {string} epoch
   * @param {number} seq
   */
  learn(now, channel, epoch, seq) {
    if ((this.epoch(channel) ?? epoch) === epoch) {
      this.known.learn(now, channel, epoch, seq);
    }
  }

  /**
   * Whether a channel's publishes may go. If it is not heard, it has to be known first how far it has come.
   * @param {number} now
   * @param {string} channel
   */
  gate(now, channel) {
    if (this.map.has(channel)) {
      return this.epoch(channel) !== undefined;
    }
    const fit = this.known.fit(now, channel);
    if (!fit) {
      this.wake = Math.min(this.wake, this.known.looks.get(channel) ?? 0);
    }
    return fit;
  }
}
