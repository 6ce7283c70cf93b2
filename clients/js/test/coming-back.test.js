// When the machine comes back, and over what, where the server or something before it refuses.

import assert from "node:assert/strict";
import test from "node:test";
import { begun } from "./support/begun.js";

/** @typedef {Record<string, any>} Frame */

/**
 * Answers each try until a time.
 * @param {ReturnType<typeof begun>} stage
 * @param {number} until
 * @param {(now: number, conn: number, over: string) => void} answer
 */
function tries({ machine, take }, until, answer) {
  /** @type {string[]} */
  const all = [];
  for (let now = 0; now <= until && all.length < 1000; now = machine.deadline()) {
    machine.tick(now);
    for (let [open] = take("open"); open; [open] = take("open")) {
      const { conn, over } = /** @type {any} */ (open);
      all.push(over);
      answer(now, conn, over);
    }
  }
  return all;
}

test("a server that is overloaded is not stormed, whatever happened before", () => {
  const stage = begun();
  const all = tries(stage, 20_000, (now, conn, over) => {
    if (over === "longpoll") {
      stage.machine.heard(now, conn, { type: "error", code: "overloaded", message: "later" });
    }
    stage.machine.down(now, conn, { why: "no", spoke: over === "longpoll" });
  });
  assert.ok(all.length < 60, `${all.length} tries in 20 s`);
});

test("the transports take turns where something before the server refuses", () => {
  const stage = begun();
  const all = tries(stage, 5000, (now, conn) => stage.machine.down(now, conn, { why: "404", retryAfterMs: 100 }));
  assert.deepEqual(all.slice(0, 4), ["websocket", "longpoll", "websocket", "longpoll"]);
});
