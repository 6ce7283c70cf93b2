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

test("a function is asked for another token after a night, though it gave one while it was online", () => {
  const { machine, take, welcome } = begun({ asks: true });
  machine.token(0, "first");
  welcome(0);
  machine.heard(1, 1, { type: "notice", code: "token_expiring" });
  machine.token(2, "second");
  const [{ frame }] = /** @type {any[]} */ (take("say"));
  machine.heard(3, 1, { type: "refreshed", id: frame.id });
  machine.down(10, 1, { why: "asleep" });
  machine.tick(machine.deadline());
  for (const asked of [1, 0]) {
    const conn = machine.conns;
    machine.opened(20, conn);
    machine.take();
    machine.heard(20, conn, { type: "error", code: "unauthenticated", message: "expired", close: 4500 });
    machine.down(20, conn, { code: 4500, why: "" });
    machine.tick(20);
    assert.deepEqual([take("token").length, machine.state], [asked, asked ? "recovering" : "refused"]);
    machine.token(20, "third");
  }
});
