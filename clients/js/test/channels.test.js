// What the machine says for its channels: joins, leaves, and how far they are known for a publish.

import assert from "node:assert/strict";
import test from "node:test";
import { NOBODY, begun } from "./support/begun.js";
import { stage as serve } from "./support/stage.js";

/** @typedef {Record<string, any>} Frame */

/** @param {Frame} join @param {Frame} [more] @returns {Frame} */
const joined = ({ channel, id }, more) => {
  return { type: "joined", id, channel, epoch: "e", head: 0, first: 1, next: 1, replay: 0, gap: false, ...more };
};

/** Comes back after a break, and gives what it says after the hello. @param {ReturnType<typeof begun>} stage */
function again({ machine, welcome, take }, user = "~ann-1") {
  machine.down(10, machine.conns, { why: "a break" });
  machine.tick(machine.deadline());
  take("say");
  return welcome(20, { user })[1];
}

test("who comes back does not become a member again, and another user does", () => {
  const stage = begun();
  stage.machine.join(0, "a", {}, NOBODY);
  const join = stage.welcome(0)[1];
  const unheard = again(stage);
  stage.machine.heard(0, stage.machine.conns, joined(unheard));
  const members = [join, unheard, again(stage), again(stage, "~ann-2")].map(({ type, member }) => [type, member]);
  assert.deepEqual(members, [
    ["join", undefined],
    ["join", undefined],
    ["join", false],
    ["join", undefined],
  ]);
});

test("a reconnect leaves the membership as it is", async (t) => {
  const { online, token } = await serve(t);
  const own = await token("ann");
  const [ann, other] = [await online({ token: own }), await online({ token: own })];
  const mine = async () => (await other.channels()).channels.map((/** @type {any} */ one) => one.channel);
  await ann.join("lobby");
  for (const [left, expected] of /** @type {[boolean, string[]][]} */ ([
    [false, ["lobby"]],
    [true, []],
  ])) {
    ann.close();
    if (left) {
      await other.leave("lobby");
    }
    const back = ann.once("joined");
    await ann.connect();
    await back;
    assert.deepEqual(await mine(), expected);
  }
});
