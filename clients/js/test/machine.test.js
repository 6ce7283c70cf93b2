// Whole conversations of the pure machine with a naive server, over a network that does whatever chance wants.

import assert from "node:assert/strict";
import test from "node:test";
import { SEED, seeded, under } from "./support/random.js";
import { World } from "./support/world.js";

const CHANNELS = ["a", "b"];

/**
 * What a client was told of a channel has to be a list of messages in order, each once, with every hole told.
 * @param {import("./support/world.js").World} world
 * @param {any} guest
 * @param {string} channel
 */
function holds(world, guest, channel) {
  const { epoch, log } = world.server.channel(channel);
  let life = "";
  let seq = -1;
  for (const [type, event] of guest.told) {
    if (event.channel !== channel) {
      continue;
    }
    if (type === "reset") {
      [life, seq] = [event.epoch, 0];
    } else if (type === "joined") {
      assert.ok(seq < 0 || life === event.epoch, "a log that began anew was not told of");
      [life, seq] = [event.epoch, seq < 0 ? event.next - 1 : seq];
    } else if (type === "hole") {
      assert.ok(event.after === seq && event.before > seq + 1, `a hole after ${event.after}, at ${seq}`);
      seq = event.before - 1;
    } else if (type === "message") {
      assert.equal(event.seq, seq + 1, `${guest.name} in ${channel}`);
      seq = event.seq;
      if (life === epoch) {
        assert.deepEqual(event.body, log[seq - 1].body);
      }
    }
  }
  assert.deepEqual([life, seq], [epoch, log.length], `${guest.name} has not heard all of ${channel}`);
}

/** @param {number} seed @param {{ resets?: boolean }} [how] */
function live(seed, { resets = false } = {}) {
  const random = seeded(seed);
  const world = new World(random);
  const guests = ["ann", "bob", "cid"].map((name) => world.guest(name));
  let keys = 0;
  for (const guest of guests) {
    guest.do((machine, now) => {
      machine.start(now);
      CHANNELS.forEach((channel) => machine.join(now, channel, {}, { resolve() {}, reject() {} }));
    });
  }
  const any = (/** @type {any[]} */ all) => all[Math.floor(random() * all.length)];
  const trouble = [
    () => [...world.lines.values()].forEach((line) => random() < 0.3 && world.cut(line.guest, line.conn, true)),
    () => world.silence(),
    () => (world.blocked = !world.blocked),
    () => (world.broken = any([0, 0, 0.5])),
    () => (world.server.faulty = any([0, 0.2])),
    () => (world.server.lossy = any([0, 0.2])),
    () => world.server.pulse(),
    () => world.server.trim(any(CHANNELS), Math.floor(random() * 40)),
    () => any(guests).do((/** @type {any} */ machine, /** @type {number} */ now) => machine.woke(now)),
    () => resets && world.server.reset(any(CHANNELS)),
  ];
  for (let step = 0; step < 60; step += 1) {
    world.run(world.now + random() * 300);
    random() < 0.7 ? any(guests).publish(any([...CHANNELS, "c"]), `k${keys++}`) : any(trouble)();
  }
  Object.assign(world, { blocked: false, broken: 0 });
  Object.assign(world.server, { faulty: 0, lossy: 0 });
  world.run(world.now + 20_000);
  world.server.pulse();
  world.run(world.now + 20_000);
  for (const guest of guests) {
    assert.deepEqual([guest.machine.state, guest.machine.up?.over], ["online", "websocket"]);
    CHANNELS.forEach((channel) => holds(world, guest, channel));
    for (const [key, { state, receipt, at }] of guest.published) {
      assert.equal(state, "stored", key);
      const stored = world.server.channel(at).log.filter((message) => message.key === key);
      assert.ok(resets || stored.length === 1, `${key} is stored ${stored.length} times`);
      assert.ok(resets || stored[0].seq === receipt?.seq, `${key} has a wrong receipt`);
    }
    assert.equal(guest.machine.outbox.entries.size, 0);
  }
}

test("every client hears everything once, in order, whatever the network does", () => {
  for (let seed = SEED; seed < SEED + 150; seed += 1) {
    under(seed, () => live(seed));
  }
});

test("logs that begin anew are told of, and heard again", () => {
  for (let seed = SEED; seed < SEED + 100; seed += 1) {
    under(seed, () => live(seed, { resets: true }));
  }
});
