// How the client stands, and how it ends: connections that are lost, waits, refusals. Pure.

import { Asks, Watches } from "./asks.js";
import { Backoff } from "./backoff.js";
import { Disconnected, Refused } from "./errors.js";
import { Outbox } from "./outbox.js";
import { Tracks } from "./tracks.js";

/** What a hello is answered with that should not be said again as it is. */
const REFUSALS = ["unauthenticated", "forbidden", "version_unsupported", "bad_frame"];

/**
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Transport} Transport
 * @typedef {import("./types.js").Token} Token
 * @typedef {{ given?: Token, token?: Token, kept?: boolean, asks: boolean, guest?: string, client?: string }} Identity
 *   `given` by the application; `kept` from an earlier life, as a guest; `asks`: it is asked for, by an effect
 * @typedef {{ conn: number, over: Transport, stage: "opening" | "greeting" | "up", until: number, quiet: number,
 *   heartbeat: number, timeout: number, parting: Frame | null, drain?: number }} Line `until` is when it counts as
 *   dead, `quiet` when it is asked whether it lives
 */

/** How it stands. */
export class Standing {
  /**
   * @param {import("./types.js").Rules} rules
   * @param {Transport[]} transports
   * @param {Identity} identity
   * @param {(user: string) => Map<string, import("./types.js").Cursor>} load the cursors that a user left
   */
  constructor(rules, transports, identity, load) {
    this.rules = rules;
    this.load = load;
    this.identity = identity;
    this.backoff = new Backoff(transports, rules.backoff, rules.random);
    /** @type {import("./types.js").Effect[]} */
    this.effects = [];
    const tell = this.tell.bind(this);
    this.tracks = new Tracks(rules, tell);
    this.outbox = new Outbox(rules, tell);
    this.asks = new Asks();
    this.watches = new Watches();
    /** @type {import("./types.js").Limits} */
    this.limits = {
      frame_bytes: 65536,
      body_bytes: 32768,
      page_max: 1000,
      replay_max: 10000,
      outstanding: 64,
      channels: 256,
    };
    /** @type {Frame | null} */
    this.welcome = null;
    this.welcomedAt = 0;
    /** @type {string | null} */
    this.user = null;
    /** @type {import("./types.js").State} */
    this.state = "disconnected";
    /** How it is when it has not begun. @type {"disconnected" | "refused"} */
    this.ended = "disconnected";
    /** Why it was refused. @type {Refused | null} */
    this.error = null;
    this.seen = "";
    /** @type {Line | null} */
    this.line = null;
    /** The better transport, tried while another works. @type {Line | null} */
    this.probe = null;
    this.probeAt = Infinity;
    this.probeWait = rules.probe.min;
    /** The connection before, as long as someone waits for an answer over it. @type {number | null} */
    this.old = null;
    /** When the next connection is tried. */
    this.again = Infinity;
    /** It may not be hurried: the server said when. */
    this.told = false;
    /** When the token is to be refreshed. */
    this.refreshAt = Infinity;
    /** The token is to be asked for before the next connection. */
    this.stale = identity.asks;
    /** The token was asked for anew and not welcomed yet: if it is refused, it is not asked for once more. */
    this.fresh = false;
    /** When it was last looked at what there is to say: what was due then waits for something else. */
    this.pumped = 0;
    this.begun = false;
    this.met = false;
    this.draining = false;
    this.conns = 0;
    this.ids = 0;
  }

  /** @returns {import("./types.js").Effect[]} what should be done, in order */
  take() {
    return this.effects.splice(0);
  }

  /** @param {string} type @param {Frame} event */
  tell(type, event) {
    this.effects.push({ do: "tell", type, event });
  }

  /** The connection, if it was welcomed. */
  get up() {
    return this.line?.stage === "up" ? this.line : null;
  }

  /** @param {number} now @param {Line} line @param {import("./types.js").Down} down */
  lost(now, line, { code, why, retryAfterMs, spoke = false }) {
    const { parting } = line;
    const ended = code ?? parting?.close ?? 0;
    this.draining &&= line.stage === "up";
    if (ended === 4503) {
      this.outbox.blamed(parting?.message ?? why);
    }
    this.offline();
    this.unanswered(line.conn);
    if (!this.begun) {
      return;
    }
    if (ended >= 4500 || (parting && parting.close === undefined && REFUSALS.includes(parting.code))) {
      const code = ended === 4500 ? "unauthenticated" : "forbidden";
      return this.refused(now, parting ?? { code, message: why }, ended || undefined);
    }
    const notBefore = parting?.retry_after_ms ?? (line.drain === undefined ? retryAfterMs : undefined);
    spoke ||= !!parting || ended === 1001 || ended >= 4000;
    this.wait(now, spoke, { notBefore, within: line.drain }, parting?.message ?? why);
  }

  /** There is no connection any more. */
  offline() {
    this.line = null;
    this.tracks.offline();
    this.outbox.offline();
    this.probeAt = this.refreshAt = Infinity;
    this.hang(this.probe?.conn, false);
    this.probe = null;
  }

  /**
   * @param {number} now
   * @param {boolean} spoke
   * @param {{ notBefore?: number, within?: number }} hint
   * @param {string} why
   */
  wait(now, spoke, hint, why) {
    this.again = now + this.backoff.lost(now, spoke, hint);
    this.told = hint.notBefore !== undefined;
    this.turn(why);
  }

  /** The server does not want this client as it is. @param {number} now @param {Frame} frame @param {number} [code] */
  refused(now, frame, code) {
    const { identity } = this;
    if (frame.code === "unauthenticated") {
      const another = (identity.asks && !this.fresh) || identity.kept;
      this.stale = identity.asks;
      Object.assign(identity, { token: identity.given, kept: false });
      if (another) {
        this.again = now;
        return this.turn(frame.message);
      }
    }
    // Over long-poll a hello is refused without a close code.
    const close = code ?? (frame.code === "unauthenticated" ? 4500 : undefined);
    this.stop("refused", new Refused(String(frame.message ?? frame.code), frame, close));
  }

  /**
   * Ends; everyone who waits is told, and what waits to be published stays.
   * @param {"disconnected" | "refused"} state
   * @param {import("./errors.js").ParlorError} error
   */
  stop(state, error) {
    if (this.begun) {
      this.begun = this.met = this.draining = false;
      [this.line?.conn, this.old].forEach((conn) => this.hang(conn, true));
      this.old = null;
      this.again = Infinity;
      this.offline();
      this.ended = state;
      this.error = error instanceof Refused ? error : null;
      this.asks
        .takeAll(() => true)
        .forEach(({ kind, waiter }) => {
          kind === "logout" ? waiter?.resolve({ type: "bye" }) : waiter?.reject(error);
        });
      this.tracks.giveUp(error);
      this.turn(error.message, error);
    }
  }

  /** @param {number | null | undefined} conn @param {boolean} goodbye */
  hang(conn, goodbye) {
    if (conn) {
      this.effects.push({ do: "hang", conn, goodbye });
    }
  }

  /** What waits for replies over a connection that is gone. @param {number} conn */
  unanswered(conn) {
    const error = new Disconnected("the connection went before the reply came");
    for (const { kind, waiter } of this.asks.takeAll((ask) => ask.conn === conn)) {
      if (kind === "logout") {
        this.stop("disconnected", error);
        waiter?.resolve({ type: "bye" });
      }
      waiter?.reject(error);
    }
  }

  /** Says what changed, if something did. @param {string} [why] @param {Error} [error] */
  turn(why, error) {
    const { up, begun, draining, met, again } = this;
    const away = draining ? "draining" : met ? "recovering" : "connecting";
    this.state = !begun ? this.ended : up && !draining ? "online" : away;
    const transport = up?.over ?? null;
    const seen = `${this.state} ${transport} ${again}`;
    if (seen !== this.seen) {
      this.seen = seen;
      this.tell("state", { state: this.state, transport, retryAt: again, why, error });
    }
  }

  id() {
    return String(++this.ids);
  }
}
