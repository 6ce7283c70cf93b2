// How the long-poll connection makes one stream of polls and replies, with answers that get lost.

import assert from "node:assert/strict";
import test from "node:test";
import { longPoll } from "../src/longpoll.js";

/** @typedef {Record<string, any>} Frame */

/** A connection whose requests the test answers, and what it told. */
function stage() {
  /** @typedef {{ method: string, path: string, body: any }} Asked */
  /** @type {(Asked & { answer: (status: number, body?: unknown) => void, lose: () => void })[]} */
  const requests = [];
  /** @type {(() => void)[]} */
  const waiting = [];
  const fetch = (/** @type {any} */ url, /** @type {any} */ { method, body, signal }) =>
    new Promise((done, fail) => {
      const answer = (/** @type {number} */ status, /** @type {unknown} */ value) => {
        done(new Response(status === 204 ? null : JSON.stringify(value), { status }));
      };
      const lose = () => fail(new TypeError("lost"));
      signal?.addEventListener("abort", lose);
      requests.push({
        method,
        path: String(url).replace("http://h/v1/sessions", ""),
        body: JSON.parse(body ?? "null"),
        answer,
        lose,
      });
      waiting.splice(0).forEach((go) => go());
    });
  /** @type {any[]} */
  const told = [];
  const tell = (/** @type {any} */ what) => {
    told.push(what);
    waiting.splice(0).forEach((go) => go());
  };
  const until = async (/** @type {() => boolean} */ holds) => {
    while (!holds()) {
      await new Promise((go) => waiting.push(() => go(undefined)));
    }
  };
  const wire = longPoll(/** @type {any} */ (fetch), new URL("http://h/"), {
    opened: () => tell("opened"),
    alive: () => {},
    frame: (frame) => tell(frame),
    down: (down) => tell({ down }),
  });
  const next = async (/** @type {string} */ method) => {
    const fits = () => requests.findIndex((one) => one.method === method);
    await until(() => fits() >= 0);
    return requests.splice(fits(), 1)[0];
  };
  const welcome = async () => {
    await until(() => told.length === 1);
    wire.say({ type: "hello", id: "0" });
    (await next("POST")).answer(201, { type: "welcome", id: "0", session: "s", heartbeat_ms: 2000 });
    await until(() => told.length === 2);
    told.length = 0;
  };
  return { wire, told, next, until, welcome, requests };
}

const event = (/** @type {number} */ seq) => ({ type: "message", seq });

test("a poll whose answer is lost is asked again, and nothing comes twice", async () => {
  const { told, next, until, welcome, wire } = stage();
  await welcome();
  const first = await next("GET");
  assert.equal(first.path, "/self/events?after=0&wait=2");
  first.answer(200, { events: [event(1), event(2)], next: 2 });
  const second = await next("GET");
  assert.match(second.path, /after=2/);
  second.lose();
  const third = await next("GET");
  assert.match(third.path, /after=2/);
  // The server has lost the acknowledgement: what came is sent again.
  third.answer(409, { type: "error", code: "conflict", next: 1 });
  const fourth = await next("GET");
  assert.match(fourth.path, /after=1/);
  fourth.answer(200, { events: [event(2), event(3)], next: 3 });
  await until(() => told.length === 3);
  assert.deepEqual(
    told.map(({ seq }) => seq),
    [1, 2, 3],
  );
  wire.hang(false);
});

test("the subscription begins with the event, not with the reply", async () => {
  const { told, next, until, welcome, wire } = stage();
  await welcome();
  wire.say({ type: "join", id: "1", channel: "a" });
  wire.say({ type: "ping", id: "2" });
  const commands = await next("POST");
  assert.deepEqual(
    commands.body.map((/** @type {Frame} */ { id }) => id),
    ["1", "2"],
    "what is said at once goes together",
  );
  commands.answer(200, [
    { type: "joined", id: "1" },
    { type: "pong", id: "2" },
  ]);
  await until(() => told.length === 1);
  (await next("GET")).answer(200, { events: [{ type: "joined", channel: "a" }, event(1)], next: 2 });
  await until(() => told.length === 3);
  assert.deepEqual(
    told.map(({ type, id }) => `${type} ${id ?? ""}`),
    ["pong 2", "joined ", "message "],
  );
  wire.hang(true);
  assert.equal((await next("DELETE")).path, "/self");
});

test("commands go one request at a time, and too many go one by one", async () => {
  const { told, next, until, welcome, wire, requests } = stage();
  await welcome();
  wire.say({ type: "a", id: "1" });
  const first = await next("POST");
  ["2", "3"].forEach((id) => wire.say({ type: "a", id }));
  await new Promise((done) => setImmediate(done));
  assert.equal(requests.filter(({ method }) => method === "POST").length, 0);
  first.answer(200, [{ type: "ok", id: "1" }]);
  (await next("POST")).answer(413, { type: "error", code: "too_large", message: "" });
  (await next("POST")).answer(200, [{ type: "ok", id: "2" }]);
  (await next("POST")).answer(503, { type: "error", code: "overloaded", message: "" });
  await until(() => told.length === 3);
  assert.deepEqual(
    told.map(({ id, code }) => [id, code]),
    [
      ["1", undefined],
      ["2", undefined],
      ["3", "overloaded"],
    ],
  );
  wire.hang(false);
});

test("the end says what a close code would", async () => {
  for (const [status, body, expected] of /** @type {[number, Frame, Frame][]} */ ([
    [404, { type: "error", code: "not_found", message: "over", close: 4501 }, { code: 4501, why: "over" }],
    [
      404,
      { type: "error", code: "not_found", message: "no such session" },
      { code: undefined, why: "no such session" },
    ],
  ])) {
    const { told, next, until, welcome } = stage();
    await welcome();
    (await next("GET")).answer(status, body);
    await until(() => told.length === 1);
    assert.deepEqual([told[0].down.code, told[0].down.why], [expected.code, expected.why]);
  }
});

test("a hello that is refused tells why before the end", async () => {
  const { told, next, until, wire } = stage();
  await until(() => told.length === 1);
  wire.say({ type: "hello", id: "0" });
  (await next("POST")).answer(401, { type: "error", code: "unauthenticated", message: "no" });
  await until(() => told.length === 3);
  assert.deepEqual([told[1].code, told[1].id, told[2].down.spoke], ["unauthenticated", "0", true]);
});

test("an answer to the hello that is not the server's is no word of it", async () => {
  /** @type {[number, unknown][]} */
  const answers = [
    [502, "<html>"],
    [404, { close: 4500 }],
    [200, {}],
  ];
  for (const [status, body] of answers) {
    const { told, next, until, wire } = stage();
    await until(() => told.length === 1);
    wire.say({ type: "hello", id: "0" });
    (await next("POST")).answer(status, body);
    await until(() => told.length === 2);
    const { spoke, code, why } = told[1].down;
    assert.deepEqual([spoke, code, why], [false, undefined, `HTTP status ${status}`]);
  }
});

test("a command whose answer is lost ends the connection", async () => {
  const { told, next, until, welcome, wire } = stage();
  await welcome();
  wire.say({ type: "publish", id: "1" });
  (await next("POST")).lose();
  await until(() => told.length === 1);
  assert.ok("down" in told[0]);
});
