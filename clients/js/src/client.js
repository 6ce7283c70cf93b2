// The client, as an application sees it.

import { checked, publishable } from "./checked.js";
import { Commands, quiet } from "./commands.js";
import { Driver } from "./driver.js";
import { Disconnected } from "./errors.js";
import { shown } from "./outbox.js";
import { Vault } from "./vault.js";

/**
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Options} Options
 */

/** @returns {URL} the server's address, with a slash at its end */
export function baseOf(/** @type {string | URL | undefined} */ url) {
  const base = new URL(url ?? ".", globalThis.location?.href);
  base.protocol = base.protocol.replace("ws", "http");
  if (!/^https?:$/.test(base.protocol)) {
    throw new TypeError(`expected an address with http or https, got ${url}`);
  }
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

/** A user's connection to a server, which comes back by itself. */
export class Client extends Commands {
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
    return this.#wait((waiter) => {
      const said = checked({ channel, ...how });
      this.#driver.do((machine, now) => machine.join(now, said.channel, said, waiter));
    });
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
    const done = this.#wait((waiter) => {
      const said = { channel, key, body: typeof body === "string" ? { text: body } : body, kind, ref };
      const words = publishable(said, machine.welcome ? machine.limits.body_bytes : Infinity);
      const there = machine.outbox.find(machine.named(channel), key);
      if (there) {
        const before = there.waiter;
        there.waiter = {
          resolve: (value) => [before, waiter].forEach((one) => one?.resolve(value)),
          reject: (error) => [before, waiter].forEach((one) => one?.reject(error)),
        };
        return;
      }
      this.#driver.do((_, now) => machine.publish(now, { ...words, at: Date.now(), waiter }));
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

  /** @internal @override @param {Frame} command @returns {Promise<Frame>} */
  ask(command) {
    return this.#wait((waiter) => {
      const said = checked(command);
      this.#driver.do((machine, now) => machine.request(now, said, waiter));
    });
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
