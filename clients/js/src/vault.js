// What survives a reload: cursors, the outbox, a guest's token. Storage that is broken or full harms nothing.
//
// Cursors belong to a user, and the furthest counts. Each client has an outbox of its own there. A client that comes
// takes over those of clients that are gone: whose lock is free, or, where there are no locks, whose lease has run
// out. If two take over the same one, its keys still make each message once.

/** The least time between two writes, in milliseconds. */
const WRITE = 1000;
/** How long a lease is good, and how often it is renewed. */
const LEASE = 30_000;
const RENEW = 10_000;
/** How many characters of an outbox are kept, how many outboxes, and how many cursors. */
const CHARS = 1_000_000;
const OUTBOXES = 50;
const CURSORS = 500;

/**
 * @typedef {import("./types.js").Cursor} Cursor
 * @typedef {import("./machine.js").Machine} Machine
 * @typedef {{ user: string | null, as: number, entries: import("./outbox.js").Words[] }} Slot `as`: by what it came,
 *   where it is not known yet which user that is
 */

/** Keeps it. */
export class Vault {
  /** Names this client. */
  #me = Math.random().toString(36).slice(2, 12);
  #storage;
  #prefix;
  /** Whether the outbox there is claimed as this client's. */
  #mine = false;
  /** Whether it is closed, or its page was left. */
  #away = false;
  /** Lets go of the lock. @type {(() => void) | null} */
  #release = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #renewal;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #written = 0;
  /** What was written last: versions of the outbox and of the cursors. */
  #outbox = 0;
  #cursors = 0;
  /** What was written last of each channel. @type {Map<string, string>} */
  #last = new Map();

  /**
   * @param {import("./types.js").Keep | undefined} storage
   * @param {string} prefix
   * @param {any} [locks] Web Locks, where there are any
   */
  constructor(storage, prefix, locks = globalThis.navigator?.locks) {
    this.#storage = storage;
    this.#prefix = prefix;
    this.locks = locks;
  }

  /** The token of a guest of this wished name. @param {string} name @returns {string | null} */
  token(name) {
    const kept = this.#read("guest");
    return kept?.name === name && typeof kept.token === "string" ? kept.token : null;
  }

  /** @param {string} name @param {string} token */
  keepToken(name, token) {
    this.#write("guest", { name, token });
  }

  /** The cursors that a user left. @param {string} user @returns {Map<string, Cursor>} */
  cursors(user) {
    /** @type {any[]} */
    const all = Object.values(this.#read(`cursors:${user}`) ?? {}).filter(Array.isArray);
    const good = all.filter(([name, epoch, seq]) => {
      return typeof name === "string" && typeof epoch === "string" && Number.isSafeInteger(seq);
    });
    return new Map(good.map(([channel, epoch, seq]) => [channel, { epoch, seq }]));
  }

  /** Something may have to be written: soon, and not too often. @param {Machine} machine */
  changed(machine) {
    const { outbox, tracks } = machine;
    const dirty = outbox.version !== this.#outbox || tracks.version !== this.#cursors;
    if (!this.#storage) {
      tracks.left.clear();
    } else if (dirty && this.#timer === undefined) {
      const wait = Math.max(0, Math.min(WRITE, this.#written + WRITE - Date.now()));
      this.#timer = setTimeout(() => this.flush(machine), wait);
    }
  }

  /** Writes what has changed, now. @param {Machine} machine */
  flush(machine) {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { outbox, tracks, user, identity } = machine;
    if (!this.#storage) {
      return tracks.left.clear();
    }
    this.#written = Date.now();
    if (user !== null && tracks.version !== this.#cursors) {
      this.#cursors = tracks.version;
      this.#merge(user, tracks);
    }
    if (outbox.version !== this.#outbox) {
      this.#outbox = outbox.version;
      this.#keep({ user, as: mark(identity), entries: outbox.kept() });
    }
  }

  /**
   * Writes what has changed here: what others wrote of other channels stays. The last that changed are kept.
   * @param {string} user
   * @param {import("./tracks.js").Tracks} tracks
   */
  #merge(user, { left, map }) {
    const all = this.cursors(user);
    const put = (/** @type {string} */ channel, /** @type {Cursor} */ { epoch, seq }) => {
      const there = all.get(channel);
      all.delete(channel);
      all.set(channel, { epoch, seq: there?.epoch === epoch ? Math.max(there.seq, seq) : seq });
    };
    left.forEach((cursor, channel) => (cursor ? put(channel, cursor) : all.delete(channel)));
    left.clear();
    const last = this.#last;
    this.#last = new Map();
    for (const { channel, cursor, joined } of map.values()) {
      if (cursor && joined) {
        const text = `${user} ${cursor.epoch} ${cursor.seq}`;
        this.#last.set(channel, text);
        if (last.get(channel) !== text) {
          put(channel, cursor);
        }
      }
    }
    const kept = [...all].slice(-CURSORS).map(([channel, { epoch, seq }]) => [channel, epoch, seq]);
    this.#write(`cursors:${user}`, kept);
  }

  /** This client goes: what it has may be taken over, until it is back. @param {Machine} machine */
  leave(machine) {
    this.#away = true;
    this.flush(machine);
    this.#letGo();
    if (this.#read("outboxes")?.[this.#me] !== undefined) {
      this.#list(0);
    }
  }

  /** This client is here. */
  back() {
    if (this.#away) {
      this.#away = false;
      this.#outbox = -1;
    }
  }

  /** Nothing of this user is to be left. @param {Machine} machine */
  forget({ user, identity, outbox, tracks }) {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    [this.#outbox, this.#cursors] = [outbox.version, tracks.version];
    this.#last.clear();
    tracks.left.clear();
    if (!identity.given && !identity.asks && this.#read("guest")?.name === identity.guest) {
      this.#remove("guest");
    }
    this.#remove(`cursors:${user}`);
    this.#drop(this.#me);
    this.#letGo();
  }

  /**
   * Takes over what clients left that are gone.
   * @param {Machine} machine
   * @param {(words: import("./outbox.js").Words) => void} accept throws if there is no room
   * @returns {boolean} whether some may be gone later
   */
  adopt(machine, accept) {
    const all = Object.entries(this.#read("outboxes") ?? {}).filter(([id]) => id !== this.#me);
    let later = false;
    for (const [id, lease] of all) {
      const take = () => this.#take(id, machine, accept);
      if (this.locks) {
        // Without waiting: a lock that is held is that of a client that lives.
        const free = (/** @type {unknown} */ lock) => (lock ? take() : undefined);
        this.locks.request(`${this.#prefix}:${id}`, { ifAvailable: true }, free).catch(() => {});
      } else if (!(Date.now() - lease < LEASE)) {
        take();
      } else {
        later = true;
      }
    }
    return later;
  }

  /** @param {string} id @param {Machine} machine @param {(words: import("./outbox.js").Words) => void} accept */
  #take(id, machine, accept) {
    /** @type {Slot | null} */
    const slot = this.#read(`outbox:${id}`);
    if (!Array.isArray(slot?.entries)) {
      return this.#drop(id);
    }
    if (slot.user === machine.user || (slot.user === null && slot.as === mark(machine.identity))) {
      try {
        slot.entries.forEach((words) => accept({ ...words, base: words.base ?? null, tried: true }));
      } catch {
        // No room, for now.
        return;
      }
      this.flush(machine);
      this.#drop(id);
    }
  }

  /** @param {Slot} slot */
  #keep(slot) {
    const sizes = slot.entries.map((words) => JSON.stringify(words).length);
    let most = sizes.findIndex((_, at) => sizes.slice(0, at + 1).reduce((sum, size) => sum + size) > CHARS);
    most = most < 0 ? sizes.length : most;
    if (most > 0) {
      this.#claim();
    }
    // The oldest first, as many as there is room for.
    while (most > 0 && !this.#write(`outbox:${this.#me}`, { ...slot, entries: slot.entries.slice(0, most) })) {
      most >>= 1;
    }
    if (most === 0) {
      this.#drop(this.#me);
      this.#letGo();
    }
  }

  /** Says that the outbox there is this client's, who lives. */
  #claim() {
    if (this.#mine) {
      return;
    }
    const all = Object.keys(this.#read("outboxes") ?? {});
    all.slice(0, -OUTBOXES).forEach((id) => this.#drop(id));
    this.#list(this.#away ? 0 : Date.now());
    this.#mine = !this.#away;
    if (this.#away) {
      // It is nobody's.
    } else if (this.locks) {
      const held = new Promise((release) => (this.#release = () => release(undefined)));
      this.locks.request(`${this.#prefix}:${this.#me}`, () => held).catch(() => {});
    } else {
      this.#renewal = setInterval(() => this.#list(Date.now()), RENEW);
      /** @type {any} */ (this.#renewal).unref?.();
    }
  }

  /** Names this client among those that have an outbox there. @param {number} lease */
  #list(lease) {
    this.#write("outboxes", { ...this.#read("outboxes"), [this.#me]: lease });
  }

  /** The outbox there is nobody's. */
  #letGo() {
    this.#release?.();
    clearInterval(this.#renewal);
    this.#mine = false;
  }

  /** @param {string} id */
  #drop(id) {
    this.#remove(`outbox:${id}`);
    const { [id]: gone, ...rest } = this.#read("outboxes") ?? {};
    if (gone !== undefined) {
      this.#write("outboxes", rest);
    }
  }

  /** @param {string} name @returns {any} */
  #read(name) {
    try {
      const value = JSON.parse(this.#storage?.getItem(`${this.#prefix}:${name}`) ?? "null");
      return typeof value === "object" ? value : null;
    } catch {
      return null;
    }
  }

  /** @param {string} name @param {object} value */
  #write(name, value) {
    try {
      this.#storage?.setItem(`${this.#prefix}:${name}`, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string} name */
  #remove(name) {
    try {
      this.#storage?.removeItem(`${this.#prefix}:${name}`);
    } catch {
      // It is as broken as it was.
    }
  }
}

/** By what a client comes, in short, whatever becomes of it. @param {import("./standing.js").Identity} identity */
function mark({ given, asks, guest }) {
  let sum = 5381;
  for (const character of given ?? (asks ? "a function" : `guest:${guest}`)) {
    sum = ((sum * 33) ^ (character.codePointAt(0) ?? 0)) >>> 0;
  }
  return sum;
}
