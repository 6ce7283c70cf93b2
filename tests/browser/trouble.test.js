// The page when something is wrong: a server that is not there, one that is slow, and one with many sessions.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { crowd } from "./support/chat.js";
import { close, figure, inside, picture, says } from "./support/page.js";
import { Server } from "./support/server.js";

after(close);

test("a server that is killed is said not to answer, and when it is back the page goes on", async (t) => {
  const server = await Server.start(t);
  const page = await inside(t, server);
  await says(page.locator("#state"), "Ready");
  await server.kill();
  await says(page.locator("#state"), /No answer for [1-9]\d* s/);
  await says(page.locator("#health-title"), "No answer");
  assert.match(await page.title(), /^No answer/);
  await picture(page, "no-answer");
  await server.restart();
  await says(page.locator("#state"), "Ready");
  await says(page.locator("#findings"), "It started");
  await says(figure(page, "Sessions"), "0");
  assert.equal(await page.title(), "Parlor – operators");
});

test("an answer in the server's place is no answer", async (t) => {
  const server = await Server.start(t);
  const page = await inside(t, server);
  await page.route("**/readyz", (route) => route.fulfill({ status: 502, body: "<h1>Bad Gateway</h1>" }));
  await says(page.locator("#state"), "No answer");
  await page.unroute("**/readyz");
  await says(page.locator("#state"), "Ready");
});

test("what stands in the way of clients comes first", async (t) => {
  const server = await Server.start(t);
  const page = await inside(t, server);
  const why = [
    { what: "store", why: "too little free space" },
    { what: "actor", why: "presence" },
    { what: "draining" },
  ];
  await page.route("**/readyz", (route) => route.fulfill({ status: 503, json: { status: "unready", why } }));
  await says(page.locator("#state"), "Not ready");
  await says(page.locator("#findings li").first(), "too little free space");
  await says(page.locator("#findings li").nth(1), "presence");
  await says(page.locator("#findings li").nth(2), "stopping");
  await picture(page, "not-ready");
});

test("requests never pile up where answers are slow, and stop while nobody looks", async (t) => {
  const server = await Server.start(t);
  const page = await inside(t, server);
  let [under, most, asked] = [0, 0, 0];
  const held = [];
  await page.route("**/v1/admin/sessions?*", async (route) => {
    [under, most] = [under + 1, Math.max(most, under + 1)];
    await new Promise((done) => held.push(done));
    under -= 1;
    await route.continue();
  });
  await page.route("**/readyz", (route) => {
    asked += 1;
    return route.continue();
  });
  const rounds = async (more) => {
    const wanted = asked + more;
    while (asked < wanted) {
      await page.waitForRequest("**/readyz");
    }
  };
  await rounds(3);
  assert.equal(most, 1, "one that has no answer yet is not asked again");
  held.forEach((done) => done());
  const hide = (hidden) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await hide(true);
  const late = await page.waitForRequest("**/readyz", { timeout: 5000 }).then(
    () => true,
    () => false,
  );
  assert.equal(late, false, "nobody looks");
  await hide(false);
  await rounds(1);
});

test("with a thousand sessions the page stays quick", async (t) => {
  const server = await Server.start(t);
  const page = await inside(t, server);
  const clients = await crowd(server.origin, 1000);
  t.after(() => clients.forEach((client) => client.close()));
  await says(figure(page, "Sessions"), "1,000");
  await says(page.locator("#sessions .foot"), "50 of 1,000");
  await page.evaluate(() => {
    globalThis.long = [];
    new PerformanceObserver((list) =>
      globalThis.long.push(...list.getEntries().map((entry) => entry.duration)),
    ).observe({ type: "longtask" });
  });
  await page.getByRole("button", { name: "Show 50" }).click();
  for (let rounds = 0; rounds < 3; rounds += 1) {
    await page.waitForResponse("**/v1/admin/sessions?*");
  }
  await picture(page, "thousand");
  const long = await page.evaluate(() => globalThis.long);
  // A task of a second would be felt; on a busy machine some are longer than the fiftieth of one that counts as long.
  assert.ok(Math.max(0, ...long) < 1000, `tasks of ${long} ms`);
  const { user } = clients[500].welcome;
  await page.getByLabel("User").fill(user);
  await says(page.locator("#sessions .foot"), "1 in all");
});
