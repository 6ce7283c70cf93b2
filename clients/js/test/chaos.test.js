// A real server behind a network that breaks, killed at random: everything is heard once, in order, and stored once.

import assert from "node:assert/strict";
import test from "node:test";
import WebSocket from "ws";
import { Client } from "../src/index.js";
import { ledger, until } from "./support/heard.js";
import { Proxy } from "./support/proxy.js";
import { SEED, seeded, under } from "./support/random.js";
import { Server } from "./support/server.js";

const CHANNELS = ["north", "south"];
const ROUNDS = Number(process.env.PARLOR_JS_ROUNDS ?? 60);
/** @type {(ms: number) => Promise<void>} */
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * @param {import("node:test").TestContext} t
 * @param {import("../src/index.js").Transport[]} transports
 * @param {number} seed
 */
async function chaos(t, transports, seed) {
  const random = seeded(seed);
  const server = await Server.start(t, { "presence.heartbeat_ms": "1000", "presence.timeout_ms": "3000" });
  const proxy = await Proxy.start(t, server.origin, random);
  const clients = ["ann", "bob", "cid"].map(
    (guest) =>
      new Client({
        url: proxy.origin,
        guest,
        transports,
        WebSocket,
        backoff: { min: 20, max: 300 },
        probe: { min: 200, max: 400 },
        openWithin: 1500,
      }),
  );
  t.after(() => clients.forEach((client) => client.close()));
  const heard = clients.map(ledger);
  const holes = clients.map((client) => {
    /** @type {unknown[]} */
    const all = [];
    client.on("hole", (hole) => all.push(hole));
    client.on("reset", (reset) => all.push(reset));
    return all;
  });
  await Promise.all(clients.map((client) => client.connect()));
  await Promise.all(clients.flatMap((client) => CHANNELS.map((channel) => client.join(channel))));
  /** @type {{ receipt: ReturnType<Client["publish"]>, channel: string, who: number }[]} */
  const said = [];
  const trouble = [
    () => proxy.cut(0.5),
    () => proxy.cut(0.5),
    () => (proxy.delay = random() < 0.5 ? 0 : 40),
    () => (proxy.upgrades = /** @type {const} */ (["pass", "pass", "refuse", "stall"])[Math.floor(random() * 4)]),
    () => (proxy.stall = sleep(random() * 500)),
    async () => {
      await server.kill();
      await sleep(random() * 200);
      await server.restart();
    },
  ];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let count = Math.floor(random() * 6); count > 0; count -= 1) {
      const who = Math.floor(random() * clients.length);
      const channel = CHANNELS[Math.floor(random() * CHANNELS.length)];
      said.push({ receipt: clients[who].publish(channel, `${said.length}`), channel, who });
    }
    if (random() < 0.5) {
      await trouble[Math.floor(random() * trouble.length)]();
    }
    await sleep(random() * 60);
  }
  Object.assign(proxy, { delay: 0, upgrades: "pass" });
  const receipts = await Promise.all(said.map(({ receipt }) => receipt));
  const count = (/** @type {string} */ channel) => said.filter((one) => one.channel === channel).length;
  await until(clients, () =>
    heard.every((all) => CHANNELS.every((channel) => (all[channel] ?? []).length >= count(channel))),
  );
  for (const channel of CHANNELS) {
    const { messages } = await clients[0].history(channel, { limit: 1000 });
    assert.equal(messages.length, count(channel), "each publish is stored once");
    heard.forEach((all) => {
      assert.deepEqual(
        all[channel].map(({ seq, key }) => [seq, key]),
        messages.map((/** @type {any} */ one) => [one.seq, one.key]),
      );
    });
    said.forEach(({ receipt, channel: there }, at) => {
      const stored = messages.find((/** @type {any} */ one) => one.key === receipt.key);
      assert.deepEqual(
        there === channel ? [receipts[at].seq, `${at}`] : [],
        stored ? [stored.seq, stored.body.text] : [],
      );
    });
  }
  assert.deepEqual(holes, [[], [], []]);
  assert.ok(clients.every((client) => client.outbox.length === 0));
}

/** @type {[string, import("../src/index.js").Transport[]][]} */
const WAYS = [
  ["WebSocket", ["websocket"]],
  ["long-poll", ["longpoll"]],
  ["both", ["websocket", "longpoll"]],
];
test("nothing is lost, doubled or turned round", { concurrency: true }, async (t) => {
  await Promise.all(
    WAYS.map(([name, transports], at) =>
      t.test(`over ${name}`, (one) => under(SEED + at, () => chaos(one, transports, SEED + at))),
    ),
  );
});
