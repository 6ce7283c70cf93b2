// A connection by HTTP long-poll: one request at a time that polls, and one that carries commands.
//
// A poll that was lost is asked again with the same `after`, so that nothing is missed. Commands are not: their fate
// is unknown, so the connection has ended, and the machine sends its publishes again under their keys.
//
// `joined` comes twice. The one among the events, without `id`, is where the subscription begins, so that one is
// handed on and the reply is not.

/** Polls that may fail in a row. */
const TRIES = 5;
/** Beyond what a poll is parked, and for any other request, in milliseconds. */
const SLACK = 15_000;
/** How long a poll is parked at most, in seconds. */
const PARK = 25;
/** Commands in one request. */
const BATCH = 64;

/** @typedef {import("./types.js").Frame} Frame */

/** @type {(ms: number) => Promise<void>} */
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * Opens one.
 * @param {typeof globalThis.fetch} fetch
 * @param {URL} base the server's address
 * @param {import("./types.js").Ear} ear
 * @returns {import("./types.js").Wire}
 */
export function longPoll(fetch, base, ear) {
  const wire = new LongPoll(fetch, new URL("v1/sessions", base).href, ear);
  queueMicrotask(() => wire.over || ear.opened());
  return wire;
}

class LongPoll {
  /** @param {typeof globalThis.fetch} fetch @param {string} sessions @param {import("./types.js").Ear} ear */
  constructor(fetch, sessions, ear) {
    this.fetch = fetch;
    this.sessions = sessions;
    this.ear = ear;
    this.secret = "";
    this.wait = PARK;
    this.bytes = 0;
    this.most = BATCH;
    /** @type {Frame[]} */
    this.queue = [];
    this.busy = false;
    this.over = false;
    /** Requests under way. @type {Set<AbortController>} */
    this.under = new Set();
  }

  /** @param {Frame} frame */
  say(frame) {
    this.queue.push(frame);
    if (!this.busy) {
      this.busy = true;
      // What is said at once goes together.
      queueMicrotask(() => this.speak().catch((error) => this.end({ why: String(error) })));
    }
  }

  /** @param {boolean} goodbye */
  hang(goodbye) {
    this.over = true;
    this.under.forEach((one) => one.abort());
    if (goodbye && this.secret) {
      const headers = { Authorization: `Bearer ${this.secret}` };
      Promise.resolve(this.fetch(`${this.sessions}/self`, { method: "DELETE", headers, keepalive: true })).catch(
        () => {},
      );
    }
  }

  /** @param {import("./types.js").Down} down */
  end(down) {
    if (!this.over) {
      this.hang(false);
      this.ear.down(down);
    }
  }

  /**
   * Sends a request and reads its answer whole.
   * @param {string} method
   * @param {string} path
   * @param {number} within
   * @param {unknown} [body]
   */
  async ask(method, path, within, body) {
    const control = new AbortController();
    this.under.add(control);
    const timer = setTimeout(() => control.abort(), within);
    try {
      /** @type {Record<string, string>} */
      const headers = this.secret ? { Authorization: `Bearer ${this.secret}` } : {};
      if (body !== undefined) {
        headers["Content-Type"] = "application/json";
      }
      const init = { method, headers, body: body && JSON.stringify(body), signal: control.signal, cache: "no-store" };
      const answer = await this.fetch(this.sessions + path, /** @type {RequestInit} */ (init));
      const text = await answer.text();
      const after = Number(answer.headers.get("Retry-After")) * 1000 || undefined;
      return { status: answer.status, after, body: read(text) };
    } finally {
      clearTimeout(timer);
      this.under.delete(control);
    }
  }

  /** Carries what is to be said, in order. */
  async speak() {
    while (this.queue.length > 0 && !this.over) {
      await (this.secret ? this.carry(this.batch()) : this.open(/** @type {Frame} */ (this.queue.shift())));
    }
    this.busy = false;
  }

  /** @param {Frame} hello */
  async open(hello) {
    const answer = await this.ask("POST", "", SLACK, hello);
    const { status, body } = answer;
    if (this.over) {
      // Nobody wants it any more.
      this.secret = status === 201 ? body?.session : "";
      return this.hang(true);
    }
    if (status !== 201 || body?.type !== "welcome") {
      if (body?.type === "error") {
        this.hear(failure(answer, hello));
      }
      return this.end(ending(answer));
    }
    this.secret = body.session;
    this.wait = Math.min(PARK, Math.floor((body.heartbeat_ms ?? 25_000) / 1000) || 1);
    this.bytes = 4 * (body.limits?.frame_bytes ?? 65_536);
    this.most = Math.min(BATCH, body.limits?.outstanding ?? BATCH);
    this.ear.frame(body);
    this.poll().catch((error) => this.end({ why: String(error) }));
  }

  /** What goes in one request. */
  batch() {
    let bytes = 0;
    const fits = this.queue.findIndex((frame, at) => {
      bytes += JSON.stringify(frame).length;
      return at > 0 && (bytes > this.bytes || at >= this.most);
    });
    return this.queue.splice(0, fits < 0 ? this.queue.length : fits);
  }

  /** @param {Frame[]} batch */
  async carry(batch) {
    const answer = await this.ask("POST", "/self/commands", SLACK, batch);
    const { status, body } = answer;
    if (this.over) {
      return;
    }
    if (status === 413 && batch.length > 1) {
      // Together they were too much, and none was carried out.
      for (const one of batch) {
        await this.carry([one]);
      }
    } else if (status === 200 && Array.isArray(body) && body.length === batch.length) {
      this.ear.alive();
      body.forEach((/** @type {Frame} */ frame) => frame.type === "joined" || this.hear(frame));
    } else if (status >= 500 || status === 429 || status === 413) {
      batch.forEach((frame) => this.hear(failure(answer, frame)));
    } else {
      this.end(ending(answer));
    }
  }

  /** Polls until the session has ended. */
  async poll() {
    let [after, had, failed] = [0, 0, 0];
    while (!this.over) {
      const began = Date.now();
      const path = `/self/events?after=${after}&wait=${this.wait}`;
      const answer = await this.ask("GET", path, this.wait * 1000 + SLACK).catch(() => null);
      if (this.over) {
        return;
      }
      const { status = 0, body } = answer ?? {};
      if (status === 200 && Array.isArray(body?.events)) {
        failed = 0;
        this.ear.alive();
        const { events, next } = body;
        for (const [at, frame] of events.entries()) {
          const number = next - events.length + at + 1;
          if (number > had && !this.over) {
            had = number;
            this.hear(frame);
          }
        }
        if (events.length === 0 && Date.now() - began < 100) {
          await sleep(100);
        }
        after = next;
      } else if (status === 409 && body?.next <= had && failed < TRIES) {
        // What was handed on is passed over when it comes again.
        after = body.next;
        failed += 1;
      } else if ((status === 0 || status === 408 || status === 429 || status >= 500) && failed < TRIES) {
        await sleep(Math.min(answer?.after ?? 100 * 2 ** failed, 10_000) + Math.random() * 100);
        failed += 1;
      } else {
        return this.end(answer ? ending(answer) : { why: "polls get no answer" });
      }
    }
  }

  /** @param {Frame} frame */
  hear(frame) {
    if (!this.over && typeof frame?.type === "string") {
      this.ear.frame(frame);
    }
  }
}

/** @typedef {{ status: number, after?: number, body: any }} Answer */

/** @param {string} text */
function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The error frame that answers a command. @param {Answer} answer @param {Frame} command @returns {Frame} */
function failure({ status, after, body }, { id }) {
  const error =
    body?.type === "error" ? body : { type: "error", code: "unavailable", message: `HTTP status ${status}` };
  return { ...error, retry_after_ms: error.retry_after_ms ?? after, id };
}

/** The end that an answer stands for. @param {Answer} answer @returns {import("./types.js").Down} */
function ending({ status, after, body }) {
  const spoke = body?.type === "error";
  const why = spoke ? String(body.message) : `HTTP status ${status}`;
  return { code: spoke ? body.close : undefined, why, retryAfterMs: after, spoke };
}
