// What survives a reload, and what does not get from one user to another.

import assert from "node:assert/strict";
import test from "node:test";
import { Client, Disconnected } from "../src/index.js";
import { ledger, until } from "./support/heard.js";
import { EACH, stage } from "./support/stage.js";
import { Store } from "./support/store.js";

/** The leases of all clients run out. @param {Store} storage */
function expire(storage) {
  const all = JSON.parse(storage.getItem("parlor:outboxes") ?? "{}");
  const old = Object.keys(all).map((id) => [id, Date.now() - 60_000]);
  storage.setItem("parlor:outboxes", JSON.stringify(Object.fromEntries(old)));
}

/** Waits until something of this kind is kept. @param {Store} storage @param {(text: string) => boolean} holds */
async function kept(storage, holds) {
  while (![...storage.all.values()].some(holds)) {
    await new Promise((done) => setImmediate(done));
  }
}

for (const transports of EACH) {
  const over = `over ${transports[0]}`;

  test(`a reload goes on where it stood, as the same guest ${over}`, async (t) => {
    const { online } = await stage(t);
    const storage = new Store();
    const before = await online({ storage, transports });
    const bob = await online({ guest: "bob" });
    await before.join("lobby");
    const first = before.once("message");
    await bob.publish("lobby", "1");
    await first;
    before.close();
    await bob.publish("lobby", "2");
    await bob.publish("lobby", "3");
    const after = await online({ storage, transports });
    assert.equal(after.user, before.user);
    const heard = ledger(after);
    const joined = await after.join("lobby");
    assert.deepEqual([joined.gap, joined.replay], [false, 2]);
    await until([after], () => heard.lobby?.length === 2);
    assert.deepEqual(
      heard.lobby.map(({ body }) => body.text),
      ["2", "3"],
    );
    const other = await online({ storage, guest: "cid", transports });
    assert.notEqual(other.user, after.user);
    assert.equal((await other.join("lobby")).next, 1, "another user begins anew");
  });

  test(`what waited to be published happens once after a reload ${over}`, async (t) => {
    const { server, proxy, client, online } = await stage(t);
    const storage = new Store();
    const before = await online({ storage, transports });
    await before.join("lobby");
    // One is stored and its receipt lost, one is never sent; and then the page dies.
    const back = new Promise(() => {});
    const first = before.publish("lobby", "sent", { key: "sent" });
    proxy.stall = back;
    await kept(storage, (text) => text.includes('"sent"'));
    proxy.cut();
    before.publish("lobby", "unsent", { key: "unsent" });
    await kept(storage, (text) => text.includes('"unsent"'));
    const copy = new Store();
    copy.all = new Map(storage.all);
    before.close();
    expire(copy);
    const after = client({ storage: copy, transports, url: server.origin });
    /** @type {string[]} */
    const stored = [];
    after.on("outbox", ({ entry, state }) => state === "stored" && stored.push(entry.key));
    await after.connect();
    assert.equal(after.user, before.user);
    await until([after], () => stored.length === 2);
    const { messages } = await after.history("lobby");
    assert.deepEqual(
      messages.map((/** @type {any} */ one) => one.key),
      ["sent", "unsent"],
    );
    assert.deepEqual([stored, after.outbox], [["sent", "unsent"], []]);
    after.close();
    assert.deepEqual(
      [...copy.all.keys()].filter((key) => key.includes("outbox:")),
      [],
    );
    void first;
  });
}

test("a second user does not get the first one's outbox", async (t) => {
  const { client, token } = await stage(t);
  const storage = new Store();
  const [first, second] = [await token("ann"), await token("bob")];
  const ann = client({ storage, token: first });
  await ann.connect();
  await ann.join("lobby");
  ann.close();
  ann.publish("lobby", "mine", { key: "hers" });
  await kept(storage, (text) => text.includes('"hers"'));
  const bob = client({ storage, token: second });
  await bob.connect();
  assert.equal((await bob.join("lobby")).head, 0);
  assert.deepEqual(bob.outbox, []);
  expire(storage);
  const again = client({ storage, token: first });
  const stored = again.once("outbox").then(() => until([again], () => again.outbox.length === 0));
  await again.connect();
  await stored;
  const { messages } = await bob.history("lobby");
  assert.deepEqual(
    messages.map((/** @type {any} */ one) => [one.from, one.key]),
    [["ann", "hers"]],
  );
});

test("what a closed client has may be taken over at once, and is published once if it comes back, too", async (t) => {
  const { online } = await stage(t);
  const storage = new Store();
  const before = await online({ storage });
  await before.join("lobby");
  before.close();
  const waiting = before.publish("lobby", "mine", { key: "mine" });
  await kept(storage, (text) => text.includes('"mine"'));
  const after = await online({ storage });
  await until([after], () => after.outbox.length === 0);
  const { messages } = await after.history("lobby");
  assert.deepEqual(
    messages.map((/** @type {any} */ one) => one.key),
    ["mine"],
  );
  await before.connect();
  assert.deepEqual([(await waiting).seq, (await waiting).duplicate], [1, true]);
});

test("a client that becomes another user leaves what the first one had", async (t) => {
  const { client, token, accounts } = await stage(t);
  const tokens = [await token("ann"), await token("bob")];
  const one = client({ token: () => tokens[0] });
  await one.connect();
  await one.join("lobby");
  await one.publish("lobby", "of ann");
  one.close();
  const lost = assert.rejects(one.publish("lobby", "of ann, too"), Disconnected);
  await accounts.logout(/** @type {string} */ (tokens.shift()));
  const joined = one.once("joined");
  await one.connect();
  await lost;
  assert.deepEqual([one.user, (await joined).replay], ["bob", 1], "bob begins as one who was never there");
  const { messages } = await one.history("lobby");
  assert.deepEqual(
    messages.map((/** @type {any} */ message) => message.from),
    ["ann"],
  );
});

test("what is written is written together", async (t) => {
  const { online } = await stage(t);
  const storage = new Store();
  const [ann, bob] = [await online({ storage }), await online({ guest: "bob" })];
  await ann.join("lobby");
  const heard = ledger(ann);
  const began = Date.now();
  await Promise.all(Array.from({ length: 300 }, (_, at) => bob.publish("lobby", `${at}`)));
  await Promise.all(Array.from({ length: 300 }, (_, at) => ann.publish("lobby", `${at}`)));
  await until([ann], () => heard.lobby?.length === 600);
  const seconds = Math.ceil((Date.now() - began) / 1000);
  assert.ok(storage.writes <= 5 * (seconds + 2), `${storage.writes} writes in ${seconds} s`);
  ann.close();
  const cursors = JSON.parse(storage.getItem(`parlor:cursors:${ann.user}`) ?? "null");
  assert.equal(cursors.find((/** @type {any} */ one) => one[0] === "lobby")[2], 600);
});

test("storage that is broken or full harms nothing", async (t) => {
  const { online } = await stage(t);
  for (const fault of [{ broken: true }, { room: 0 }, { room: 300 }]) {
    const storage = Object.assign(new Store(), fault);
    const ann = await online({ storage });
    await ann.join("lobby");
    await ann.publish("lobby", "hi");
    ann.close();
    ann.publish("lobby", "x".repeat(1000));
    await ann.connect();
    await until([ann], () => ann.outbox.length === 0);
    await ann.logout();
  }
  const odd = new Store();
  odd.setItem("parlor:guest", "{");
  odd.setItem("parlor:outboxes", "[7, null]");
  odd.setItem("parlor:cursors:ann", '[["lobby","x"],7,null]');
  const ann = await online({ storage: odd });
  assert.equal((await ann.join("lobby")).channel, "lobby");
});

test("who logs out leaves nothing behind", async (t) => {
  const { online } = await stage(t);
  const storage = new Store();
  const ann = await online({ storage });
  await ann.join("lobby");
  await ann.publish("lobby", "hi");
  await ann.logout();
  assert.deepEqual(
    [...storage.all.keys()].filter((key) => !key.endsWith(":outboxes")),
    [],
  );
});

test("who logs out without a connection leaves nothing behind, and a guest's token is not an account's", async (t) => {
  const storage = new Store();
  storage.setItem("parlor:guest", '{"name":"ann","token":"t"}');
  const client = new Client({ url: "http://127.0.0.1:9/", token: "t", storage, transports: ["longpoll"] });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  client.publish("lobby", "secret");
  await client.logout();
  t.mock.timers.tick(5000);
  assert.deepEqual([...storage.all.keys()], ["parlor:guest"]);
  const guest = new Client({ url: "http://127.0.0.1:9/", guest: "ann", storage, transports: ["longpoll"] });
  await guest.logout();
  assert.deepEqual([...storage.all.keys()], []);
});
