// What the client does when the way to the server, the server, or its token is not as it should be.

import assert from "node:assert/strict";
import test from "node:test";
import { Disconnected, Refused } from "../src/index.js";
import { ledger, until } from "./support/heard.js";
import { EACH, stage } from "./support/stage.js";

/** Writes down how a client stood. @param {import("../src/index.js").Client} client */
function states(client) {
  /** @type {string[]} */
  const all = [];
  client.on("state", ({ state, transport }) => {
    const now = transport ? `${state} ${transport}` : state;
    all.at(-1) === now || all.push(now);
  });
  return all;
}

for (const transports of EACH) {
  const over = `over ${transports[0]}`;

  test(`a token that is not good is refused, once and for all ${over}`, async (t) => {
    const { client } = await stage(t);
    const ann = client({ token: "g1.~ann-00000.0000", transports });
    const seen = states(ann);
    await assert.rejects(ann.connect(), (error) => {
      return error instanceof Refused && error.code === "unauthenticated" && error.closeCode === 4500;
    });
    assert.deepEqual([seen, ann.state, ann.retryAt], [["connecting", "refused"], "refused", null]);
    await assert.rejects(ann.join("lobby"), Refused);
    await assert.rejects(ann.ping(), Refused);
  });

  test(`a function is asked for another token when one is not good ${over}`, async (t) => {
    const { client, token } = await stage(t);
    const good = await token("ann");
    const tokens = [good, "a1.ann.bad", good];
    let asked = 0;
    const ann = client({ token: async () => tokens[Math.min(asked++, 2)], transports });
    await ann.connect();
    ann.close();
    await ann.connect();
    assert.deepEqual([ann.user, asked], ["ann", 1]);
    const never = client({ token: () => "a1.ann.bad", transports });
    await assert.rejects(never.connect(), Refused);
    const fails = client({ token: () => (asked++ < 3 ? Promise.reject(new Error("no network")) : good), transports });
    await fails.connect();
    assert.deepEqual([fails.user, asked], ["ann", 4]);
  });

  test(`a server that stops is come back to ${over}`, async (t) => {
    const { server, client } = await stage(t);
    const ann = client({ transports });
    const seen = states(ann);
    const heard = ledger(ann);
    await ann.connect();
    await ann.join("lobby");
    await server.stop();
    const receipt = ann.publish("lobby", "still there?");
    await server.restart();
    ann.retryNow();
    await receipt;
    await until([ann], () => heard.lobby?.length === 1);
    assert.deepEqual([seen[2], seen.at(-1)], [`draining ${transports[0]}`, `online ${transports[0]}`], `${seen}`);
  });

  test(`calls wait while the client recovers, and those under way are told that it went ${over}`, async (t) => {
    const { server, proxy, client } = await stage(t);
    const ann = client({ transports });
    await ann.connect();
    await ann.join("lobby");
    let on = () => {};
    proxy.stall = new Promise((done) => (on = done));
    const under = assert.rejects(ann.ping(), Disconnected);
    await server.kill();
    await under;
    on();
    assert.equal(ann.state, "recovering");
    const [page, watched] = [ann.history("lobby"), ann.watch({ channel: "lobby" })];
    await server.restart();
    assert.deepEqual([(await page).messages, (await watched).users[0].user], [[], ann.user]);
    const presence = ann.once("presence");
    await server.kill();
    await server.restart();
    assert.equal((await presence).user, ann.user, "what was watched is watched again");
  });

  test(`a client that is too fast slows down, and nothing is lost ${over}`, async (t) => {
    const { online } = await stage(t, { "rates.enabled": "true", "rates.commands_per_second": "200" });
    const ann = await online({ transports });
    await ann.join("lobby");
    const all = await Promise.all(Array.from({ length: 500 }, (_, at) => ann.publish("lobby", `${at}`)));
    assert.deepEqual([new Set(all.map(({ seq }) => seq)).size, Math.max(...all.map(({ seq }) => seq))], [500, 500]);
  });

  test(`a connection that says nothing any more is given up ${over}`, async (t) => {
    const { proxy, client } = await stage(t, { "presence.heartbeat_ms": "1000", "presence.timeout_ms": "2000" });
    const ann = client({ transports });
    const seen = states(ann);
    await ann.connect();
    let on = () => {};
    proxy.stall = new Promise((done) => (on = done));
    await until([ann], () => ann.state === "recovering");
    on();
    await until([ann], () => ann.state === "online");
    assert.ok(seen.includes("recovering"));
  });
}

for (const upgrades of /** @type {const} */ (["refuse", "stall"])) {
  test(`long-poll serves while WebSocket ${upgrades}s, and WebSocket as soon as it does`, async (t) => {
    const { proxy, client, online } = await stage(t);
    proxy.upgrades = upgrades;
    const ann = client({ openWithin: 300, probe: { min: 100, max: 200 } });
    const seen = states(ann);
    const heard = ledger(ann);
    await ann.connect();
    await ann.join("lobby");
    assert.deepEqual([ann.transport, seen], ["longpoll", ["connecting", "online longpoll"]]);
    const bob = await online({ guest: "bob", transports: ["longpoll"] });
    await bob.join("lobby");
    await bob.publish("lobby", "1");
    proxy.upgrades = "pass";
    let said = 1;
    while (ann.transport !== "websocket") {
      await bob.publish("lobby", `${++said}`);
    }
    await bob.publish("lobby", `${++said}`);
    await until([ann], () => heard.lobby?.length === said);
    assert.deepEqual(
      heard.lobby.map(({ seq }) => seq),
      Array.from({ length: said }, (_, at) => at + 1),
    );
    assert.deepEqual(seen.slice(1), ["online longpoll", "online websocket"], "nobody saw it go");
  });
}

test("without a WebSocket there is long-poll, and without both an error", async (t) => {
  const { client } = await stage(t);
  const ann = client({ WebSocket: null });
  if (globalThis.WebSocket === undefined) {
    await ann.connect();
    assert.equal(ann.transport, "longpoll");
    assert.throws(() => client({ WebSocket: null, transports: ["websocket"] }), TypeError);
  }
});

test("an address that is none is an error at once", async (t) => {
  const { client, proxy } = await stage(t);
  for (const url of ["", "localhost:8080", "ftp://example.org", "/chat"]) {
    assert.throws(() => client({ url }), TypeError, url);
  }
  const ann = client({ url: `${proxy.origin.replace("http", "ws")}?x#y` });
  await ann.connect();
  assert.equal(ann.state, "online");
});

test("a listener that throws harms nothing else", async (t) => {
  const { online } = await stage(t);
  const ann = await online();
  const told = t.mock.method(console, "error", () => {});
  ann.on("message", () => {
    throw new Error("of the application");
  });
  const heard = ann.once("message");
  await ann.join("lobby");
  await ann.publish("lobby", "hi");
  assert.equal((await heard).seq, 1);
  assert.equal(told.mock.callCount(), 1);
});

test("a listener may call the client, and takes itself off", async (t) => {
  const { online } = await stage(t);
  const [ann, bob] = [await online(), await online({ guest: "bob" })];
  await Promise.all([ann.join("lobby"), bob.join("lobby")]);
  const off = bob.on("message", ({ body }) => {
    off();
    bob.publish("lobby", `${body.text} yourself`);
  });
  const heard = ledger(ann);
  await ann.publish("lobby", "hello");
  await until([ann], () => heard.lobby?.length === 2);
  await ann.publish("lobby", "well");
  assert.deepEqual(
    (await ann.history("lobby")).messages.map((/** @type {any} */ one) => one.body.text),
    ["hello", "hello yourself", "well"],
  );
});
