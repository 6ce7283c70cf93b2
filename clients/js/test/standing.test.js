// Single decisions of the machine: heartbeats, refusals, tokens, and the order in which things are said.

import assert from "node:assert/strict";
import test from "node:test";
import { NOBODY, begun } from "./support/begun.js";

test("a silent connection is asked after a heartbeat, and given up when the time is over", () => {
  const { machine, said, welcome, take } = begun();
  welcome(0);
  machine.tick(24_999);
  assert.deepEqual(said(), []);
  assert.equal(machine.deadline(), 25_000);
  machine.tick(25_000);
  assert.deepEqual(
    said().map(({ type }) => type),
    ["ping"],
  );
  machine.heard(25_100, 1, { type: "pong", id: "2" });
  machine.tick(50_100);
  machine.tick(85_099);
  assert.equal(machine.state, "online");
  machine.tick(85_100);
  assert.equal(machine.state, "recovering");
  assert.equal(take("hang").length, 1);
});

test("after a sleep the connection is asked at once, and has a few seconds to answer", () => {
  const { machine, said, welcome } = begun();
  welcome(0);
  machine.woke(3_600_000);
  assert.deepEqual([said().map(({ type }) => type), machine.state], [["ping"], "online"]);
  machine.heard(3_601_000, 1, { type: "pong", id: "2" });
  machine.tick(3_605_000);
  assert.equal(machine.state, "online");
  machine.woke(7_200_000);
  machine.tick(7_205_000);
  assert.equal(machine.state, "recovering");
});

for (const code of [4500, 4501, 4502, 4503, 4504]) {
  test(`it does not come back after ${code}`, () => {
    const { machine, welcome } = begun({ token: "given", given: "given" });
    welcome(0);
    machine.down(1, 1, { code, why: "out" });
    assert.deepEqual([machine.state, machine.error?.closeCode, machine.deadline()], ["refused", code, Infinity]);
  });
}

for (const code of [1000, 1001, 4000, 4001, 4002, 4003, undefined]) {
  test(`it comes back after ${code ?? "a break"}`, () => {
    const { machine, welcome, take } = begun();
    welcome(0);
    machine.heard(1, 1, { type: "error", code: "overloaded", message: "later", close: code, retry_after_ms: 700 });
    machine.down(1, 1, { code, why: "" });
    assert.equal(machine.state, "recovering");
    assert.ok(code === undefined || machine.again >= 701, "not before it was told");
    take("open");
    machine.woke(2);
    assert.equal(take("open").length, code === undefined ? 1 : 0, "not even if the network is back");
    if (code !== undefined) {
      machine.tick(machine.again);
      assert.equal(take("open").length, 1);
    }
  });
}

test("a guest's token from an earlier life is tried once, and then it is a new guest", () => {
  const { machine, said } = begun({ token: "old", kept: true });
  machine.opened(0, 1);
  assert.equal(said()[0].token, "old");
  machine.heard(0, 1, { type: "error", code: "unauthenticated", message: "expired", close: 4500 });
  machine.down(0, 1, { code: 4500, why: "" });
  machine.tick(0);
  machine.opened(0, 2);
  const [hello] = said();
  assert.deepEqual([hello.token, hello.guest], [undefined, "ann"]);
});

test("a token is refreshed in time, and asked for when it is about to expire", () => {
  const { machine, said, welcome, take } = begun({ asks: true });
  machine.token(0, "first");
  welcome(0, { now: "2026-11-24T10:00:00Z", expires_at: "2026-11-24T10:05:00Z" });
  for (let now = 20_000; now <= 100_000; now += 20_000) {
    machine.heard(now, machine.conns, { type: "pulse" });
    machine.tick(now);
  }
  const refresh = said().find(({ type }) => type === "refresh");
  assert.equal(refresh.token, "t");
  machine.heard(100_000, machine.conns, { type: "refreshed", id: refresh.id, expires_at: "2026-11-24T10:05:00Z" });
  machine.heard(100_001, machine.conns, { type: "notice", code: "token_expiring" });
  assert.equal(take("token").length, 1);
  machine.token(100_002, "second");
  assert.equal(said().at(-1).token, "second");
});

test("a channel that was left and is wanted again is joined behind the leave, whatever the connection does", () => {
  for (const online of [true, false]) {
    const { machine, said, welcome } = begun();
    if (online) {
      welcome(0);
    }
    machine.join(1, "a", {}, NOBODY);
    machine.request(1, { type: "leave", channel: "a" }, NOBODY);
    machine.join(1, "a", {}, NOBODY);
    const all = online ? said() : welcome(1);
    assert.deepEqual(
      all.slice(-2).map(({ type }) => type),
      ["leave", "join"],
    );
  }
});

test("no more commands are under way than the server allows", () => {
  const { machine, said, welcome } = begun();
  welcome(0, { limits: { outstanding: 3 } });
  for (const channel of ["a", "b"]) {
    machine.join(1, channel, {}, NOBODY);
  }
  for (let at = 0; at < 5; at += 1) {
    machine.request(1, { type: "history", channel: "c" }, NOBODY);
  }
  const first = said();
  assert.deepEqual(
    first.map(({ type }) => type),
    ["join", "join", "history"],
  );
  machine.heard(2, 1, { type: "history", id: first[2].id, messages: [] });
  assert.deepEqual(
    said().map(({ type }) => type),
    ["history"],
  );
});

test("a server that stops is come back to within the time that it said", () => {
  const { machine, welcome, take } = begun();
  welcome(0);
  machine.heard(1, 1, { type: "notice", code: "draining", retry_after_ms: 2000 });
  assert.equal(machine.state, "draining");
  machine.down(5, 1, { code: 1001, why: "" });
  assert.deepEqual([machine.state, machine.again], ["draining", 1005]);
  machine.tick(1005);
  machine.take();
  machine.down(1006, 2, { why: "nobody there" });
  assert.equal(machine.state, "recovering");
  assert.ok(take("tell").length > 0);
});

test("what the server put off by a moment goes after it, however long the driver takes meanwhile", () => {
  const { machine, said, welcome } = begun();
  welcome(0);
  machine.join(0, "a", {}, NOBODY);
  machine.heard(0, 1, { type: "joined", channel: "a", epoch: "e", head: 0, first: 1, next: 1, replay: 0 });
  machine.publish(0, { channel: "a", key: "k", body: {}, at: 0 });
  const { id } = said().at(-1);
  machine.heard(5, 1, { type: "error", id, code: "rate_limited", message: "", retry_after_ms: 1 });
  assert.equal(machine.deadline(), 6);
  machine.tick(8);
  assert.deepEqual(
    said().map(({ type, key }) => [type, key]),
    [["publish", "k"]],
  );
});
