// A pure machine with fixed rules, and a view of what it wants done.

import { Machine } from "../../src/machine.js";

/** @typedef {Record<string, any>} Frame */

/** Someone who waits and does not mind. */
export const NOBODY = { resolve() {}, reject() {} };

/**
 * A machine that has begun, and what it wants done.
 * @param {Partial<import("../../src/standing.js").Identity>} [identity]
 * @param {import("../../src/types.js").Transport[]} [transports]
 */
export function begun(identity, transports = ["websocket", "longpoll"]) {
  const rules = {
    backoff: { min: 100, max: 1000 },
    refill: 500,
    outbox: 10,
    greeting: 8000,
    answer: 15_000,
    patience: 5000,
    probe: { min: 30_000, max: 60_000 },
    random: () => 0.5,
  };
  const machine = new Machine(rules, transports, { asks: false, guest: "ann", ...identity }, () => new Map());
  const take = (/** @type {string} */ what) => machine.take().filter((effect) => effect.do === what);
  const said = () => take("say").map((effect) => /** @type {any} */ (effect).frame);
  const welcome = (/** @type {number} */ now, /** @type {Frame} */ more = {}) => {
    const conn = machine.conns;
    machine.opened(now, conn);
    const frame = { type: "welcome", user: "~ann-1", token: "t", heartbeat_ms: 25_000, timeout_ms: 60_000, ...more };
    machine.heard(now, conn, frame);
    return said();
  };
  machine.start(0);
  return { machine, take, said, welcome };
}
