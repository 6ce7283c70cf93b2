// When it is tried again, and over what.

import assert from "node:assert/strict";
import test from "node:test";
import { Backoff } from "../src/backoff.js";

const LIMITS = { min: 250, max: 30_000 };
/** @type {import("../src/types.js").Transport[]} */
const BOTH = ["websocket", "longpoll"];
const all = () => 1;

test("the other transport is tried at once, and then they take turns", () => {
  const backoff = new Backoff(BOTH, LIMITS, all);
  const seen = [0, 1, 2, 3].map(() => [backoff.transport, backoff.lost(0, false, {})]);
  assert.deepEqual(seen, [
    ["websocket", 0],
    ["longpoll", 250],
    ["websocket", 500],
    ["longpoll", 1000],
  ]);
});

test("the other transport is tried at once only if the one before did not get through", () => {
  const backoff = new Backoff(BOTH, LIMITS, all);
  backoff.lost(0, false, {});
  const waits = [0, 1, 2].map(() => backoff.lost(0, true, {}));
  assert.deepEqual(waits, [250, 500, 1000]);
});

test("what worked last is tried first", () => {
  const backoff = new Backoff(BOTH, LIMITS, all);
  backoff.lost(0, false, {});
  backoff.welcomed(0, "longpoll");
  backoff.lost(1, false, {});
  assert.equal(backoff.transport, "longpoll");
  backoff.lost(2, true, {});
  assert.equal(backoff.transport, "longpoll", "the server spoke: the transport is not to blame");
  backoff.lost(3, false, {});
  assert.equal(backoff.transport, "websocket");
});

test("a transport that is cut off again and again soon after the welcome is left", () => {
  const backoff = new Backoff(BOTH, LIMITS, all);
  for (const expected of ["websocket", "websocket", "longpoll"]) {
    backoff.welcomed(0, "websocket");
    backoff.lost(2000, false, {});
    assert.equal(backoff.transport, expected);
  }
});

test("waits are a random part of what doubles up to a bound, and begin anew after a steady time", () => {
  const backoff = new Backoff(["longpoll"], LIMITS, () => 0.5);
  const waits = Array.from({ length: 10 }, () => backoff.lost(0, false, {}));
  assert.deepEqual(waits, [125, 250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  backoff.welcomed(0, "longpoll");
  assert.equal(backoff.lost(9999, true, {}), 15_000);
  backoff.welcomed(0, "longpoll");
  assert.equal(backoff.lost(10_000, true, {}), 125);
});

test("what the server says goes first", () => {
  const backoff = new Backoff(BOTH, LIMITS, () => 0.5);
  assert.equal(backoff.lost(0, true, { notBefore: 7000 }), 7125);
  assert.equal(backoff.lost(0, true, { within: 1000 }), 500);
});
