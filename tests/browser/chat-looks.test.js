// The page for everyone: by keyboard alone, in the light and in the dark, on a phone, for who hears it read out; and
// quickly there.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Client } from "./support/chat.js";
import { below, excess, faults } from "./support/looks.js";
import { close, open, picture, says } from "./support/page.js";
import { Server } from "./support/server.js";
import { account, comeIn, door, guest, member, sees, write } from "./support/talk.js";

after(close);

/** A page with a conversation in it. */
async function lively(t, server, options) {
  await account(server, "bob");
  const cora = await Client.open(server.origin, "cora");
  t.after(() => cora.close());
  await cora.join("lobby");
  await cora.publish("lobby", "Good morning! Did **everyone** see the notes? https://example.org/notes/2026");
  await cora.publish("lobby", "They are short:\n> one step at a time\nand `cargo run` does the rest.");
  await cora.publish("lobby", "```\nfn main() {\n    println!(\"hello\");\n}\n```");
  const page = await member(t, server, "ann", options);
  await sees(page, "fn main");
  await write(page, "Yes, @cora – thank you. I read them on the train, and I like _most_ of it.");
  await write(page, "שלום לכולם, הכול בסדר");
  await sees(page, "שלום");
  await page.evaluate(() => (location.hash = "#@bob"));
  await says(page.locator("#title"), "bob");
  await write(page, "Are you coming tonight?");
  await sees(page, "tonight");
  await page.evaluate(() => (location.hash = "#lobby"));
  await sees(page, "fn main");
  await cora.publish("lobby", "Good. Then let us begin at ten.");
  await sees(page, "at ten");
  return page;
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds no serious fault in the ${colorScheme}`, async (t) => {
    const server = await Server.start(t);
    const entry = await door(t, server, { colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await faults(entry), [], "at the door");
    await picture(entry, `chat-door-${colorScheme}`);
    await entry.getByText("Sign up").click();
    await entry.getByLabel("Name").fill("a b!");
    await entry.getByLabel("Password").fill("x");
    await entry.keyboard.press("Enter");
    await says(entry.getByRole("alert"), "A name has letters");
    assert.deepEqual(await faults(entry), [], "with a fault");
    const page = await lively(t, server, { colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await faults(page), [], "in a channel");
    await picture(page, `chat-lobby-${colorScheme}`);
    await page.getByRole("button", { name: "Members" }).click();
    await page.locator(".person").nth(1).waitFor();
    await page.locator("#area").fill("@co");
    await page.getByRole("option").first().waitFor();
    assert.deepEqual(await faults(page), [], "with the members, and completing");
    await picture(page, `chat-full-${colorScheme}`);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+f");
    await page.keyboard.type("the");
    await page.getByRole("button", { name: "cora (guest" }).click();
    assert.deepEqual(await faults(page), [], "with a menu, and searching");
    await picture(page, `chat-menu-${colorScheme}`);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await page.getByRole("option").first().waitFor();
    assert.deepEqual(await faults(page), [], "going somewhere");
    await picture(page, `chat-go-${colorScheme}`);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Emoji" }).click();
    assert.deepEqual(await faults(page), [], "choosing an emoji");
    await picture(page, `chat-emoji-${colorScheme}`);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+/");
    assert.deepEqual(await faults(page), [], "with the keys");
    await picture(page, `chat-keys-${colorScheme}`);
  });
}

test("on a phone there is one thing at a time, and nothing is too wide", async (t) => {
  const server = await Server.start(t);
  const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
  const entry = await door(t, server, phone);
  assert.equal(await excess(entry), 0, "at the door");
  await picture(entry, "chat-phone-door");
  const page = await lively(t, server, phone);
  assert.equal(await page.locator("#places").isVisible(), false);
  assert.equal(await excess(page), 0);
  await picture(page, "chat-phone-talk");
  await page.getByRole("button", { name: "Members" }).click();
  await page.locator(".person").nth(1).waitFor();
  await picture(page, "chat-phone-members");
  await page.getByRole("button", { name: "Close the members" }).click();
  await page.getByRole("button", { name: "Back to the list" }).click();
  await page.getByRole("link", { name: "bob" }).waitFor();
  assert.equal(await page.locator("#talk").isVisible(), false);
  await picture(page, "chat-phone-list");
  await page.getByRole("link", { name: "bob" }).click();
  await sees(page, "tonight");
  for (const width of [320, 414, 640, 760, 761, 1000, 1081, 1440, 1920]) {
    await page.setViewportSize({ width, height: 740 });
    assert.equal(await excess(page), 0, `at ${width}`);
    await picture(page, `chat-width-${width}`);
  }
});

test("all of it can be done by the keyboard", async (t) => {
  const server = await Server.start(t);
  await account(server, "bob");
  const page = await door(t, server);
  const focused = () =>
    page.evaluate(({ activeElement: at } = document) => at.getAttribute("aria-label") ?? at.textContent.trim());
  /** Presses Tab until what has the focus has this name. */
  const tabTo = async (name) => {
    for (let pressed = 0; pressed < 40; pressed += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()).startsWith(name)) {
        return;
      }
    }
    assert.fail(`no Tab leads to ${name}`);
  };
  assert.equal(await page.evaluate(() => document.activeElement.id), "user", "the name is asked for at once");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Tab");
  await page.keyboard.type("ann");
  await page.keyboard.press("Tab");
  await page.keyboard.type("correct horse");
  await page.keyboard.press("Enter");
  await page.locator("#area").waitFor();
  await page.waitForFunction(() => document.activeElement.id === "area");
  await page.keyboard.type("first");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second");
  await page.keyboard.press("Enter");
  await sees(page, /first\nsecond/);
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.locator("#area").inputValue(), "first\nsecond");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.locator("#area").inputValue(), "");
  await page.keyboard.type("a draft :smil");
  await page.keyboard.press("Tab");
  assert.match(await page.locator("#area").inputValue(), /^a draft 😄 $/u);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("bob");
  await page.keyboard.press("Enter");
  await says(page.locator("#title"), "bob");
  await page.keyboard.type("hello");
  await page.keyboard.press("Enter");
  await sees(page, "hello");
  await page.keyboard.press("Alt+ArrowUp");
  await says(page.locator("#title"), "#lobby");
  assert.match(await page.locator("#area").inputValue(), /^a draft/, "the draft is there again");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("quiet-place");
  await page.keyboard.press("ArrowDown");
  await says(page.getByRole("option", { selected: true }), "Create #quiet-place");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await says(page.locator("#title"), "#quiet-place");
  await tabTo("Members");
  await page.keyboard.press("Enter");
  await tabTo("ann, here now");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Notes to yourself");
  await page.keyboard.press("Escape");
  assert.match(await focused(), /^ann, here now/);
  await tabTo("Skip to writing");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "area");
});

test("who comes in is kept in the browser only as long as was asked for, and leaves no trace", async (t) => {
  const server = await Server.start(t);
  const page = await door(t, server);
  const kept = () =>
    page.evaluate(() =>
      [sessionStorage, localStorage].map((all) => Object.keys(all).filter((name) => name.endsWith("session")).length),
    );
  await page.getByLabel("Stay signed in").uncheck();
  await comeIn(page, "ann");
  assert.deepEqual(await kept(), [1, 0]);
  await page.reload();
  await page.locator("#area").waitFor();
  await page.locator("#me").click();
  await page.getByRole("menuitem", { name: "Leave" }).click();
  await page.getByRole("button", { name: "Leave" }).click();
  await page.getByLabel("Name").waitFor();
  assert.deepEqual(await kept(), [0, 0]);
  await account(server, "dora");
  await page.getByText("Sign in", { exact: true }).click();
  await page.getByLabel("Name").fill("dora");
  await page.getByLabel("Password").fill("wrong horse");
  await page.keyboard.press("Enter");
  await says(page.getByRole("alert"), "wrong");
  await page.getByLabel("Password").fill("correct horse");
  await page.keyboard.press("Enter");
  await page.locator("#area").waitFor();
  assert.deepEqual(await kept(), [0, 1]);
  await page.locator("#me").click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByLabel("Name").waitFor();
  assert.deepEqual(await kept(), [0, 0]);
});

test("a token that has ended leads back to the door, with a word", async (t) => {
  const server = await Server.start(t);
  const page = await open(t, server, { path: "/healthz" });
  const session = JSON.stringify({ user: "ann", token: "void", guest: false, stays: true });
  await page.evaluate((session) => localStorage.setItem("parlor / session", session), session);
  await page.goto(`${server.origin}/#lobby`);
  await says(page.getByRole("alert"), "Sign in again");
});

test("the page works below a prefix, as behind a proxy or in a host", async (t) => {
  const server = await Server.start(t);
  const page = await open(t, server, { path: "/healthz" });
  const { prefix, strange } = await below(page, server);
  await page.goto(prefix);
  await comeIn(page, "ann");
  await write(page, "from below");
  await sees(page, "from below");
  assert.deepEqual(strange, []);
});

test("it is less than 100 kB on its way, there at once, and the second time not even that", async (t) => {
  const server = await Server.start(t);
  const page = await open(t, server, { path: "/healthz" });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  let bytes = 0;
  cdp.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  await page.goto(server.origin);
  await page.locator("#door").waitFor();
  await page.waitForLoadState("networkidle");
  const bodies = await page.evaluate(() =>
    performance.getEntries().reduce((sum, { encodedBodySize = 0 }) => sum + encodedBodySize, 0),
  );
  t.diagnostic(`${bodies} bytes of bodies, ${bytes} with heads`);
  assert.ok(bodies > 20_000 && bytes < 100_000, `${bytes} bytes`);
  const moves = await page.evaluate(
    () => new Promise((done) => new PerformanceObserver((list) => done(list.getEntries().map(({ value }) => value)))
      .observe({ type: "layout-shift", buffered: true }) ?? setTimeout(() => done([]), 200)),
  );
  assert.deepEqual(moves, [], "nothing jumps while it comes");
  bytes = 0;
  await page.reload();
  await page.locator("#door").waitFor();
  assert.ok(bytes < 1000, `${bytes} bytes the second time`);
});

test("where guests are not let in the door says so", async (t) => {
  const server = await Server.start(t, { "auth.guests": "false", "auth.registration": "invite" });
  const page = await door(t, server);
  await page.getByLabel("Name").fill("ann");
  await page.keyboard.press("Enter");
  await says(page.getByRole("alert"), "Guests are not let in");
  await page.getByText("Sign up", { exact: true }).click();
  await page.getByLabel("Password").fill("correct horse");
  await page.keyboard.press("Enter");
  await says(page.getByRole("alert"), "invitation");
  await page.getByLabel("Invitation code").waitFor();
});
