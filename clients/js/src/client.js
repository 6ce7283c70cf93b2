// The client, as an application sees it.

import { Driver } from "./driver.js";
import { BadFrame, Disconnected } from "./errors.js";
import { Events } from "./events.js";
import { shown } from "./outbox.js";
import { Vault } from "./vault.js";

/**
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Options} Options
 */

/** @returns {URL} the server's address, with a slash at its end */
export function baseOf(/** @type {string | URL | undefined} */ url) {
  const base = new URL(url ?? ".", globalThis.location?.href);
  base.search = base.hash = "";
  base.pathname += base.pathname.endsWith("/") ? "" : "/";
  return base;
}

/** A key that nobody else has. */
function newKey() {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto) {
    crypto.getRandomValues(bytes);
  } else {
    bytes.forEach((_, at) => (bytes[at] = Math.random() * 256));
  }
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Nobody has to wait for it: how it ends is told by events, or does not matter.
 * @template T
 * @param {Promise<T>} done
 */
function quiet(done) {
  done.catch(() => {});
  return done;
}

/** A user's connection to a server, which comes back by itself. */
export class Client extends Events {
  #driver;
  #vault;
  /** @type {import("./types.js").State} */
  #state = "disconnected";
  /** @type {number | null} */
  #retryAt = null;

  /** @param {Options} [options] */
  constructor(options = {}) {
    super();
    this.#vault = new Vault(options.storage, options.storageKey ?? "parlor");
    this.#driver = new Driver(options, baseOf(options.url), this.#vault, (type, event) => this.#told(type, event));
  }

  /**
   * Begins, and comes back by itself from then on.
   * @returns {Promise<Frame>} the welcome, at the first time online; rejects with a `Refused` if the server says not to
   *   come back, and with `Disconnected` if it is closed before
   */
  connect() {
    const { up, welcome } = this.#driver.machine;
    if (up && welcome) {
      return Promise.resolve(welcome);
    }
    const done = this.#wait(({ resolve, reject }) => {
      const offs = [
        this.on("welcome", (frame) => settle(() => resolve(frame))),
        this.on("state", ({ state, error }) => {
          if (state === "refused" || state === "disconnected") {
            settle(() => reject(error ?? new Disconnected("closed")));
          }
        }),
      ];
      const settle = (/** @type {() => void} */ how) => {
        offs.forEach((off) => off());
        how();
      };
      this.#driver.do((machine, now) => machine.start(now));
    });
    return quiet(done);
  }

  /** Disconnects, and comes back only by `connect()`. What waits to be published, is joined or is watched stays. */
  close() {
    this.#driver.do((machine) => machine.stop("disconnected", new Disconnected("closed")));
  }

  /** Closes, ends the session at the server, too, and leaves nothing of the user in the storage. */
  async logout() {
    const bye = await this.#wait((waiter) => this.#driver.do((machine, now) => machine.logout(now, waiter)));
    this.#vault.forget(this.#driver.machine);
    return bye;
  }

  /** @returns {import("./types.js").State} */
  get state() {
    return this.#state;
  }

  /** @returns {import("./types.js").Transport | null} over what it is connected */
  get transport() {
    return this.#driver.machine.up?.over ?? null;
  }

  /** @returns {string | null} who one is, once welcomed */
  get user() {
    return this.#driver.machine.user;
  }

  /** @returns {boolean} */
  get guest() {
    return this.#driver.machine.welcome?.guest ?? false;
  }

  /** @returns {string | null} the session's public name */
  get sid() {
    return this.#driver.machine.welcome?.sid ?? null;
  }

  /** @returns {import("./types.js").Limits} */
  get limits() {
    return this.#driver.machine.limits;
  }

  /** @returns {string[]} */
  get features() {
    return this.#driver.machine.welcome?.features ?? [];
  }

  /** @returns {string | null} */
  get token() {
    return this.#driver.machine.identity.token ?? null;
  }

  /** @returns {string | null} when the token ends, by RFC 3339 */
  get expiresAt() {
    return this.#driver.machine.welcome?.expires_at ?? null;
  }

  /** @returns {number | null} when it will try again, on the scale of `Date.now()`, while it waits for that */
  get retryAt() {
    return this.#retryAt;
  }

  /** Tries again now, if it waits. */
  retryNow() {
    this.#driver.do((machine, now) => machine.hurry(now));
  }

  /** The server's clock, in milliseconds. */
  now() {
    return Date.now() + this.#driver.ahead;
  }

  /** @returns {import("./types.js").Waiting[]} what waits to be published, is under way, or failed, in order */
  get outbox() {
    return [...this.#driver.machine.outbox.entries.values()].map(shown);
  }

  /** @returns {Map<string, { epoch: string, seq: number, head: number }>} how far each channel was handed over */
  get joined() {
    const all = [...this.#driver.machine.tracks.map.values()].filter(({ joined }) => joined);
    return new Map(all.map(({ channel, cursor, head }) => [channel, { epoch: "", seq: 0, ...cursor, head }]));
  }

  /**
   * Hears a channel from now on, over every reconnect, until it is left or closed.
   * @param {string} channel
   * @param {{ since?: import("./types.js").Cursor, tail?: number, member?: boolean }} [how]
   * @returns {Promise<Frame>} the first `joined`
   */
  join(channel, how = {}) {
    return this.#wait((waiter) => this.#driver.do((machine, now) => machine.join(now, channel, how, waiter)));
  }

  /**
   * Hears a channel no more, and ends the membership, unless `only` is `"session"`.
   * @param {string} channel
   * @param {{ only?: "session" }} [how]
   */
  leave(channel, { only } = {}) {
    return this.#ask({ type: "leave", channel, only });
  }

  /**
   * Publishes, now or as soon as that can be: it is sent until it is known to be stored, and stored once.
   * @param {string} channel
   * @param {object | string} body a string stands for `{ text }`
   * @param {{ key?: string, kind?: string, ref?: number }} [more]
   * @returns {Promise<import("./types.js").Receipt> & { key: string }} rejects only if it is refused for good
   */
  publish(channel, body, { key = newKey(), kind, ref } = {}) {
    const { machine } = this.#driver;
    const words = typeof body === "string" ? { text: body } : body;
    const done = this.#wait((waiter) => {
      if (typeof words !== "object" || words === null || Array.isArray(words)) {
        throw new BadFrame("body: expected an object or a string", { code: "bad_frame" });
      }
      const there = machine.outbox.find(machine.named(channel), key);
      if (there) {
        const before = there.waiter;
        there.waiter = {
          resolve: (value) => [before, waiter].forEach((one) => one?.resolve(value)),
          reject: (error) => [before, waiter].forEach((one) => one?.reject(error)),
        };
        return;
      }
      const copy = JSON.parse(JSON.stringify(words));
      this.#driver.do((_, now) =>
        machine.publish(now, { channel, key, body: copy, kind, ref, at: Date.now(), waiter }),
      );
    });
    return Object.assign(quiet(done), { key });
  }

  /**
   * Takes a publish back that was not sent yet, or forgets one that failed.
   * @param {string} key
   * @returns {boolean} whether there was one
   */
  cancel(key) {
    return this.#driver.do((machine) => machine.outbox.cancel(key));
  }

  /**
   * A page of a channel's log.
   * @param {string} channel
   * @param {{ before?: number, after?: number, hour?: string, limit?: number }} [range]
   */
  history(channel, { before, after, hour, limit } = {}) {
    return this.#ask({ type: "history", channel, before, after, hour, limit });
  }

  /** How users are. @param {string[]} users */
  presence(users) {
    return this.#ask({ type: "presence", users });
  }

  /** Who hears a channel. @param {string} channel @param {{ after?: string, limit?: number }} [page] */
  who(channel, { after, limit } = {}) {
    return this.#ask({ type: "who", channel, after, limit });
  }

  /** Hears how these are from now on, over every reconnect. @param {{ users?: string[], channel?: string }} whom */
  watch({ users, channel }) {
    return this.#ask({ type: "watch", users, channel });
  }

  /** Does not hear it any more. @param {{ users?: string[], channel?: string }} whom */
  unwatch({ users, channel }) {
    return this.#ask({ type: "unwatch", users, channel });
  }

  /** Who belongs to a channel. @param {string} channel @param {{ after?: string, limit?: number }} [page] */
  members(channel, { after, limit } = {}) {
    return this.#ask({ type: "members", channel, after, limit });
  }

  /** The channels that one is a member of. @param {{ after?: string, limit?: number }} [page] */
  channels({ after, limit } = {}) {
    return this.#ask({ type: "channels", after, limit });
  }

  /** Changes one's contacts, and gives them all. @param {{ add?: string[], remove?: string[] }} [change] */
  contacts({ add, remove } = {}) {
    return this.#ask({ type: "contacts", add, remove });
  }

  /** Says that one is typing. @param {string} channel */
  typing(channel) {
    return quiet(this.#ask({ type: "typing", channel }));
  }

  /** Has read up to here. @param {string} channel @param {number} seq */
  read(channel, seq) {
    return quiet(this.#ask({ type: "read", channel, seq }));
  }

  /** Makes a channel. @param {string} channel @param {{ private?: boolean, title?: string }} [how] */
  create(channel, how = {}) {
    return this.#ask({ type: "create", channel, private: how.private, title: how.title });
  }

  /** Invites a user. @param {string} channel @param {string} user */
  invite(channel, user) {
    return this.#ask({ type: "invite", channel, user });
  }

  /** Makes a user leave. @param {string} channel @param {string} user @param {{ reason?: string }} [more] */
  kick(channel, user, { reason } = {}) {
    return this.#ask({ type: "kick", channel, user, reason });
  }

  /** Shuts a user out. @param {string} channel @param {string} user @param {{ reason?: string }} [more] */
  ban(channel, user, { reason } = {}) {
    return this.#ask({ type: "ban", channel, user, reason });
  }

  /** Lets a user in again. @param {string} channel @param {string} user @param {{ reason?: string }} [more] */
  unban(channel, user, { reason } = {}) {
    return this.#ask({ type: "unban", channel, user, reason });
  }

  /** Gives a user a role. @param {string} channel @param {string} user @param {string} role */
  role(channel, user, role) {
    return this.#ask({ type: "role", channel, user, role });
  }

  /** Deletes a channel, with its log. @param {string} channel */
  delete(channel) {
    return this.#ask({ type: "delete", channel });
  }

  /** Whether others see one's presence. @param {boolean} on */
  visible(on) {
    return quiet(this.#ask({ type: "visible", on }));
  }

  /** Asks whether the server is there. */
  ping() {
    return this.#ask({ type: "ping" });
  }

  /** @param {Frame} command @returns {Promise<Frame>} */
  #ask(command) {
    const said = JSON.parse(JSON.stringify(command));
    return this.#wait((waiter) => this.#driver.do((machine, now) => machine.request(now, said, waiter)));
  }

  /** @param {(waiter: import("./types.js").Waiter) => void} begin @returns {Promise<any>} */
  #wait(begin) {
    return new Promise((resolve, reject) => begin({ resolve, reject }));
  }

  /** @param {string} type @param {any} event */
  #told(type, event) {
    if (type === "state") {
      this.#state = event.state;
      this.#retryAt = event.retryAt;
    }
    this.emit(type, event);
  }
}
