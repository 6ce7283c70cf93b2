// The commands that wait for their replies, and the watches that outlive a connection. Pure.

/** The most names that one `watch` may carry. */
const USERS = 500;

/**
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {"app" | "leave" | "watch" | "rewatch" | "join" | "page" | "look" | "refresh" | "ping" | "logout"} Kind
 * @typedef {{ kind: Kind, command: Frame, until: number, conn: number, waiter?: import("./types.js").Waiter,
 *   but?: Frame[] }} Ask `but`: what was asked not to be watched any more, after this one
 */

/** All that wait. */
export class Asks {
  constructor() {
    /** Those that wait for a connection, or for room on it. @type {Ask[]} */
    this.queue = [];
    /** Those that were sent, by id. @type {Map<string, Ask>} */
    this.sent = new Map();
  }

  /** It was answered, or is of no interest any more. @param {string} id */
  take(id) {
    const ask = this.sent.get(id);
    this.sent.delete(id);
    return ask;
  }

  /** Takes those out that fit. @param {(ask: Ask) => boolean} fits */
  takeAll(fits) {
    const all = [...this.sent].filter(([, ask]) => fits(ask));
    all.forEach(([id]) => this.sent.delete(id));
    const queued = this.queue.filter(fits);
    this.queue = this.queue.filter((ask) => !fits(ask));
    return [...all.map(([, ask]) => ask), ...queued];
  }

  /** All of them, those that were sent first. */
  all() {
    return [...this.sent.values(), ...this.queue];
  }

  /** What the watches before it say of these does not hold any more. @param {Frame} command */
  unwatched(command) {
    for (const one of this.all().filter(({ kind }) => kind === "watch")) {
      one.but = [...(one.but ?? []), command];
    }
  }

  /** Whether some were sent that fit. @param {(ask: Ask) => boolean} fits */
  some(fits) {
    return [...this.sent.values()].some(fits);
  }

  /** When the first of them is late. */
  deadline() {
    return this.all().reduce((at, { until }) => Math.min(at, until), Infinity);
  }
}

/** Who is watched, whatever the connection. */
export class Watches {
  constructor() {
    /** @type {Set<string>} */
    this.users = new Set();
    /** @type {Set<string>} */
    this.channels = new Set();
    /** Commands that have to be said. @type {Frame[]} */
    this.due = [];
    this.at = 0;
    this.fails = 0;
    /** Told behind the reply to a `watch`: over long-poll they may come before it, though newer. @type {Frame[]} */
    this.held = [];
  }

  /** The server took a watch. @param {Frame} command @param {Frame[]} [but] later ones to the contrary */
  add({ users = [], channel }, but = []) {
    const not = but.flatMap((one) => one.users ?? []);
    users.forEach((/** @type {string} */ user) => not.includes(user) || this.users.add(user));
    if (channel && but.every((one) => one.channel !== channel)) {
      this.channels.add(channel);
    }
  }

  /** What of a watch is to be set up again; null if nothing of it is wanted any more. @param {Frame} command */
  still({ users = [], channel }) {
    const wanted = users.filter((/** @type {string} */ user) => this.users.has(user));
    const there = this.channels.has(channel) ? channel : undefined;
    const some = wanted.length > 0 ? wanted : undefined;
    return some || there ? { type: "watch", users: some, channel: there } : null;
  }

  /** These are not watched any more. @param {Frame} command */
  remove({ users = [], channel }) {
    users.forEach((/** @type {string} */ user) => this.users.delete(user));
    this.channels.delete(channel);
  }

  /** On a new connection all have to be set up again. */
  renew() {
    const users = [...this.users];
    this.due = [...this.channels].map((channel) => ({ type: "watch", channel }));
    for (let at = 0; at < users.length; at += USERS) {
      this.due.push({ type: "watch", users: users.slice(at, at + USERS) });
    }
    this.at = 0;
  }

  /** This one has to be set up again, not before then. @param {Frame} command @param {number} at */
  again(command, at) {
    this.due.push(command);
    this.at = Math.max(this.at, at);
  }
}
