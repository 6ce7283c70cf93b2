// What the machine does with the server's frames. Pure.

import { TimedOut, Disconnected, errorOf, passes } from "./errors.js";
import { jittered } from "./backoff.js";
import { ask, watching } from "./said.js";

/**
 * @typedef {import("./machine.js").Machine} Machine
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./asks.js").Ask} Ask
 */

/** The least time between two refreshes of the token, and after one that came to nothing, in milliseconds. */
const REFRESH = 10_000;
const REFRESH_FAILED = 60_000;

/** Events that the application gets as they are. */
const PLAIN = ["activity", "member", "typing", "read", "presence", "pulse", "notice", "error"];

/** A frame came. @param {Machine} m @param {number} now @param {number} conn @param {Frame} frame */
export function heard(m, now, conn, frame) {
  const line = [m.line, m.probe].find((line) => line?.conn === conn);
  if (line && line.stage !== "up") {
    greeted(m, now, line, frame);
  } else if (line) {
    event(m, now, conn, frame);
  } else if (m.old === conn && frame.id !== undefined) {
    // Over the connection before, only answers still count.
    replied(m, now, conn, frame);
  }
}

/**
 * An answer to the hello.
 * @param {Machine} m
 * @param {number} now
 * @param {import("./standing.js").Line} line
 * @param {Frame} frame
 */
function greeted(m, now, line, frame) {
  if (frame.type === "welcome") {
    if (line === m.probe) {
      switchOver(m);
    }
    welcomed(m, now, line, frame);
  } else if (frame.type === "notice") {
    line.drain = frame.retry_after_ms;
  } else if (frame.type === "error") {
    // The one that names a close code says more; the close itself follows.
    line.parting = line.parting?.close === undefined ? frame : line.parting;
    if (frame.close === undefined) {
      line.until = Math.min(line.until, now + 1000);
    }
  }
}

/**
 * The better transport came through: what is asked from now on is asked over it. The connection before stays until
 * what was asked over it is answered.
 * @param {Machine} m
 */
function switchOver(m) {
  m.hang(m.old, true);
  m.old = m.line?.conn ?? null;
  m.asks.takeAll((one) => one.conn === m.old && one.conn > 0 && !one.waiter);
  m.line = m.probe;
  m.probe = null;
  m.tracks.offline();
  m.outbox.offline();
}

/** @param {Machine} m @param {number} now @param {import("./standing.js").Line} line @param {Frame} frame */
function welcomed(m, now, line, frame) {
  const heartbeat = Math.max(frame.heartbeat_ms ?? 25_000, 100);
  const timeout = Math.max(frame.timeout_ms ?? 60_000, heartbeat * 2);
  Object.assign(line, { stage: "up", heartbeat, timeout });
  m.alive(now, line.conn);
  m.backoff.welcomed(now, line.over);
  Object.assign(m.limits, frame.limits);
  m.identity.token = typeof frame.token === "string" ? frame.token : m.identity.token;
  m.identity.kept = m.fresh = m.draining = false;
  m.met = true;
  m.welcome = frame;
  m.welcomedAt = now;
  expires(m, now, frame.expires_at);
  m.as(frame.user);
  m.watches.renew();
  m.probeLater(now);
  m.tell("welcome", frame);
  m.turn();
}

/** @param {Machine} m @param {number} now @param {string | undefined} at */
function expires(m, now, at) {
  const left = at ? Date.parse(at) - Date.parse(m.welcome?.now) - (now - m.welcomedAt) : NaN;
  m.refreshAt = left > 0 ? now + Math.max(REFRESH, left / 3) : Infinity;
}

/** @param {Machine} m @param {number} now @param {number} conn @param {Frame} frame */
function event(m, now, conn, frame) {
  const { tracks, line } = m;
  switch (frame.type) {
    case "message":
      mine(m, frame, tracks.epoch(frame.channel));
      return tracks.message(now, frame);
    case "joined":
      return joined(m, now, frame);
    case "published":
      tracks.learn(now, frame.channel, frame.epoch, frame.seq);
      return m.outbox.receipt(frame.id, frame);
    case "closed":
      return tracks.closed(now, frame);
    case "pulse":
      tracks.pulse(now, frame.heads ?? {});
      break;
    case "activity":
      if (tracks.known.newest.has(frame.channel)) {
        tracks.learn(now, frame.channel, frame.epoch, frame.head);
      }
      break;
    case "presence":
      if (watching(m) && frame.id === undefined) {
        return m.watches.held.push(frame);
      }
      break;
    case "notice":
      notice(m, now, frame);
      break;
    case "error":
      if (line && frame.close !== undefined) {
        line.parting = frame;
      }
  }
  if (frame.id !== undefined) {
    replied(m, now, conn, frame);
  } else if (PLAIN.includes(frame.type)) {
    m.tell(frame.type, frame);
  }
}

/**
 * A join was answered: the one that is named, or over long-poll the oldest of that channel.
 * @param {Machine} m
 * @param {number} now
 * @param {Frame} frame
 */
function joined(m, now, frame) {
  const oldest = [...m.asks.sent].find(([, one]) => one.kind === "join" && one.command.channel === frame.channel);
  const one = m.asks.take(frame.id ?? oldest?.[0]);
  if (one || frame.id === undefined) {
    m.tracks.joined(now, frame, one?.command);
  }
}

/** @param {Machine} m @param {number} now @param {Frame} frame */
function notice(m, now, { code, retry_after_ms }) {
  if (code === "draining" && m.line) {
    m.line.drain = retry_after_ms ?? 1000;
    m.draining = true;
    m.turn("draining");
  } else if (code === "token_expiring") {
    m.refreshAt = m.identity.asks ? Infinity : now;
    if (m.identity.asks) {
      m.effects.push({ do: "token" });
    }
  }
}

/**
 * A message of this user with the key of a publish is as good as its receipt.
 * @param {Machine} m
 * @param {Frame} message
 * @param {string | undefined} epoch
 */
function mine(m, message, epoch) {
  if (epoch !== undefined && message.from === m.user) {
    m.outbox.heard(message, epoch);
  }
}

/** @param {Machine} m @param {number} now @param {number} conn @param {Frame} frame */
function replied(m, now, conn, frame) {
  const flight = m.outbox.flights.get(frame.id);
  if (frame.type === "error" && flight) {
    if (frame.code === "conflict" && flight.entry) {
      // What was known of the channel is too old.
      m.tracks.known.fresh.delete(flight.entry.channel);
    }
    return m.outbox.refused(now, frame.id, errorOf(frame));
  }
  const one = m.asks.take(frame.id);
  if (!one) {
    return;
  }
  const { kind, command, waiter, but } = one;
  if (frame.type === "error") {
    return failed(m, now, one, errorOf(frame));
  }
  switch (kind) {
    case "watch":
      m.watches.add(command, but);
      if (m.up?.conn !== conn) {
        m.watches.again(command, now);
      }
      break;
    case "rewatch":
      m.watches.fails = 0;
      (frame.users ?? []).forEach((/** @type {Frame} */ row) => m.tell("presence", { type: "presence", ...row }));
      break;
    case "page":
      frame.messages.forEach((/** @type {Frame} */ message) =>
        mine(m, message, m.tracks.epoch(command.channel) === frame.epoch ? frame.epoch : undefined),
      );
      m.tracks.page(now, command.channel, frame);
      break;
    case "look":
      m.tracks.learn(now, command.channel, frame.epoch, frame.head);
      break;
    case "refresh":
      m.welcome = { ...m.welcome, expires_at: frame.expires_at };
      expires(m, now, frame.expires_at);
      break;
    case "ping":
      m.tell("pong", frame);
      break;
    case "logout":
      m.stop("disconnected", new Disconnected("logged out"));
  }
  waiter?.resolve(frame);
}

/**
 * A command was answered by an error.
 * @param {Machine} m
 * @param {number} now
 * @param {Ask} one
 * @param {import("./errors.js").ParlorError} [error] none if no answer came at all
 */
function failed(m, now, { kind, command, waiter, conn }, error) {
  switch (kind) {
    case "rewatch":
      if (!error || passes(error)) {
        m.watches.again(
          command,
          now + (error?.retryAfterMs ?? jittered(m.rules.backoff, m.watches.fails++, m.rules.random)),
        );
      } else {
        m.watches.remove(command);
        m.tell("error", { type: "error", code: error.code, message: `watch: ${error.message}` });
      }
      break;
    case "join":
      m.tracks.joinFailed(now, command.channel, error);
      break;
    case "page":
      m.tracks.pageFailed(now, command.channel, error);
      break;
    case "look":
      m.tracks.known.failed(now, command.channel, error);
      m.tracks.wake = 0;
      break;
    case "refresh":
      m.refreshAt = now + REFRESH_FAILED;
  }
  const none = conn > 0 ? new TimedOut("no reply came in time") : new Disconnected("there was no connection in time");
  waiter?.reject(error ?? none);
}

/** No reply came in time. @param {Machine} m @param {number} now @param {Ask} one */
export function late(m, now, one) {
  failed(m, now, one);
  if (one.kind === "logout") {
    m.stop("disconnected", new Disconnected("logged out"));
  }
}
