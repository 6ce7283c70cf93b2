// What an application does with the client, over each transport, against a real server.

import assert from "node:assert/strict";
import test from "node:test";
import { BadFrame, Conflict, Disconnected, Forbidden, Full, NotFound, NotJoined, TooLarge } from "../src/index.js";
import { Accounts, Unauthenticated } from "../src/index.js";
import { ledger, until } from "./support/heard.js";
import { EACH, stage } from "./support/stage.js";

for (const transports of EACH) {
  const over = `over ${transports[0]}`;

  test(`two converse ${over}`, async (t) => {
    const { online } = await stage(t);
    const [ann, bob] = [await online({ transports }), await online({ transports, guest: "bob" })];
    assert.match(
      `${ann.user} ${ann.transport} ${ann.state} ${ann.guest}`,
      new RegExp(`^~ann-\\w{5} ${transports[0]} online true$`),
    );
    assert.ok(
      Math.abs(ann.now() - Date.now()) < 5000 && ann.limits.outstanding > 0 && ann.sid && ann.token && ann.expiresAt,
    );
    const joined = await ann.join("lobby");
    assert.deepEqual([joined.channel, joined.head, joined.next, joined.gap], ["lobby", 0, 1, false]);
    await bob.join("lobby");
    const [atAnn, atBob] = [ledger(ann), ledger(bob)];
    const sending = ann.publish("lobby", "good morning", { kind: "x-wave" });
    const receipt = await sending;
    assert.deepEqual(
      [receipt.seq, receipt.duplicate, receipt.key, receipt.epoch],
      [1, false, sending.key, joined.epoch],
    );
    await bob.publish("lobby", { text: "to you too", loud: true }, { ref: 1, key: "mine" });
    await until([ann, bob], () => atAnn.lobby?.length === 2 && atBob.lobby?.length === 2);
    assert.deepEqual(atAnn.lobby, atBob.lobby);
    const [first, second] = atBob.lobby;
    assert.deepEqual(
      [first.from, first.body, first.kind, first.replayed],
      [ann.user, { text: "good morning" }, "x-wave", false],
    );
    assert.deepEqual(
      [second.seq, second.body, second.ref, second.key],
      [2, { text: "to you too", loud: true }, 1, "mine"],
    );
    assert.deepEqual(ann.joined.get("lobby"), { epoch: joined.epoch, seq: 2, head: 2 });
    const page = await bob.history("lobby", { limit: 1 });
    assert.deepEqual([page.messages.length, page.messages[0].seq, page.more], [1, 2, true]);
    assert.deepEqual((await ann.who("lobby")).users, [ann.user, bob.user]);
    await bob.leave("lobby", { only: "session" });
    await ann.publish("lobby", "are you there?");
    await bob.ping();
    assert.deepEqual([atBob.lobby.length, bob.joined.size], [2, 0]);
  });

  test(`who is there, typing and reading are told ${over}`, async (t) => {
    const { online, token } = await stage(t);
    const ann = await online({ transports, token: await token("ann") });
    const bob = await online({ transports, token: await token("bob") });
    await Promise.all([ann.join("@bob"), bob.join("@ann")]);
    assert.deepEqual([...ann.joined.keys()], ["@ann:bob"]);
    const typing = ann.once("typing");
    await bob.typing("@ann");
    assert.equal((await typing).user, "bob");
    const { seq } = await ann.publish("@bob", "psst");
    const read = ann.once("read");
    await bob.read("@ann", seq);
    assert.deepEqual([(await read).user, (await bob.channels()).channels[0].read], ["bob", seq]);
    assert.equal((await ann.presence(["bob"])).users[0].state, "online");
    assert.equal((await ann.watch({ users: ["bob"] })).users[0].state, "online");
    const gone = ann.once("presence");
    await bob.logout();
    assert.deepEqual([(await gone).user, bob.state], ["bob", "disconnected"]);
    await ann.unwatch({ users: ["bob"] });
    assert.deepEqual(
      (await ann.contacts({ add: ["bob"] })).users.map((/** @type {any} */ row) => row.user),
      ["bob"],
    );
    const back = ann.once("presence");
    await bob.connect();
    assert.deepEqual([(await back).user, bob.state], ["bob", "online"]);
    await bob.visible(false);
    assert.equal((await ann.presence(["bob"])).users[0].state, "offline");
  });

  test(`channels are places with owners ${over}`, async (t) => {
    const { online, token, accounts } = await stage(t);
    const [ann, bob] = [await token("ann"), await token("bob")];
    const owner = await online({ transports, token: ann });
    const other = await online({ transports, token: bob });
    await owner.create("den", { private: true, title: "The den" });
    await assert.rejects(other.join("den"), NotFound);
    const invited = other.once("activity");
    await owner.invite("den", "bob");
    assert.equal((await invited).change, "invited");
    await other.join("den");
    await owner.role("den", "bob", "muted");
    await assert.rejects(other.publish("den", "hm"), Forbidden);
    assert.deepEqual((await owner.members("den")).members?.length ?? (await owner.members("den")).users.length, 2);
    const closed = other.once("closed");
    await owner.kick("den", "bob", { reason: "noise" });
    assert.deepEqual([(await closed).reason, other.joined.size], ["kicked", 0]);
    await owner.ban("den", "bob");
    await owner.unban("den", "bob");
    const names = (await accounts.channels({ token: ann })).channels.map((/** @type {any} */ one) => one.channel);
    assert.deepEqual([names, (await accounts.channel("den", ann)).channel], [["den"], "den"]);
    await owner.delete("den");
    await assert.rejects(owner.history("den"), NotFound);
  });

  test(`what is refused is refused by a typed error ${over}`, async (t) => {
    const { online } = await stage(t, { "limits.body_bytes": "1000" });
    const ann = await online({ transports, outbox: 3 });
    await assert.rejects(ann.history("nowhere"), (error) => error instanceof NotFound && error.code === "not_found");
    await assert.rejects(ann.typing("nowhere"), NotJoined);
    await assert.rejects(ann.join("No Name"), BadFrame);
    await assert.rejects(ann.create("mine"), Forbidden);
    await assert.rejects(ann.publish("lobby", /** @type {any} */ (7)), BadFrame);
    await ann.join("lobby");
    await assert.rejects(ann.publish("lobby", "x".repeat(2000)), TooLarge);
    await assert.rejects(ann.publish("lobby", "x".repeat(70_000)), TooLarge);
    assert.equal(ann.outbox.length, 0);
    await assert.rejects(ann.publish("lobby", "x", { kind: "edit" }), Forbidden);
    await assert.rejects(ann.publish("lobby", "x", { kind: "wave" }), BadFrame);
    assert.deepEqual(
      ann.outbox.map(({ state }) => state),
      ["failed", "failed"],
    );
    assert.deepEqual([ann.cancel(ann.outbox[0].key), ann.cancel(ann.outbox[0].key), ann.outbox], [true, true, []]);
    ann.close();
    await assert.rejects(ann.ping(), Disconnected);
    const waiting = [1, 2, 3].map((n) => ann.publish("lobby", `${n}`));
    await assert.rejects(ann.publish("lobby", "4"), Full);
    assert.ok(ann.cancel(waiting[1].key));
    await assert.rejects(waiting[1], /cancelled/);
    await ann.connect();
    assert.deepEqual([(await waiting[0]).seq, (await waiting[2]).seq], [1, 2]);
  });

  test(`a hole is told, and as much of it is fetched as is wished ${over}`, async (t) => {
    const { online } = await stage(t, { "limits.replay_max": "3" });
    const [ann, bob] = [await online({ transports, refill: 4 }), await online({ transports, guest: "bob" })];
    const heard = ledger(ann);
    /** @type {any[]} */
    const holes = [];
    ann.on("hole", (hole) => holes.push(hole));
    await ann.join("lobby");
    ann.close();
    const all = Array.from({ length: 10 }, (_, at) => bob.publish("lobby", `${at + 1}`));
    await Promise.all(all);
    await ann.connect();
    await until([ann], () => heard.lobby?.length === 7);
    assert.deepEqual(
      heard.lobby.map(({ body }) => body.text),
      ["4", "5", "6", "7", "8", "9", "10"],
    );
    assert.ok(heard.lobby.every(({ replayed }) => replayed));
    assert.deepEqual(holes, [{ channel: "lobby", after: 0, before: 4, kept: true }]);
  });

  test(`a path prefix is kept ${over}`, async (t) => {
    const { proxy, client } = await stage(t);
    proxy.prefix = "/our/chat";
    const ann = client({ url: `${proxy.origin}/our/chat`, transports });
    await ann.connect();
    await ann.join("lobby");
    assert.equal((await ann.publish("lobby", "hi")).seq, 1);
    const accounts = new Accounts({ url: `${proxy.origin}/our/chat/` });
    assert.deepEqual(await accounts.signUp({ user: "dora", password: "correct horse" }), { user: "dora" });
  });

  test(`whoever waits for a join misses nothing of its replay ${over}`, async (t) => {
    const { online } = await stage(t);
    const [ann, bob] = [await online({ transports }), await online({ transports, guest: "bob" })];
    await ann.join("lobby");
    for (const text of ["1", "2", "3"]) {
      await ann.publish("lobby", text);
    }
    const joined = await bob.join("lobby", { tail: 2 });
    const heard = ledger(bob);
    await until([bob], () => heard.lobby?.length === 2);
    assert.deepEqual([joined.next, joined.replay, heard.lobby.map(({ seq }) => seq)], [2, 2, [2, 3]]);
  });

  test(`a key that is used again makes no second message ${over}`, async (t) => {
    const { online } = await stage(t);
    const ann = await online({ transports });
    await ann.join("lobby");
    const both = [ann.publish("lobby", "one", { key: "k" }), ann.publish("lobby", "one", { key: "k" })];
    assert.deepEqual(
      (await Promise.all(both)).map(({ seq }) => seq),
      [1, 1],
    );
    const again = await ann.publish("lobby", "one", { key: "k" });
    assert.deepEqual([again.seq, again.duplicate], [1, true]);
  });

  test(`a thousand publishes at once arrive in order ${over}`, async (t) => {
    const { online } = await stage(t);
    const ann = await online({ transports });
    await ann.join("lobby");
    const all = await Promise.all(Array.from({ length: 1000 }, (_, at) => ann.publish("lobby", `${at}`)));
    assert.deepEqual(
      all.map(({ seq }) => seq),
      all.map((_, at) => at + 1),
    );
  });
}

test("accounts are made, changed and left by plain requests", async (t) => {
  const { accounts } = await stage(t);
  assert.deepEqual(await accounts.signUp({ user: "dora", password: "correct horse" }), { user: "dora" });
  await assert.rejects(accounts.signUp({ user: "dora", password: "correct horse" }), Conflict);
  await assert.rejects(accounts.login({ user: "dora", password: "wrong horse" }), Unauthenticated);
  const { token, user } = await accounts.login({ user: "dora", password: "correct horse" });
  assert.equal(user, "dora");
  await accounts.password({ old: "correct horse", new: "battery staple" }, token);
  await accounts.logout(token);
  await assert.rejects(accounts.logout(token), Unauthenticated);
  await assert.rejects(new Accounts({ url: "http://127.0.0.1:9/" }).login({ user: "a", password: "b" }), Disconnected);
});
