// Who is watched over a reconnect, and who is not any more.

import assert from "node:assert/strict";
import test from "node:test";
import { NOBODY, begun } from "./support/begun.js";

/** @typedef {Record<string, any>} Frame */

/**
 * What is watched after a reconnect, if the server answered the commands in this order.
 * @param {Frame[]} commands
 * @param {number[]} order
 */
function watched(commands, order) {
  const { machine, welcome, said } = begun();
  welcome(0, { user: "ann" });
  commands.forEach((command) => machine.request(0, { ...command }, NOBODY));
  const all = said();
  for (const at of order) {
    const type = all[at].type === "watch" ? "watching" : "unwatched";
    machine.heard(1, 1, { type, id: all[at].id, users: [] });
  }
  machine.down(2, 1, { why: "a break" });
  machine.tick(machine.deadline());
  const again = welcome(5000, { user: "ann" }).filter(({ type }) => type === "watch");
  return again.map(({ users, channel }) => users?.join() ?? channel);
}

test("who is not watched any more is not, whatever overtakes what", () => {
  const [on, off] = ["watch", "unwatch"].map((type) => ({ type, users: ["bob", "cid"] }));
  assert.deepEqual(watched([on, { ...off, users: ["bob"] }], [0, 1]), ["cid"]);
  assert.deepEqual(watched([on, off], [1, 0]), []);
  assert.deepEqual(watched([on, off], [0]), []);
  assert.deepEqual(watched([on, off, on], [0, 1, 2]), ["bob,cid"]);
  assert.deepEqual(watched([on, off, on], [2, 1, 0]), ["bob,cid"]);
});

test("a channel is the same by its short name and by its full one", () => {
  const [on, off] = ["watch", "unwatch"].map((type) => ({ type, channel: "@bob" }));
  assert.deepEqual(watched([on], [0]), ["@ann:bob"]);
  assert.deepEqual(watched([on, off], [0, 1]), []);
  assert.deepEqual(watched([on, { ...off, channel: "@ann:bob" }], [0, 1]), []);
});

test("what is not watched any more is not set up again", () => {
  const { machine, welcome, said } = begun();
  welcome(0, { user: "ann" });
  machine.request(0, { type: "watch", users: ["bob"] }, NOBODY);
  machine.heard(0, 1, { type: "watching", id: said()[0].id, users: [] });
  machine.down(2, 1, { why: "a break" });
  machine.request(3, { type: "unwatch", users: ["bob"] }, NOBODY);
  machine.tick(machine.deadline());
  const again = welcome(200, { user: "ann" });
  assert.deepEqual(again.map(({ type }) => type).filter((type) => type !== "hello"), ["unwatch"]);
});
