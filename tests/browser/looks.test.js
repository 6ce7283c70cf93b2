// The page for everyone: by keyboard alone, in the light and in the dark, on a phone, for who hears it read out.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { crowd } from "./support/chat.js";
import { excess, faults } from "./support/looks.js";
import { close, inside, open, picture, says } from "./support/page.js";
import { Server } from "./support/server.js";

after(close);

/** Answers that the page can be full of, whatever the server has. */
async function fill(page) {
  const long = "a-channel-with-a-name-of-sixty-four-characters-which-is-the-most";
  const channels = ["lobby", long, "@ann:bob"].map((channel, at) => ({
    channel,
    kind: "public",
    active: at < 2,
    head: 90_000 >> at,
    first: 1,
    members: 40,
    online: 12,
    rate: 12.5 / (at + 1),
    bytes: 1_234_567,
    retention: at === 0 ? { age_s: 86_400 * 30, count: 1000, bytes: 1e9 } : {},
  }));
  await page.route("**/v1/admin/channels?*", (route) => route.fulfill({ json: { channels, count: 3, more: false } }));
  await page.route("**/v1/admin/log", (route) => route.fulfill({ json: { filter: "info" } }));
  const config = { server: { bind: "127.0.0.1:8080", allowed_origins: [] }, jwt: { key: "(hidden)", algorithm: null } };
  await page.route("**/v1/admin/config", (route) => route.fulfill({ json: { config } }));
  await page.route("**/v1/admin/actors", async (route) => {
    const said = await (await route.fetch()).json();
    const more = { started: 9, stopped: { idle: 3 }, handled_by: { publish: 12, tick: 5 } };
    const slowest = [{ name: "lobby", message: "Publish", handle_ms: 12.5 }];
    const deepest = [{ name: long, depth: 4, oldest_ms: 12 }];
    const actors = said.actors.map((kind, at) => ({
      ...kind,
      ...more,
      slowest,
      deepest,
      panics: at,
      oldest_ms: at * 900,
    }));
    await route.fulfill({ json: { actors } });
  });
  await page.reload();
  await page.locator("#channels tbody tr").nth(2).waitFor();
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds no serious fault in the ${colorScheme}`, async (t) => {
    const server = await Server.start(t);
    const clients = await crowd(server.origin, 3);
    t.after(() => clients.forEach((client) => client.close()));
    const page = await open(t, server, { colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await faults(page), [], "at the login");
    await page.getByLabel("Operator token").fill(server.token);
    await page.keyboard.press("Enter");
    await page.locator("#sessions tbody tr").nth(2).waitFor();
    await fill(page);
    await page.getByRole("button", { name: "hub" }).click();
    await page.getByText("Configuration in force").click();
    assert.deepEqual(await faults(page), []);
    await picture(page, `full-${colorScheme}`);
    await page.getByRole("button", { name: "Delete lobby" }).click();
    assert.deepEqual(await faults(page), [], "in a dialog");
    await picture(page, `dialog-${colorScheme}`);
  });
}

test("no window, from a phone to a wide screen, is too narrow for the page", async (t) => {
  const server = await Server.start(t);
  const clients = await crowd(server.origin, 3);
  t.after(() => clients.forEach((client) => client.close()));
  const page = await open(t, server, { viewport: { width: 360, height: 740 } });
  assert.equal(await excess(page), 0, "at the login");
  await page.getByLabel("Operator token").fill(server.token);
  await page.keyboard.press("Enter");
  await page.locator("#sessions tbody tr").nth(2).waitFor();
  await fill(page);
  await page.getByRole("button", { name: "hub" }).click();
  await page.getByText("Configuration in force").click();
  for (const width of [360, 414, 640, 768, 900, 1020, 1021, 1280, 1920]) {
    await page.setViewportSize({ width, height: 740 });
    assert.equal(await excess(page), 0, `at ${width}`);
    const out = await page.evaluate(() =>
      [...document.querySelectorAll(".card")]
        .filter((card) => card.scrollWidth > card.clientWidth)
        .map((card) => card.id || card.parentElement.id),
    );
    assert.deepEqual(out, [], `at ${width}`);
    await picture(page, `width-${width}`);
  }
});

test("all of it can be done by the keyboard", async (t) => {
  const server = await Server.start(t);
  const clients = await crowd(server.origin, 3);
  t.after(() => clients.forEach((client) => client.close()));
  const page = await open(t, server);
  /** Presses Tab until what has the focus has this name. */
  const tabTo = async (name) => {
    for (let pressed = 0; pressed < 80; pressed += 1) {
      await page.keyboard.press("Tab");
      const [found, outlined] = await page.evaluate(() => {
        const at = document.activeElement;
        const said = at.getAttribute("aria-label") ?? at.closest("label")?.textContent ?? at.textContent;
        // Behind the last there is the window's own, and then the first again.
        return [at === document.body ? "" : said.trim(), at === document.body || at.matches(":focus-visible")];
      });
      assert.ok(outlined, `${found} shows that it has the focus`);
      if (found.startsWith(name)) {
        return;
      }
    }
    assert.fail(`no Tab leads to ${name}`);
  };
  await page.keyboard.type(server.token);
  await page.keyboard.press("Enter");
  await page.locator("#sessions tbody tr").nth(2).waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await tabTo("Skip to the content");
  await page.keyboard.press("Enter");
  await tabTo("Messages, seconds before now");
  await page.keyboard.press("ArrowLeft");
  await says(page.locator(".graph", { hasText: "Messages" }).locator(".when"), "10 s ago");
  await page.keyboard.press("Escape");
  await tabTo("hub");
  await page.keyboard.press("Enter");
  await page.getByText("Handled since the start").waitFor();
  await tabTo("User");
  const { user } = clients[1].welcome;
  await page.keyboard.type(user);
  await says(page.locator("#sessions .foot"), "1 in all");
  await tabTo(`End the session of ${user}`);
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  const back = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.ok(back.includes(user), "the focus is where it was");
  await page.keyboard.press("Enter");
  await dialog.waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await clients[1].closed, 4501);
});

test("rows hold still while somebody is among them", async (t) => {
  const server = await Server.start(t);
  const clients = await crowd(server.origin, 4);
  t.after(() => clients.forEach((client) => client.close()));
  const page = await inside(t, server);
  const rows = page.locator("#sessions tbody tr");
  await rows.nth(3).waitFor();
  const names = () => rows.locator("th").allTextContents();
  await rows.nth(1).locator("button").focus();
  const before = await names();
  clients[0].close();
  clients[1].close();
  const { length } = (clients.push(...(await crowd(server.origin, 4))), clients);
  await says(page.locator("#sessions .foot"), `${length - 2} in all`);
  assert.deepEqual(await names(), before);
  assert.equal(await page.locator("#sessions tbody tr.gone").count(), 2);
  await page.getByLabel("User").click();
  await rows.nth(5).waitFor();
  assert.equal(await page.locator("#sessions tbody tr.gone").count(), 0);
});
