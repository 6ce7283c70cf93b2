// All that one who is signed in has before them: the channels, the people, and what is done with them.

import { Company } from "./company.js";
import { Hearing } from "./hearing.js";
import { News } from "./news.js";
import { Room, named } from "./room.js";

/** So many messages are loaded at a time. */
const PAGE = 100;
/** So many channels are heard all the time; of the others the server only says that there is something. */
const HEARD = 60;
/** How long a read position may wait to be told, in milliseconds. */
const READ_MS = 600;
/** How long a count of who is here may be old, likewise. */
const COUNT_MS = 400;
/** How often it is counted anew though nothing was heard: sessions come and go without a word. */
const COUNT_AGAIN_MS = 30_000;

/** Tells `places` (the channels, or how it is with one), `open(room)`, `people`, `line`, `message(room, frame)` of each
 *  that is new, `invited(room)`, `fault(error)`. */
export class Desk extends News {
  rooms = new Map();
  /** The room that is open. */
  room = null;
  /** Whether it is known to which channels one belongs. */
  isReady = false;
  /** Whether the reader sees the end of it: says the view. */
  isAttended = () => false;
  #readings = new Map();
  #counting = 0;

  constructor(client, accounts, { user, guest }) {
    super();
    [this.client, this.accounts, this.me, this.guest] = [client, accounts, user, guest];
    this.company = new Company(this);
    new Hearing(this);
    setInterval(() => !document.hidden && client.state === "online" && this.count(this.room), COUNT_AGAIN_MS);
  }

  /** The room of this channel; made if it is not known. */
  at(channel) {
    const room = this.rooms.get(channel) ?? new Room(channel, this.me);
    this.rooms.set(channel, room);
    return room;
  }

  /** The rooms that one belongs to or is asked into, in the order of their names. */
  places() {
    const mine = [...this.rooms.values()].filter((room) => room.isMember || room.isInvited);
    return mine.sort((one, other) => (one.hash < other.hash ? -1 : 1));
  }

  /** Brings everything up to date: at the start, and whenever the line is back. */
  async refresh() {
    const rows = [];
    for (let more = true, after; more; after = rows.at(-1)?.channel) {
      const page = await this.client.channels({ after, limit: 1000 });
      rows.push(...page.channels);
      more = page.more && page.channels.length > 0;
    }
    const mine = new Set(rows.map(({ channel }) => channel));
    for (const room of this.rooms.values()) {
      room.isMember = room.isMember && mine.has(room.channel);
    }
    for (const { channel, epoch, head, read, unread, role } of rows) {
      const room = this.at(channel);
      Object.assign(room, { isMember: true, isInvited: false, role, read: Math.max(read, room.read), unread });
      room.epoch ??= epoch;
      room.head = Math.max(room.head, head);
    }
    this.isReady = true;
    if (this.room !== null) {
      this.#begin(this.room);
    }
    const under = new Set(this.client.outbox.map(({ key }) => key));
    for (const room of this.rooms.values()) {
      room.waiting.filter(({ key }) => !under.has(key)).forEach(({ key }) => room.arrived(key));
    }
    this.tell("places");
    await this.company.refresh();
    const heard = [...this.rooms.values()].filter((room) => room.isMember && !room.isHeard);
    // The direct ones first.
    heard.sort((one, other) => other.isDirect - one.isDirect);
    await Promise.allSettled(heard.slice(0, HEARD).map((room) => this.hear(room)));
  }

  /** Hears a room from now on. */
  async hear(room) {
    if (room.isHeard) {
      return;
    }
    room.isHeard = true;
    try {
      const joined = await this.client.join(room.channel, { tail: 0, member: true });
      room.epoch = joined.epoch;
      room.head = Math.max(room.head, joined.head);
      Object.assign(room, { isMember: true, isInvited: false });
    } catch (error) {
      room.isHeard = false;
      throw error;
    }
  }

  /** Opens the room that an address names; `null` closes. */
  open(hash) {
    const channel = hash === null ? null : named(hash, this.me);
    this.room = channel === null ? null : this.at(channel);
    const { room } = this;
    if (room !== null) {
      room.markAfter = null;
    }
    if (room !== null && this.isReady) {
      this.#begin(room);
    }
    this.tell("open", room);
  }

  /** Looks at a room that was opened, once it is known whether one belongs to it. */
  #begin(room) {
    room.markAfter ??= room.unread > 0 ? room.read : null;
    this.look(room);
  }

  /** Loads what a room that is looked at shows first. */
  async look(room) {
    room.fault = null;
    try {
      if (room.isMember) {
        await this.hear(room);
      }
      if (!room.isFilled) {
        // All that is new, if that may be.
        await this.older(room, Math.min(1000, Math.max(PAGE, room.unread + 20)));
      }
      await this.#ask(room);
    } catch (error) {
      if (room.isDirect && error.code === "not_found") {
        // Nobody has said anything yet.
        Object.assign(room, { isFilled: true, older: false });
      } else if (error.name !== "Disconnected") {
        room.fault = error;
      }
    }
    room.tell("changed");
    this.tell("places");
  }

  /** Asks what a channel is about, and how many hear it. */
  async #ask(room) {
    if (!room.isDirect) {
      const { title, online, private: isPrivate } = await this.accounts.channel(room.channel, this.client.token);
      Object.assign(room, { topic: title ?? "", online, isPrivate: isPrivate === true });
    }
  }

  /** Counts anew who hears the open room, soon. */
  count(room) {
    if (room !== null && room === this.room && this.#counting === 0) {
      this.#counting = setTimeout(() => {
        this.#counting = 0;
        this.#ask(room).then(
          () => room.tell("changed"),
          () => {},
        );
      }, COUNT_MS);
    }
  }

  /** Joins a channel, and belongs to it from then on. */
  async join(room) {
    await this.hear(room);
    this.tell("places");
    await this.look(room);
    if (room === this.room) {
      this.tell("open", room);
    }
  }

  /** Leaves a channel. */
  async leave(room) {
    await this.client.leave(room.channel);
    this.drop(room);
  }

  /** One does not belong to it any more. */
  drop(room) {
    Object.assign(room, { isMember: false, isHeard: false, isInvited: false, unread: 0 });
    room.tell("changed");
    this.tell("places");
  }

  /** Loads older messages, a page at a time; says whether there were any. */
  async older(room, limit = PAGE) {
    if (room.isReading || !room.older) {
      return false;
    }
    room.isReading = true;
    try {
      const before = room.messages[0]?.seq;
      const page = await this.client.history(room.channel, { limit, ...(before && { before }) });
      room.prepend(page);
      return page.messages.length > 0;
    } finally {
      room.isReading = false;
    }
  }

  /** Says something. */
  async send(room, body) {
    room.markAfter = null;
    room.tell("changed");
    if (!room.isHeard && room.isDirect) {
      // A direct channel is there once somebody speaks in it.
      this.hear(room).then(
        () => this.company.watch(),
        () => {},
      );
    }
    try {
      await this.client.publish(room.channel, body);
    } catch {
      // The outbox says it, where the message stands.
    }
  }

  /** Tries again what was refused, or takes it out. */
  again(room, entry, isWanted) {
    this.client.cancel(entry.key);
    room.arrived(entry.key);
    if (isWanted) {
      this.send(room, entry.body);
    }
  }

  /** The reader has seen all there is: tells the server, soon. */
  attend(room) {
    if (!room.isMember || room.read >= room.head) {
      return;
    }
    room.read = room.head;
    room.count();
    room.tell("changed");
    this.tell("places");
    if (!this.#readings.has(room)) {
      const told = () => {
        this.#readings.delete(room);
        this.client.read(room.channel, room.read).catch(() => {});
      };
      this.#readings.set(room, setTimeout(told, READ_MS));
    }
  }
}
