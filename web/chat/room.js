// One channel as this page knows it: the messages that are loaded, without a gap between them, and all that is said of
// it. It asks for nothing; the desk does.

import { News } from "./news.js";
import { direct, peer } from "./people.js";

/** Of a channel that is not open, so many messages are kept. */
const UNSEEN = 300;
/** For how long somebody types who said so, in milliseconds. */
const TYPES_MS = 5000;

/** Tells `spliced(at, removed, added)` of its messages, `waiting(at, removed, added)` of those on their way, `member`,
 *  `typing`, and `changed` of everything else. */
export class Room extends News {
  /** Messages in order, each as its frame. */
  messages = [];
  /** Those on their way: entries of the client's outbox. */
  waiting = [];
  /** Whether older ones may be read, and are being read. */
  older = true;
  isReading = false;
  isFilled = false;
  /** Whether one belongs to it; whether this session hears it; whether one was asked in. */
  isMember = false;
  isHeard = false;
  isInvited = false;
  isPrivate = false;
  topic = "";
  role = "member";
  /** How many hear it, if that is known. */
  online = null;
  epoch = null;
  head = 0;
  read = 0;
  unread = 0;
  isCalled = false;
  /** The line "new" is behind this message; `null` if there is none. */
  markAfter = null;
  /** Why it cannot be read, in words. */
  fault = null;
  /** Up to where others have read, and until when they type. */
  reads = new Map();
  #typing = new Map();

  constructor(channel, me) {
    super();
    this.channel = channel;
    this.me = me;
    this.isDirect = channel.startsWith("@");
    this.peer = this.isDirect ? peer(channel, me) : null;
  }

  /** The name behind the `#` of this page's address. */
  get hash() {
    return this.isDirect ? `#@${this.peer}` : `#${this.channel}`;
  }

  get last() {
    return this.messages.at(-1);
  }

  /** Takes a message that is new; says whether it was. */
  add(frame) {
    if (frame.seq <= (this.last?.seq ?? 0)) {
      return false;
    }
    this.head = Math.max(this.head, frame.seq);
    if (this.#typing.delete(frame.from)) {
      this.tell("typing");
    }
    if (frame.kind !== undefined) {
      return false;
    }
    this.messages.push(frame);
    if (!this.isFilled && this.messages.length > 2 * UNSEEN) {
      this.messages.splice(0, this.messages.length - UNSEEN);
    }
    this.tell("spliced", this.messages.length - 1, 0, 1);
    return true;
  }

  /** Takes a page of what is before the loaded ones. */
  prepend({ messages, more }) {
    const first = this.messages[0]?.seq ?? Infinity;
    const before = messages.filter((frame) => frame.kind === undefined && frame.seq < first);
    this.messages = before.concat(this.messages);
    this.older = more;
    this.isFilled = true;
    this.tell("spliced", 0, 0, before.length);
    this.tell("changed");
  }

  /** Forgets the loaded ones: something is missing behind them, or the log began anew. */
  forget() {
    const { length } = this.messages;
    this.messages = [];
    this.older = true;
    this.isFilled = false;
    this.tell("spliced", 0, length, 0);
    this.tell("changed");
  }

  /** The seq from which on everything is loaded. */
  get from() {
    return this.messages[0]?.seq ?? this.head + 1;
  }

  /** An entry of the outbox is on its way, or how it is has changed. */
  wait(entry) {
    const at = this.waiting.findIndex(({ key }) => key === entry.key);
    if (at === -1) {
      this.waiting.push(entry);
      this.tell("waiting", this.waiting.length - 1, 0, 1);
    } else {
      this.waiting[at] = entry;
      this.tell("changed");
    }
  }

  /** It is on its way no longer. */
  arrived(key) {
    const at = this.waiting.findIndex((entry) => entry.key === key);
    if (at !== -1) {
      this.waiting.splice(at, 1);
      this.tell("waiting", at, 1, 0);
    }
  }

  /** Somebody read up to here. */
  readBy(user, seq) {
    if (user === this.me) {
      this.read = Math.max(this.read, seq);
      this.count();
    } else {
      this.reads.set(user, Math.max(this.reads.get(user) ?? 0, seq));
    }
    this.tell("changed");
  }

  /** Counts anew what is unread, where all of that is loaded. */
  count() {
    if (this.read >= this.head) {
      this.unread = 0;
      this.isCalled = false;
    } else if (this.from <= this.read + 1) {
      this.unread = this.messages.filter(({ seq, from }) => seq > this.read && from !== this.me).length;
    }
  }

  /** Somebody types. */
  types(user, now = Date.now()) {
    this.#typing.set(user, now + TYPES_MS);
    this.tell("typing");
    setTimeout(() => this.tell("typing"), TYPES_MS + 100);
  }

  /** Who types now. */
  typing(now = Date.now()) {
    return [...this.#typing].filter(([, until]) => until > now).map(([user]) => user);
  }

  /** What one said here before, the newest first. */
  said() {
    const texts = [...this.messages, ...this.waiting].filter(({ from = this.me }) => from === this.me);
    return [...new Set(texts.reverse().map(({ body }) => body?.text).filter((text) => typeof text === "string"))];
  }
}

/** The channel that this page's address names, if it is a name. */
export function named(hash, me) {
  let text;
  try {
    text = decodeURIComponent(hash.slice(1));
  } catch {
    return null;
  }
  if (/^@[a-z0-9][a-z0-9_.-]{0,63}$/.test(text)) {
    return direct(text.slice(1), me);
  }
  return /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text) ? text : null;
}
