// What comes of the token that an application gives, and of one that a server gives.

import assert from "node:assert/strict";
import test from "node:test";
import { Client } from "../src/index.js";
import { begun } from "./support/begun.js";
import { Store } from "./support/store.js";

const NOWHERE = { url: "http://127.0.0.1:9/", transports: /** @type {["longpoll"]} */ (["longpoll"]) };

test("a token is a string, or a function that gives one", async () => {
  for (const token of /** @type {any[]} */ ([{}, 7, true, ["t"]])) {
    assert.throws(() => new Client({ ...NOWHERE, token }), TypeError);
  }
  for (const given of /** @type {any[]} */ ([{ token: "t" }, 7, undefined, null, ""])) {
    const fetch = () => assert.fail("nobody is to come as a guest");
    const client = new Client({ ...NOWHERE, fetch, storage: new Store(), token: async () => given });
    const waits = new Promise((done) => client.on("state", ({ why, retryAt }) => retryAt && done(why)));
    client.publish("a", "b");
    client.connect();
    assert.match(String(await waits), /^token: expected a string, got/);
    client.close();
  }
});

test("a token function may say that one comes as the guest that is wished", async () => {
  /** @type {string[]} */
  const said = [];
  const told = new Promise((done) => {
    const fetch = async (/** @type {any} */ _, /** @type {any} */ { body }) => {
      said.push(body);
      done(undefined);
      throw new Error("that is enough");
    };
    const client = new Client({ ...NOWHERE, fetch, guest: "ann", token: () => null });
    client.connect();
    client.once("state").then(() => told.then(() => client.close()));
  });
  await told;
  assert.equal(JSON.parse(said[0]).guest, "ann");
});

test("a token function that does not answer is asked again", async () => {
  let asked = 0;
  const token = /** @type {any} */ (() => (asked++, new Promise(() => {})));
  const client = new Client({ ...NOWHERE, openWithin: 10, backoff: { min: 1, max: 1 }, token });
  client.connect();
  for (let seen = 0; seen < 6; seen += 1) {
    await client.once("state");
  }
  assert.ok(asked > 1 && client.state === "connecting");
  client.close();
});

test("a token of the server that is none is passed over", () => {
  for (const token of [7, {}, true, null]) {
    const { machine, welcome } = begun({ token: "mine" });
    welcome(0, { token });
    assert.equal(machine.identity.token, "mine");
  }
});
