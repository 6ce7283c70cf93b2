// Does what the machine says: it hands it what happens, with the time, and carries out its effects.

import { publishable } from "./checked.js";
import { Machine } from "./machine.js";
import { longPoll } from "./longpoll.js";
import { webSocket } from "./websocket.js";

/** A timer that comes so much too late means that the process slept, in milliseconds. */
const SLEPT = 3000;
/** When outboxes are looked for again that live clients may leave, in milliseconds. */
const ADOPT = 31_000;
/** So many turns others get who wait for a join. */
const TICKS = 10;
/** The longest timer. */
const LONGEST = 3_600_000;

/** The driver of one client. */
export class Driver {
  /**
   * @param {import("./types.js").Options} options
   * @param {URL} base the server's address
   * @param {import("./vault.js").Vault} vault
   * @param {(type: string, event: any) => void} tell
   */
  constructor(options, base, vault, tell) {
    const { token, guest, client, transports, refill = 500, outbox = 1000 } = options;
    const { min = 250, max = 30_000 } = options.backoff ?? {};
    this.base = base;
    this.vault = vault;
    this.tell = tell;
    this.fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!["function", "string", "undefined"].includes(typeof (token ?? undefined))) {
      throw new TypeError(`token: expected a string or a function, got ${typeof token}`);
    }
    this.source = typeof token === "function" ? token : null;
    const chosen = transports ?? ["websocket", "longpoll"];
    const usable = chosen.filter((one) => one === "longpoll" || (one === "websocket" && this.WebSocket));
    if (usable.length === 0) {
      throw new TypeError("there is no WebSocket here: hand one in, or allow long-poll");
    }
    const rules = {
      backoff: { min, max: Math.max(min, max) },
      refill,
      outbox,
      greeting: options.openWithin ?? 8000,
      answer: 15_000,
      patience: 5000,
      probe: { min: 30_000, max: 600_000, ...options.probe },
      random: Math.random,
    };
    const given = this.source ? null : /** @type {string | undefined} */ (token);
    const kept = !token && guest !== undefined ? vault.token(guest) : null;
    const identity = { given, token: given ?? kept, kept: kept !== null, asks: this.source !== null, guest, client };
    this.machine = new Machine(rules, usable, identity, (user) => vault.cursors(user));
    /** @type {Map<number, import("./types.js").Wire>} */
    this.wires = new Map();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.due = Infinity;
    /** @type {import("./types.js").Effect[]} */
    this.effects = [];
    this.busy = false;
    /** What came and is not dealt with. @type {{ type: string, run: () => void }[]} */
    this.inbox = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.adoption = undefined;
    /** Ends what is heard of the page. @type {AbortController | null} */
    this.page = null;
    this.last = 0;
    this.skew = 0;
    /** What the server's clock is ahead of ours. */
    this.ahead = 0;
  }

  /** The time that the machine sees: it never goes back. */
  now() {
    const now = Date.now() + this.skew;
    this.skew += Math.max(0, this.last - now);
    this.last = Math.max(this.last, now);
    return this.last;
  }

  /**
   * Hands something to the machine, and does what it says.
   * @template T
   * @param {(machine: Machine, now: number) => T} what
   */
  do(what) {
    const result = what(this.machine, this.now());
    this.carryOut();
    return result;
  }

  carryOut() {
    this.effects.push(...this.machine.take());
    if (this.busy) {
      return;
    }
    this.busy = true;
    try {
      for (let effect = this.effects.shift(); effect; effect = this.effects.shift()) {
        this.carry(effect);
        this.effects.push(...this.machine.take());
      }
    } finally {
      this.busy = false;
    }
    this.arm();
    this.vault.changed(this.machine);
  }

  /** @param {import("./types.js").Effect} effect */
  carry(effect) {
    switch (effect.do) {
      case "open":
        return this.open(effect.conn, effect.over);
      case "say":
        return this.wires.get(effect.conn)?.say(effect.frame);
      case "hang":
        this.wires.get(effect.conn)?.hang(effect.goodbye);
        return this.wires.delete(effect.conn);
      case "token":
        return void this.ask();
      case "tell":
        return this.told(effect.type, effect.event);
    }
  }

  /** @param {string} type @param {import("./types.js").Frame} event */
  told(type, event) {
    if (type === "welcome" || type === "pong") {
      this.ahead = (Date.parse(event.now) || Date.now()) - Date.now();
    }
    if (type === "welcome") {
      const { identity } = this.machine;
      if (event.guest && typeof identity.guest === "string" && !identity.given && !identity.asks && identity.token) {
        this.vault.keepToken(identity.guest, identity.token);
      }
      this.adopt();
    }
    if (type === "state") {
      this.look(event.state === "disconnected" || event.state === "refused");
      event.retryAt = event.retryAt < Infinity ? event.retryAt - this.skew : null;
    }
    this.tell(type, event);
  }

  /** Takes over the outboxes of clients that are gone. */
  adopt() {
    const { outbox } = this.machine;
    const later = this.vault.adopt(this.machine, (words) => {
      if (sound(words) && !outbox.find(words.channel, words.key)) {
        this.do((machine, now) => machine.publish(now, words));
      }
    });
    clearTimeout(this.adoption);
    this.adoption = later ? setTimeout(() => this.machine.up && this.adopt(), ADOPT) : undefined;
    /** @type {any} */ (this.adoption)?.unref?.();
  }

  /** Hears what happens to the page, where there is one, until the client has ended. @param {boolean} ended */
  look(ended) {
    if (ended) {
      clearTimeout(this.adoption);
      this.page?.abort();
      this.page = null;
      this.vault.leave(this.machine);
    } else if (!this.page) {
      this.vault.back();
      this.page = new AbortController();
      const { signal } = this.page;
      const wake = () => this.do((machine, now) => machine.woke(now));
      const { document } = globalThis;
      globalThis.addEventListener?.("online", wake, { signal });
      globalThis.addEventListener?.("pagehide", () => this.away(), { signal });
      // A page may come back as it was.
      globalThis.addEventListener?.("pageshow", ({ persisted }) => persisted && this.back(), { signal });
      document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake(), {
        signal,
      });
    }
  }

  /** The page goes, for good or for a while. */
  away() {
    this.vault.leave(this.machine);
    this.wires.forEach((wire) => wire.hang(true));
  }

  /** The page is back. */
  back() {
    this.vault.back();
    for (const conn of [...this.wires.keys()]) {
      this.gone(conn, { why: "the page was away" });
    }
  }

  /** Asks the application for the token. */
  async ask() {
    const { rules, identity } = this.machine;
    let [token, failed, timer] = /** @type {any[]} */ ([]);
    try {
      const late = new Promise((_, fail) => {
        timer = setTimeout(() => fail(new Error("the token did not come in time")), rules.greeting);
      });
      token = (await Promise.race([this.source?.(), late])) || undefined;
      if (typeof token !== "string" && (token !== undefined || identity.guest === undefined)) {
        throw new TypeError(`token: expected a string, got ${typeof token}`);
      }
    } catch (error) {
      failed = error instanceof Error ? error : new Error(String(error));
    }
    clearTimeout(timer);
    this.do((machine, now) => machine.token(now, token, failed));
  }

  /** @param {number} conn @param {import("./types.js").Transport} over */
  open(conn, over) {
    /** @type {import("./types.js").Ear} */
    const ear = {
      opened: () => this.do((machine, now) => machine.opened(now, conn)),
      alive: () => this.do((machine, now) => machine.alive(now, conn)),
      frame: (frame) => this.enter(frame.type, () => this.hear(conn, frame)),
      down: (down) => this.enter("down", () => this.gone(conn, down)),
    };
    try {
      const { base } = this;
      this.wires.set(
        conn,
        over === "longpoll" ? longPoll(this.fetch, base, ear) : webSocket(this.WebSocket, base, ear),
      );
    } catch (error) {
      queueMicrotask(() => this.gone(conn, { why: String(error) }));
    }
  }

  /**
   * What comes is dealt with in order. Whoever waits for a join goes on before the messages behind it are handed over.
   * @param {string} type
   * @param {() => void} run
   */
  async enter(type, run) {
    this.inbox.push({ type, run });
    if (this.inbox.length > 1) {
      return;
    }
    for (let [one] = this.inbox; one; [one] = this.inbox) {
      try {
        one.run();
      } catch (error) {
        console.error(error);
      }
      for (let ticks = one.type === "joined" ? TICKS : 0; ticks > 0; ticks -= 1) {
        await null;
      }
      this.inbox.shift();
    }
  }

  /** @param {number} conn @param {import("./types.js").Frame} frame */
  hear(conn, frame) {
    try {
      this.do((machine, now) => machine.heard(now, conn, frame));
    } catch (error) {
      // It is not what the protocol says.
      this.carry({ do: "hang", conn, goodbye: true });
      this.gone(conn, { why: String(error) });
    }
  }

  /** @param {number} conn @param {import("./types.js").Down} down */
  gone(conn, down) {
    this.wires.delete(conn);
    this.do((machine, now) => machine.down(now, conn, down));
  }

  /** Sets the timer for what is due next. */
  arm() {
    const due = this.machine.deadline();
    if (due === this.due && this.timer !== undefined) {
      return;
    }
    clearTimeout(this.timer);
    this.timer = undefined;
    this.due = due;
    if (due < Infinity) {
      this.timer = setTimeout(() => this.tick(), Math.min(LONGEST, Math.max(0, due - this.now())));
    }
  }

  tick() {
    this.timer = undefined;
    const slept = this.now() - this.due > SLEPT;
    this.do((machine, now) => (slept ? machine.woke(now) : machine.tick(now)));
  }
}

/** Whether what was kept can be sent. @param {import("./outbox.js").Words} words */
function sound(words) {
  try {
    return !!publishable(words, Infinity);
  } catch {
    return false;
  }
}
