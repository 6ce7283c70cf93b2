// Several clients on one storage: each has an outbox of its own, and takes over only those of clients that are gone.

import assert from "node:assert/strict";
import test from "node:test";
import { Vault } from "../src/vault.js";
import { Store } from "./support/store.js";

/** Web Locks, as far as they are used. */
class Locks {
  /** @type {Set<string>} */
  held = new Set();

  /** @param {string} name @param {any} options @param {(lock: unknown) => unknown} [use] */
  async request(name, options, use = options) {
    await null;
    if (this.held.has(name)) {
      return use(null);
    }
    this.held.add(name);
    try {
      return await use({});
    } finally {
      this.held.delete(name);
    }
  }
}

/** A machine, as far as a vault looks at it. @param {string} user @param {string[]} keys */
function machine(user, ...keys) {
  const entries = keys.map((key) => ({ channel: "lobby", key, body: {}, at: 0 }));
  const tracks = { version: 0, map: new Map(), left: new Map() };
  const outbox = { version: 1, kept: () => entries };
  const add = (/** @type {any} */ words) => (entries.push(words), (outbox.version += 1));
  return /** @type {any} */ ({ user, identity: { token: "t" }, tracks, outbox, entries, add });
}

const settled = () => new Promise((done) => setImmediate(done));

for (const locks of [null, new Locks()]) {
  const by = locks ? "locks" : "leases";

  test(`a client that lives keeps its outbox, and one that is gone leaves it, by ${by}`, async () => {
    const storage = new Store();
    const vault = () => new Vault(storage, "p", locks);
    const [first, second] = [vault(), vault()];
    const [a, b] = [machine("ann", "1", "2"), machine("ann", "3")];
    first.flush(a);
    second.flush(b);
    await settled();
    second.adopt(b, b.add);
    await settled();
    assert.equal(b.entries.length, 1, "the first one lives");
    first.leave(a);
    await settled();
    const other = machine("bob");
    vault().adopt(other, other.add);
    await settled();
    assert.equal(other.entries.length, 0, "it is of another user");
    second.adopt(b, b.add);
    await settled();
    assert.deepEqual(
      b.entries.map((/** @type {any} */ one) => one.key),
      ["3", "1", "2"],
    );
    assert.deepEqual([b.entries[1].tried, b.entries[1].base], [true, null], "it may have been sent");
    const third = machine("ann");
    vault().adopt(third, third.add);
    await settled();
    assert.equal(third.entries.length, 0, "it has been taken over");
    second.leave(b);
    const last = vault();
    last.adopt(third, third.add);
    await settled();
    assert.equal(third.entries.length, 3, "nothing was lost on the way");
    last.leave(third);
  });
}

test("what was accepted before the first welcome is taken over by whoever comes alike", async () => {
  const before = [
    { asks: false, guest: "ann" },
    { asks: true, token: null },
    { asks: false, given: "t1", token: "t1" },
  ];
  const after = [
    { asks: false, guest: "ann", token: "of the guest" },
    { asks: true, token: "another" },
    { asks: false, given: "t1", token: "of the welcome" },
  ];
  for (const [at, identity] of before.entries()) {
    const storage = new Store();
    const [first, second] = [new Vault(storage, "p", null), new Vault(storage, "p", null)];
    const offline = Object.assign(machine("", "1"), { user: null, identity });
    first.flush(offline);
    first.leave(offline);
    const wrong = Object.assign(machine("ann"), { identity: after[(at + 1) % 3] });
    second.adopt(wrong, wrong.add);
    assert.equal(wrong.entries.length, 0);
    const right = Object.assign(machine("ann"), { identity: after[at] });
    second.adopt(right, right.add);
    assert.equal(right.entries.length, 1, `${at}`);
    second.leave(right);
  }
});

test("what does not fit stays where it is", () => {
  const storage = new Store();
  const [first, second] = [new Vault(storage, "p", null), new Vault(storage, "p", null)];
  const [a, b] = [machine("ann", "1", "2"), machine("ann")];
  first.flush(a);
  first.leave(a);
  second.adopt(b, () => {
    throw new Error("full");
  });
  second.adopt(b, b.add);
  assert.equal(b.entries.length, 2);
  second.leave(b);
});

/** A machine of ann that has come so far in these channels. @param {Record<string, [string, number]>} cursors */
function reading(cursors) {
  const one = machine("ann");
  one.tracks.version = 1;
  for (const [channel, [epoch, seq]] of Object.entries(cursors)) {
    one.tracks.map.set(channel, { channel, cursor: { epoch, seq }, joined: {} });
  }
  return one;
}

test("a client writes only the cursors that it moved itself", () => {
  const storage = new Store();
  const kept = () => {
    const all = [...new Vault(storage, "p", null).cursors("ann")];
    return Object.fromEntries(all.map(([name, { epoch, seq }]) => [name, epoch + seq]));
  };
  const [first, second] = [new Vault(storage, "p", null), new Vault(storage, "p", null)];
  const [a, b] = [reading({ x: ["old", 5], z: ["e", 1] }), reading({ y: ["e", 1] })];
  first.flush(a);
  second.flush(b);
  b.tracks.map.set("x", { channel: "x", cursor: { epoch: "new", seq: 3 }, joined: {} });
  b.tracks.left.set("z", null);
  b.tracks.version += 1;
  second.flush(b);
  a.tracks.version += 1;
  first.flush(a);
  assert.deepEqual(kept(), { x: "new3", y: "e1" });
  a.tracks.left.set("x", { epoch: "new", seq: 9 });
  a.tracks.map.delete("x");
  a.tracks.version += 1;
  first.flush(a);
  assert.deepEqual(kept(), { x: "new9", y: "e1" }, "one that is heard no more, but not left");
});

test("the cursors that moved last are kept", () => {
  const storage = new Store();
  const vault = new Vault(storage, "p", null);
  const a = reading({ busy: ["e", 1], 7: ["e", 1] });
  vault.flush(a);
  for (let at = 0; at < 600; at += 1) {
    a.tracks.map.set(`c${at}`, { channel: `c${at}`, cursor: { epoch: "e", seq: 1 }, joined: {} });
    for (const name of ["busy", "7"]) {
      a.tracks.map.get(name).cursor.seq += 1;
    }
    a.tracks.version += 1;
    vault.flush(a);
  }
  const all = vault.cursors("ann");
  assert.deepEqual([all.size, all.get("busy")?.seq, all.get("7")?.seq], [500, 601, 601]);
});

test("of an outbox as much is kept as there is room for, the oldest first", () => {
  const storage = Object.assign(new Store(), { room: 400 });
  const vault = new Vault(storage, "p", null);
  const a = machine("ann", ...Array.from({ length: 20 }, (_, at) => `${at}`));
  vault.flush(a);
  const slot = JSON.parse([...storage.all.values()].find((text) => text.includes("entries")) ?? "null");
  assert.deepEqual(
    slot.entries.map((/** @type {any} */ one) => one.key),
    ["0", "1", "2", "3", "4"],
  );
  vault.leave(a);
});

test("abandoned outboxes do not pile up", () => {
  const storage = new Store();
  for (let at = 0; at < 80; at += 1) {
    const [vault, a] = [new Vault(storage, "p", null), machine(`user${at}`, "1")];
    vault.flush(a);
    vault.leave(a);
  }
  assert.ok([...storage.all.keys()].length <= 53, `${[...storage.all.keys()].length}`);
});
