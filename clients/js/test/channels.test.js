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

for (const named of [true, false]) {
  test(`a join that is refused is, though one before it was not ${named ? "" : "(long-poll)"}`, () => {
    const { machine, welcome, said } = begun();
    welcome(0);
    /** @type {string[]} */
    const ends = [];
    machine.join(0, "a", {}, { resolve() {}, reject: () => ends.push("first") });
    machine.request(0, { type: "leave", channel: "a" }, NOBODY);
    machine.join(0, "a", {}, { resolve: () => ends.push("joined"), reject: (error) => ends.push(error.message) });
    const [first, leave, second] = said();
    const answer = joined(first);
    machine.heard(1, 1, named ? answer : { ...answer, id: undefined });
    machine.heard(1, 1, { type: "left", id: leave.id, channel: "a" });
    machine.heard(1, 1, { type: "error", id: second.id, code: "not_found", message: "no" });
    assert.deepEqual([ends, machine.tracks.map.size], [["first", "no"], 0]);
  });
}

test("what is published in a channel that is not heard goes from what is its newest a moment ago", () => {
  const { machine, welcome, said } = begun();
  welcome(0);
  let keys = 0;
  const history = (/** @type {number} */ now, /** @type {number} */ head) => {
    const [{ type, id }] = said();
    assert.equal(type, "history");
    machine.heard(now, 1, { type, id, channel: "a", epoch: "e", head, messages: [] });
  };
  const published = (/** @type {number} */ now, /** @type {number} */ base) => {
    const [frame] = said();
    assert.deepEqual([frame.type, frame.base], ["publish", base]);
    machine.heard(now, 1, { type: "published", id: frame.id, channel: "a", epoch: "e", seq: base + 1 });
  };
  const publish = (/** @type {number} */ now) =>
    machine.publish(now, { channel: "a", key: `k${keys++}`, body: {}, at: now });
  publish(0);
  history(0, 5);
  published(0, 5);
  publish(5000);
  published(5000, 6);
  publish(20_000);
  history(20_000, 900);
  published(20_000, 900);
});

test("a publish whose base is too old is sent once more from the newest, unless it may be stored", () => {
  for (const unsure of [false, true]) {
    const { machine, welcome, said } = begun();
    welcome(0);
    /** @type {string[]} */
    const ends = [];
    const waiter = { resolve() {}, reject: (/** @type {any} */ error) => ends.push(error.code) };
    machine.join(0, "a", {}, NOBODY);
    machine.heard(0, 1, joined(said()[0], { head: 3, next: 4 }));
    const words = { channel: "a", key: "k", body: {}, at: 0, tried: unsure, base: { epoch: "e", seq: 3 } };
    machine.publish(0, { ...words, waiter });
    const [first] = said();
    machine.heard(1, 1, { type: "message", channel: "a", seq: 4, from: "bob", body: {} });
    machine.heard(2, 1, { type: "error", id: first.id, code: "conflict", message: "" });
    const seen = [first.base, said().map(({ base }) => base), ends];
    assert.deepEqual(seen, unsure ? [3, [], ["conflict"]] : [3, [4], []]);
  }
});
