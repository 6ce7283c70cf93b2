// Who is let in to the operator page, and how it is served.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Client } from "./support/chat.js";
import { below } from "./support/looks.js";
import { close, figure, inside, open, picture, says, signIn } from "./support/page.js";
import { Server } from "./support/server.js";

after(close);

test("an operator's token opens the page, is kept in the tab alone, and is gone with the sign-out", async (t) => {
  const server = await Server.start(t);
  const page = await open(t, server);
  await picture(page, "login");
  await signIn(page, server.token);
  await says(page.locator("#state"), "Ready");
  await says(figure(page, "Sessions"), "0");
  const kept = await page.evaluate(() => [Object.values(sessionStorage), { ...localStorage }, document.cookie]);
  assert.deepEqual(kept, [[server.token], {}, ""]);
  await page.reload();
  await says(page.locator("#state"), "Ready");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Operator token").waitFor();
  assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage)), []);
  await page.reload();
  await page.getByLabel("Operator token").waitFor();
});

test("a wrong token and one that is not an operator's are told apart", async (t) => {
  const server = await Server.start(t);
  const ann = await Client.open(server.origin, "ann");
  t.after(() => ann.close());
  const page = await open(t, server);
  for (const [token, words] of [
    ["no-token-at-all", "not known"],
    ["tökén", "not known"],
    [ann.welcome.token, "not an operator's"],
  ]) {
    await signIn(page, token);
    await says(page.getByRole("alert"), words);
    assert.equal(await page.locator("#page").isVisible(), false);
  }
  assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage)), []);
  await signIn(page, server.token);
  await says(page.locator("#state"), "Ready");
});

test("an operator whose token ends is asked for another", async (t) => {
  const server = await Server.start(t);
  const page = await inside(t, server);
  await page.evaluate(() => sessionStorage.setItem("parlor operator token", "void"));
  await page.reload();
  await says(page.getByRole("alert"), "not known");
  assert.equal(await page.locator("#page").isVisible(), false);
});

test("the page works below a prefix, as behind a proxy", async (t) => {
  const server = await Server.start(t);
  const page = await open(t, server, { path: "/healthz" });
  const { prefix, strange } = await below(page, server);
  await page.goto(`${prefix}admin`);
  await signIn(page, server.token);
  await says(page.locator("#state"), "Ready");
  assert.deepEqual(strange, []);
});
