// A server as simple as can be, in memory, with logs, keys and sessions; and with faults, as chance has it.

/** @typedef {Record<string, any>} Frame */

/** It. */
export class Naive {
  /** @param {() => number} random */
  constructor(random) {
    this.random = random;
    /** @type {Map<string, { epoch: string, first: number, log: Frame[] }>} */
    this.channels = new Map();
    /** @type {Map<number, { user: string, subscribed: Set<string>, say: (frame: Frame) => void, pulses: boolean }>} */
    this.sessions = new Map();
    /** How likely a command is to be answered by an error that passes. */
    this.faulty = 0;
    /** How likely a live message does not reach a session. */
    this.lossy = 0;
    /** Without a base only so many of the newest messages are looked through for a key. */
    this.window = 2;
    /** Messages that a replay has at most. */
    this.replay = 5;
    this.page = 3;
    this.lives = 0;
  }

  /** @param {string} name */
  channel(name) {
    const there = this.channels.get(name) ?? { epoch: `e${this.lives}`, first: 1, log: [] };
    this.channels.set(name, there);
    return there;
  }

  /** A channel's log begins anew. @param {string} name */
  reset(name) {
    this.lives += 1;
    this.channels.delete(name);
    for (const session of this.sessions.values()) {
      if (session.subscribed.delete(name)) {
        session.say({ type: "closed", channel: name, reason: "reset" });
      }
    }
  }

  /** The oldest messages go. @param {string} name @param {number} first */
  trim(name, first) {
    const channel = this.channel(name);
    channel.first = Math.max(channel.first, Math.min(first, channel.log.length + 1));
  }

  /** Tells all how far their channels are. */
  pulse() {
    for (const session of this.sessions.values()) {
      const heads = [...session.subscribed].map((name) => [name, this.channel(name).log.length]);
      session.say({ type: "pulse", heads: Object.fromEntries(heads) });
    }
  }

  /** A frame came over a connection. @param {number} conn @param {Frame} frame @param {(frame: Frame) => void} say */
  heard(conn, frame, say) {
    const session = this.sessions.get(conn);
    const reply = (/** @type {Frame} */ answer) => say({ ...answer, id: frame.id });
    const error = (/** @type {string} */ code, more = {}) => reply({ type: "error", code, message: code, ...more });
    if (frame.type === "hello") {
      const user = frame.token ?? `~${frame.guest}`;
      this.sessions.set(conn, { user, subscribed: new Set(), say, pulses: true });
      const limits = { outstanding: 4, frame_bytes: 4096, page_max: this.page };
      return reply({ type: "welcome", user, token: user, heartbeat_ms: 1000, timeout_ms: 3000, limits });
    }
    if (!session) {
      return;
    }
    if (frame.type !== "ping" && this.random() < this.faulty) {
      const code = ["unavailable", "internal", "rate_limited", "overloaded"][Math.floor(this.random() * 4)];
      const done = code === "unavailable" && this.random() < 0.5;
      if (done && frame.type === "publish") {
        this.publish(session.user, frame);
      }
      return error(code, this.random() < 0.5 ? { retry_after_ms: 50 } : {});
    }
    const { channel: name } = frame;
    switch (frame.type) {
      case "ping":
        return reply({ type: "pong" });
      case "join":
        return this.join(session, frame, reply);
      case "leave":
        session.subscribed.delete(name);
        return reply({ type: "left", channel: name });
      case "publish":
        return reply({
          type: "published",
          channel: name,
          epoch: this.channel(name).epoch,
          ...this.publish(session.user, frame),
        });
      case "history": {
        const { epoch, first, log } = this.channel(name);
        const { after = 0, before = Infinity, limit = 50 } = frame;
        const all = log.filter(({ seq }) => seq >= first && seq > after && seq < before);
        const most = Math.min(limit, this.page);
        const messages = frame.after === undefined ? all.slice(-most) : all.slice(0, most);
        return reply({
          type: "history",
          channel: name,
          epoch,
          first,
          head: log.length,
          messages,
          more: all.length > most,
        });
      }
      default:
        return error("unknown_type");
    }
  }

  /** @param {string} user @param {Frame} frame */
  publish(user, { channel: name, key, body, base }) {
    const { log } = this.channel(name);
    const from = base ?? log.length - this.window;
    const had = log.find((message) => message.from === user && message.key === key && message.seq > from);
    if (had) {
      return { seq: had.seq, duplicate: true };
    }
    const message = { type: "message", channel: name, seq: log.length + 1, from: user, key, body };
    log.push(message);
    for (const session of this.sessions.values()) {
      if (session.subscribed.has(name) && this.random() >= this.lossy) {
        session.say(message);
      }
    }
    return { seq: message.seq, duplicate: false };
  }

  /**
   * @param {{ subscribed: Set<string>, say: (frame: Frame) => void }} session
   * @param {Frame} frame
   * @param {(frame: Frame) => void} reply
   */
  join(session, { channel: name, since, tail }, reply) {
    const { epoch, first, log } = this.channel(name);
    const kept = log.slice(first - 1);
    let wanted = kept.slice(tail === 0 ? kept.length : -(tail ?? 2));
    let gap = false;
    if (since) {
      const whole = since.epoch === epoch && since.seq <= log.length;
      const all = whole ? kept.filter(({ seq }) => seq > since.seq) : kept;
      wanted = all.slice(-this.replay);
      gap = !whole || (wanted[0]?.seq ?? log.length + 1) > since.seq + 1;
    }
    const next = wanted[0]?.seq ?? log.length + 1;
    session.subscribed.add(name);
    reply({ type: "joined", channel: name, epoch, head: log.length, first, next, replay: wanted.length, gap });
    wanted.forEach((message) => session.say(message));
  }
}
