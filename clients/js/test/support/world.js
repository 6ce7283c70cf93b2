// Clients, a naive server and a network between them, in made-up time: everything that chance wants to happen does.

import { Machine } from "../../src/machine.js";
import { Naive } from "./naive.js";

/** @typedef {Record<string, any>} Frame */

/** One client, and all that it was told. */
class Guest {
  /** @param {World} world @param {string} name */
  constructor(world, name) {
    this.world = world;
    this.name = name;
    /** @type {[string, Frame][]} */
    this.told = [];
    /** @type {Map<string, { state: string, receipt?: Frame, at: string }>} what became of each publish */
    this.published = new Map();
    const rules = {
      backoff: { min: 20, max: 500 },
      refill: world.refill,
      outbox: 1000,
      greeting: 800,
      answer: 1500,
      patience: 500,
      probe: { min: 500, max: 3000 },
      random: world.random,
    };
    this.machine = new Machine(rules, ["websocket", "longpoll"], { asks: false, guest: name }, () => new Map());
  }

  /** Hands something to the machine, and does what it says. @param {(machine: Machine, now: number) => void} what */
  do(what) {
    const { world, machine } = this;
    what(machine, world.now);
    for (const effect of machine.take()) {
      switch (effect.do) {
        case "open":
          world.open(this, effect.conn, effect.over);
          break;
        case "say":
          world.say(this, effect.conn, effect.frame);
          break;
        case "hang":
          world.cut(this, effect.conn, false);
          break;
        case "tell":
          this.told.push([effect.type, structuredClone(effect.event)]);
      }
    }
  }

  /** @param {string} channel @param {string} key */
  publish(channel, key) {
    const fate = { state: "open", at: channel };
    this.published.set(key, fate);
    const waiter = {
      resolve: (/** @type {Frame} */ receipt) => Object.assign(fate, { state: "stored", receipt }),
      reject: (/** @type {Error} */ error) => Object.assign(fate, { state: "failed", error }),
    };
    this.do((machine, now) => machine.publish(now, { channel, key, body: { text: key }, at: now, waiter }));
  }
}

/** All of it. */
export class World {
  /** @param {() => number} random */
  constructor(random) {
    this.random = random;
    this.server = new Naive(random);
    this.refill = [0, 4, 500][Math.floor(random() * 3)];
    this.now = 1000;
    this.order = 0;
    /** @type {{ at: number, order: number, run: () => void }[]} */
    this.agenda = [];
    /** @type {Map<string, { id: number, guest: Guest, conn: number, there: number, here: number, silent: boolean }>} */
    this.lines = new Map();
    this.ids = 0;
    this.blocked = false;
    this.broken = 0;
    /** @type {Guest[]} */
    this.guests = [];
  }

  /** @param {string} name */
  guest(name) {
    const guest = new Guest(this, name);
    this.guests.push(guest);
    return guest;
  }

  /** @param {number} wait @param {() => void} run */
  later(wait, run) {
    this.agenda.push({ at: this.now + wait, order: this.order++, run });
  }

  /** @param {Guest} guest @param {number} conn @param {string} over */
  open(guest, conn, over) {
    const key = `${guest.name} ${conn}`;
    const line = { id: ++this.ids, guest, conn, there: this.now, here: this.now, silent: false };
    this.lines.set(key, line);
    const fails = this.random() < this.broken || (over === "websocket" && this.blocked);
    this.later(5 + this.random() * 50, () => {
      if (this.lines.get(key) === line) {
        fails ? this.cut(guest, conn, true) : guest.do((machine, now) => machine.opened(now, conn));
      }
    });
  }

  /** A frame of the client travels. @param {Guest} guest @param {number} conn @param {Frame} frame */
  say(guest, conn, frame) {
    const line = this.lines.get(`${guest.name} ${conn}`);
    if (!line) {
      return;
    }
    const said = JSON.parse(JSON.stringify(frame));
    line.there = Math.max(line.there, this.now + this.random() * 60);
    this.later(line.there - this.now, () => {
      if (this.lines.get(`${guest.name} ${conn}`) === line && !line.silent) {
        this.server.heard(line.id, said, (answer) => this.answer(line, answer));
      }
    });
  }

  /** A frame of the server travels. @param {any} line @param {Frame} frame */
  answer(line, frame) {
    const key = `${line.guest.name} ${line.conn}`;
    const said = structuredClone(frame);
    line.here = Math.max(line.here, this.now + this.random() * 60);
    this.later(line.here - this.now, () => {
      if (this.lines.get(key) === line && !line.silent) {
        line.guest.do((/** @type {Machine} */ machine, /** @type {number} */ now) =>
          machine.heard(now, line.conn, said),
        );
      }
    });
  }

  /** A connection ends. @param {Guest} guest @param {number} conn @param {boolean} told the client hears of it */
  cut(guest, conn, told) {
    const key = `${guest.name} ${conn}`;
    const line = this.lines.get(key);
    if (line) {
      this.lines.delete(key);
      this.server.sessions.delete(line.id);
      if (told) {
        this.later(this.random() * 20, () => guest.do((machine, now) => machine.down(now, conn, { why: "cut" })));
      }
    }
  }

  /** A connection goes dead without a word. */
  silence() {
    const all = [...this.lines.values()];
    const line = all[Math.floor(this.random() * all.length)];
    if (line) {
      line.silent = true;
      this.server.sessions.delete(line.id);
    }
  }

  /** Everything goes on up to a time. @param {number} until */
  run(until) {
    for (;;) {
      this.agenda.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.agenda[0]?.at ?? Infinity;
      const dues = this.guests.map(({ machine }) => Math.max(this.now, machine.deadline()));
      const due = Math.min(...dues);
      if (Math.min(next, due) > until) {
        this.now = until;
        return;
      }
      if (next <= due) {
        this.now = next;
        this.agenda.shift()?.run();
      } else {
        this.now = due;
        this.spins = this.spun === due ? (this.spins ?? 0) + 1 : 0;
        this.spun = due;
        if (this.spins > 1000) {
          throw new Error(`a client is due at ${due} again and again`);
        }
        this.guests[dues.indexOf(due)].do((machine, now) => machine.tick(now));
      }
    }
  }
}
