// What can never succeed is an error at once, and nothing is sent for ever.

import assert from "node:assert/strict";
import test from "node:test";
import { BadFrame, Client, TimedOut } from "../src/index.js";
import { begun } from "./support/begun.js";

/** @typedef {Record<string, any>} Frame */

const HALF = "half \ud83d";
/** @type {(levels: number) => Frame} */
const deep = (levels) => (levels > 1 ? { a: deep(levels - 1) } : {});

test("what the server could not read is refused before it is sent", async () => {
  const client = new Client({ url: "http://127.0.0.1:9/", transports: ["longpoll"] });
  const publishes = /** @type {[any, any?][]} */ ([
    [HALF],
    [{ [HALF]: 1 }],
    [{ list: [{ text: HALF }] }],
    [deep(32)],
    ["x", { key: "k".repeat(65) }],
    ["x", { key: "\u00e4".repeat(33) }],
    ["x", { key: "" }],
    ["x", { key: 5 }],
    ["x", { key: HALF }],
    ["x", { kind: "x-".padEnd(65, "k") }],
    [["x"]],
  ]);
  for (const [body, more] of publishes) {
    await assert.rejects(client.publish("a", body, more), BadFrame, JSON.stringify([body, more]));
  }
  for (const call of [client.join(HALF), client.history(HALF), client.presence([HALF]), client.publish(HALF, "x")]) {
    await assert.rejects(call, BadFrame);
  }
  client.publish("a", deep(31));
  client.publish("a", "a pair: \ud83d\ude00", { key: "k".repeat(64) });
  assert.equal(client.outbox.length, 2);
});

/** A machine with a publish under way. */
function publishing() {
  const stage = begun();
  stage.welcome(0);
  /** @type {any[]} */
  const errors = [];
  const waiter = { resolve() {}, reject: (/** @type {Error} */ error) => errors.push(error) };
  stage.machine.heard(0, 1, { type: "history", id: "x", messages: [] });
  stage.machine.publish(0, { channel: "a", key: "k", body: {}, at: 0, waiter });
  const [look] = stage.said();
  stage.machine.heard(0, 1, { type: "history", id: look.id, channel: "a", epoch: "e", head: 0, messages: [] });
  return { ...stage, errors };
}

test("a publish that is never answered fails in the end, while the connection lives", () => {
  const { machine, said, errors } = publishing();
  let sent = said().length;
  for (let now = 5000; now <= 200_000; now += 5000) {
    machine.heard(now, 1, { type: "pulse" });
    machine.tick(now);
    for (const { type, id } of said()) {
      sent += type === "publish" ? 1 : 0;
      machine.heard(now, 1, { type, id, channel: "a", epoch: "e", head: 0, messages: [] });
    }
  }
  assert.deepEqual([sent, errors.length], [5, 1]);
  assert.ok(errors[0] instanceof TimedOut && errors[0].uncertain);
});

test("what is under way when there were too many bad frames is not sent again", () => {
  const { machine, said, errors } = publishing();
  assert.equal(said().at(-1).type, "publish");
  machine.down(1, 1, { code: 4503, why: "bad frames" });
  assert.ok(errors[0] instanceof BadFrame && errors[0].uncertain);
  assert.deepEqual([machine.state, machine.outbox.open], ["refused", 0]);
});
