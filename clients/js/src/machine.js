// What the client does, and when: connections, hellos, heartbeats, coming back. Pure.
//
// The machine is told what happened, with the time, and says what should be done as effects. It does no I/O.
// `heard.js` has what it does with frames, `said.js` what it says, `standing.js` how it ends.

import { Disconnected } from "./errors.js";
import { heard, late } from "./heard.js";
import { ask, pump, request, room } from "./said.js";
import { Standing } from "./standing.js";

/**
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Waiter} Waiter
 * @typedef {import("./standing.js").Line} Line
 */

/** The whole of it. */
export class Machine extends Standing {
  /** When to `tick`. */
  deadline() {
    const { line, probe, up } = this;
    let at = Math.min(this.again, this.asks.deadline(), probe?.until ?? Infinity);
    if (line) {
      at = Math.min(at, line.until, up ? line.quiet : Infinity);
    }
    if (up) {
      const watch = this.watches.due.length > 0 ? this.watches.at : Infinity;
      at = Math.min(at, this.probeAt, this.refreshAt, this.outbox.deadline(this.pumped));
      at = room(this) ? Math.min(at, this.tracks.wake, watch) : at;
    }
    return at;
  }

  /** @param {number} now */
  tick(now) {
    if (this.again <= now) {
      this.connect();
      this.open(now);
    }
    for (const line of [this.line, this.probe]) {
      if (line && line.until <= now) {
        this.effects.push({ do: "hang", conn: line.conn, goodbye: false });
        this.down(now, line.conn, { why: "nothing was heard in time" });
      }
    }
    if (this.up && this.up.quiet <= now) {
      this.up.quiet = Infinity;
      ask(this, now, { type: "ping" }, "ping");
    }
    this.asks.takeAll((ask) => ask.until <= now).forEach((ask) => late(this, now, ask));
    this.outbox.silent(now);
    pump(this, now);
  }

  /** Begins, anew if it had ended. @param {number} now */
  start(now) {
    if (!this.begun) {
      this.begun = true;
      this.error = null;
      this.stale ||= this.identity.asks && !this.identity.token;
      this.connect();
      this.open(now);
    }
  }

  /** The time for a connection has come. */
  connect() {
    this.again = Infinity;
    this.told = false;
    this.turn();
  }

  /** Opens a connection, with the token that is asked for first if need be. @param {number} now */
  open(now) {
    if (this.stale) {
      this.effects.push({ do: "token" });
    } else {
      this.line = this.dial(now, this.backoff.transport);
    }
  }

  /**
   * The token was asked for, and is this.
   * @param {number} now
   * @param {import("./types.js").Token} token
   * @param {Error} [error] instead
   */
  token(now, token, error) {
    if (error) {
      this.refreshAt = Infinity;
      return this.begun && !this.line ? this.wait(now, true, {}, error.message) : undefined;
    }
    Object.assign(this.identity, { token });
    this.fresh ||= this.stale;
    this.stale = false;
    if (this.up) {
      ask(this, now, { type: "refresh", token }, "refresh");
    } else if (this.begun && !this.line && this.again === Infinity) {
      this.open(now);
    }
  }

  /** @param {number} now @param {import("./types.js").Transport} over @returns {Line} */
  dial(now, over) {
    const conn = ++this.conns;
    this.effects.push({ do: "open", conn, over });
    const until = now + this.rules.greeting;
    return { conn, over, stage: "opening", until, quiet: Infinity, heartbeat: 0, timeout: 0, parting: null };
  }

  /** A connection is open: says hello. @param {number} now @param {number} conn */
  opened(now, conn) {
    const line = [this.line, this.probe].find((line) => line?.conn === conn);
    if (line) {
      line.stage = "greeting";
      line.until = now + this.rules.greeting;
      const { token, guest, client } = this.identity;
      const who = token ? { token } : { guest };
      this.effects.push({ do: "say", conn, frame: { type: "hello", id: this.id(), version: 1, ...who, client } });
    }
  }

  /** The server showed that it is there. @param {number} now @param {number} conn */
  alive(now, conn) {
    if (this.up?.conn === conn) {
      this.up.until = now + this.up.timeout;
      this.up.quiet = now + this.up.heartbeat;
    }
  }

  /**
   * The process slept, or the network changed: whether the connection still lives is asked at once.
   * @param {number} now
   */
  woke(now) {
    const soon = now + this.rules.patience;
    // What came meanwhile may not have been looked at yet.
    for (const one of [...this.asks.sent.values(), ...this.outbox.flights.values()]) {
      one.until = Math.max(one.until, soon);
    }
    if (this.line) {
      this.line.until = soon;
      this.line.quiet = now;
      this.tick(now);
    } else if (!this.told) {
      this.hurry(now);
    }
  }

  /** Tries to connect now, if that waits. @param {number} now */
  hurry(now) {
    if (this.again < Infinity) {
      this.again = now;
      this.tick(now);
    }
  }

  /** A frame came. @param {number} now @param {number} conn @param {Frame} frame */
  heard(now, conn, frame) {
    this.alive(now, conn);
    heard(this, now, conn, frame);
    pump(this, now);
  }

  /**
   * A connection is gone, or could not be made.
   * @param {number} now
   * @param {number} conn
   * @param {import("./types.js").Down} down
   */
  down(now, conn, down) {
    if (this.old === conn) {
      this.old = null;
      this.unanswered(conn);
    } else if (this.probe?.conn === conn) {
      this.probe = null;
      this.probeLater(now);
    } else if (this.line?.conn === conn) {
      this.lost(now, this.line, down);
    }
    pump(this, now);
  }

  /** When the better transport is tried again while another is in use. @param {number} now */
  probeLater(now) {
    const { min, max } = this.rules.probe;
    const lesser = this.up && this.up.over !== this.backoff.transports[0];
    this.probeAt = lesser ? now + this.probeWait : Infinity;
    this.probeWait = lesser ? Math.min(this.probeWait * 2, max) : min;
  }

  /**
   * Wants a channel.
   * @param {number} now
   * @param {string} channel
   * @param {{ since?: import("./types.js").Cursor, tail?: number, member?: boolean }} how
   * @param {Waiter} waiter
   */
  join(now, channel, how, waiter) {
    if (this.error) {
      return waiter.reject(this.error);
    }
    this.tracks.want(this.named(channel), how, waiter);
    pump(this, now);
  }

  /** Takes a publish. @param {number} now @param {import("./outbox.js").Words} words */
  publish(now, words) {
    const channel = this.named(words.channel);
    this.outbox.accept({ base: this.tracks.known.newest.get(channel), ...words, channel });
    pump(this, now);
  }

  /** Any other command. @param {number} now @param {Frame} command @param {Waiter} waiter */
  request(now, command, waiter) {
    const { type } = command;
    if (command.channel) {
      command.channel = this.named(command.channel);
    }
    if (type === "leave") {
      this.tracks.forget(command.channel, new Disconnected("it was left"), command.only === "session");
    } else if (type === "unwatch") {
      this.watches.remove(command);
      this.asks.unwatched(command);
    }
    request(this, now, command, waiter, type === "leave" || type === "watch" ? type : "app");
  }

  /** Ends the session at the server, too. @param {number} now @param {Waiter} waiter */
  logout(now, waiter) {
    if (!ask(this, now, { type: "logout" }, "logout", waiter)) {
      this.stop("disconnected", new Disconnected("logged out"));
      waiter.resolve({ type: "bye" });
    }
  }

  /** Who the client is. @param {string} user */
  as(user) {
    if (this.user === user) {
      return;
    }
    if (this.user !== null) {
      this.outbox.giveUp(new Disconnected("another user has come"));
      this.tracks.map.forEach((track) => Object.assign(track, { cursor: null, start: {}, belongs: false }));
    }
    this.user = user;
    this.tracks.kept = this.load(user);
    this.tracks.rename((channel) => this.named(channel));
    this.outbox.rename((channel) => this.named(channel));
    this.asks.queue.forEach(({ command }) => (command.channel &&= this.named(command.channel)));
  }

  /** A channel's full name, as far as it is known who we are. @param {string} channel */
  named(channel) {
    const me = this.user;
    const short = me !== null && !me.startsWith("~") && /^@[^:]+$/.test(channel);
    return short ? `@${[me, channel.slice(1)].sort().join(":")}` : channel;
  }
}
