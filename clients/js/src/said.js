// What the client says over its connection: what the application asks, and what the machine itself needs. Pure.

import { bytes } from "./checked.js";
import { Disconnected, Full, TooLarge } from "./errors.js";

/**
 * @typedef {import("./machine.js").Machine} Machine
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./asks.js").Kind} Kind
 * @typedef {import("./types.js").Waiter} Waiter
 */

/** How long a command waits for a connection, in milliseconds. */
const PATIENCE = 10_000;
/** How many commands wait for one. */
const QUEUE = 1000;
/** What goes whatever else is under way. */
const ALWAYS = ["ping", "refresh", "logout"];

/** Whether another command may be under way. @param {Machine} m */
export const room = (m) => m.asks.sent.size + m.outbox.flights.size < Math.max(1, m.limits.outstanding);

/**
 * Sends a command, if there is a connection and room.
 * @param {Machine} m
 * @param {number} now
 * @param {Frame} command
 * @param {Kind} kind
 * @param {Waiter} [waiter]
 */
export function ask(m, now, command, kind, waiter) {
  if (!m.up || !(room(m) || ALWAYS.includes(kind))) {
    return false;
  }
  const id = m.id();
  const { conn } = m.up;
  m.asks.sent.set(id, { kind, command, until: now + m.rules.answer, conn, waiter });
  m.effects.push({ do: "say", conn, frame: { ...command, id } });
  return true;
}

/**
 * The application asks: now, or as soon as there is a connection again.
 * @param {Machine} m
 * @param {number} now
 * @param {Frame} command
 * @param {Waiter} waiter
 * @param {Kind} [kind]
 */
export function request(m, now, command, waiter, kind = "app") {
  if (!m.begun) {
    waiter.reject(m.error ?? new Disconnected("not connected"));
  } else if (m.asks.queue.length >= QUEUE) {
    waiter.reject(new Full("as much is waiting as may wait"));
  } else if (bytes(command) + 32 > m.limits.frame_bytes) {
    const why = `a frame may have ${m.limits.frame_bytes} bytes at most`;
    waiter.reject(new TooLarge(why, { code: "too_large" }));
  } else {
    m.asks.queue.push({ kind, command, until: now + PATIENCE, conn: 0, waiter });
    pump(m, now);
  }
}

/** Says whatever there is to say. @param {Machine} m @param {number} now */
export function pump(m, now) {
  const { asks, watches, tracks, outbox } = m;
  m.pumped = now;
  if (watches.held.length > 0 && !watching(m)) {
    watches.held.splice(0).forEach((frame) => m.tell("presence", frame));
  }
  if (!m.up) {
    return;
  }
  // A channel that was left is joined anew only behind that.
  queued(m, now, (kind) => kind === "leave");
  tracks.needs(now, (command, kind) => ask(m, now, command, kind));
  while (watches.due.length > 0 && watches.at <= now) {
    const command = watches.still(watches.due[0]);
    if (command && !ask(m, now, command, "rewatch")) {
      break;
    }
    watches.due.shift();
  }
  queued(m, now, () => true);
  outbox.send(
    now,
    m.limits,
    (channel) => ({ open: tracks.gate(now, channel), known: tracks.known.newest.get(channel) }),
    (command) => {
      const id = m.id();
      const fits = m.up && room(m);
      if (fits) {
        m.effects.push({ do: "say", conn: m.up.conn, frame: { ...command, id } });
      }
      return fits ? id : null;
    },
  );
  if (tracks.wake <= now) {
    tracks.needs(now, (command, kind) => ask(m, now, command, kind));
  }
  if (m.refreshAt <= now) {
    m.refreshAt = Infinity;
    ask(m, now, { type: "refresh", token: m.identity.token }, "refresh");
  }
  if (m.probeAt <= now) {
    m.probeAt = Infinity;
    m.probe = m.dial(now, m.backoff.transports[0]);
  }
  if (m.old !== null && !asks.some(({ conn }) => conn === m.old)) {
    m.hang(m.old, true);
    m.old = null;
  }
}

/** Whether a `watch` has no answer yet over a transport on which events may come before it. @param {Machine} m */
export const watching = (m) =>
  m.up?.over === "longpoll" && m.asks.some(({ kind }) => kind === "watch" || kind === "rewatch");

/** @param {Machine} m @param {number} now @param {(kind: Kind) => boolean} which */
function queued(m, now, which) {
  const { queue } = m.asks;
  for (let at = 0; at < queue.length;) {
    const { command, kind, waiter } = queue[at];
    if (!which(kind)) {
      at += 1;
    } else if (ask(m, now, command, kind, waiter)) {
      queue.splice(at, 1);
    } else {
      return;
    }
  }
}
