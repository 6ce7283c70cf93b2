// People who talk: what one says the others see, whatever becomes of the line and of the server.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Client } from "./support/chat.js";
import { close, open, picture, says } from "./support/page.js";
import { Server } from "./support/server.js";
import { comeIn, guest, member, messages, sees, write } from "./support/talk.js";

after(close);

/** The texts of a page's messages, in order. */
const texts = (page) => messages(page).locator(".words").allTextContents();

test("two who are in the lobby talk, see each other type, and see what was read", async (t) => {
  const server = await Server.start(t);
  const ann = await guest(t, server, "ann");
  const bob = await guest(t, server, "bob");
  await write(ann, "good morning");
  await sees(bob, "good morning");
  await bob.locator("#area").pressSequentially("and to you");
  await says(ann.locator("#typing"), "bob");
  await bob.keyboard.press("Enter");
  await sees(ann, "and to you");
  await says(ann.locator("#typing"), /^$/);
  assert.deepEqual(await texts(ann), ["good morning", "and to you"]);
  assert.deepEqual(await texts(bob), ["good morning", "and to you"]);
  await says(ann.locator("#about"), "2 here");
  await picture(ann, "chat-two");
});

test("somebody who is elsewhere finds what is unread marked, by channel and by person", async (t) => {
  const server = await Server.start(t);
  const ann = await member(t, server, "ann");
  const bob = await member(t, server, "bob");
  await write(ann, "are you there?");
  await sees(bob, "are you there?");
  await ann.goto(`${server.origin}/#@bob`);
  await write(ann, "a word between us");
  const link = bob.getByRole("link", { name: "ann, online, 1 unread" });
  await link.waitFor();
  await bob.waitForFunction(() => document.title.startsWith("(1) "));
  await write(ann, "another one");
  await bob.getByRole("link", { name: "ann, online, 2 unread" }).click();
  await sees(bob, "another one");
  await bob.getByRole("link", { name: "ann, online", exact: true }).waitFor();
  assert.equal(await bob.locator("#scroller .new").count(), 1);
  await bob.waitForFunction(() => document.title === "ann – Parlor");
  await ann.locator(".readers").waitFor();
  await bob.goto(`${server.origin}/healthz`);
  await write(ann, "while you were away");
  await sees(ann, "while you were away");
  await bob.goto(`${server.origin}/#@ann`);
  await sees(bob, "while you were away");
  await says(bob.locator(".row", { has: bob.locator(".new") }), "while you were away");
  await picture(bob, "chat-direct");
});

test("where WebSocket is blocked all goes on by long-poll, and the page says so", async (t) => {
  const server = await Server.start(t);
  const ann = await guest(t, server, "ann");
  const bob = await open(t, server, { path: "/healthz" });
  await bob.routeWebSocket("**/v1/ws", (socket) => socket.close());
  await bob.goto(server.origin);
  await comeIn(bob, "bob");
  await says(bob.locator("#line"), "Online by long-poll");
  await write(ann, "slow, but sure");
  await sees(bob, "slow, but sure");
  await write(bob, "indeed");
  await sees(ann, "indeed");
  await picture(bob, "chat-longpoll");
});

test("what is written while the server is killed waits, and is there once when it is back", async (t) => {
  const server = await Server.start(t);
  const ann = await guest(t, server, "ann");
  const bob = await guest(t, server, "bob");
  await write(ann, "before");
  await sees(bob, "before");
  await server.kill();
  await ann.locator('#line:not([data-level="good"])').waitFor();
  await write(ann, "one");
  await write(ann, "two");
  await write(bob, "three");
  await says(ann.locator("#line"), "2 messages wait");
  assert.equal(await ann.locator("#scroller .waits").count(), 2);
  await picture(ann, "chat-offline");
  await server.restart();
  await ann.locator("#line").click();
  await bob.locator("#line").click();
  for (const page of [ann, bob]) {
    for (const text of ["one", "two", "three"]) {
      await sees(page, text);
    }
    await page.locator('#line[data-level="good"]').waitFor();
    await says(page.locator("#about"), /[12] here/);
  }
  const [hers, his] = [await texts(ann), await texts(bob)];
  assert.deepEqual(hers, his, "both see the same");
  assert.deepEqual([...hers].sort(), ["before", "one", "three", "two"], "nothing is lost, and nothing doubled");
  assert.ok(hers.indexOf("one") < hers.indexOf("two"), "in the order in which she wrote");
});

test("a reload with messages that wait loses none", async (t) => {
  const server = await Server.start(t);
  const ann = await guest(t, server, "ann");
  await write(ann, "before");
  await sees(ann, "before");
  await server.kill();
  await write(ann, "kept over a reload");
  await ann.locator("#scroller .waits").waitFor();
  await ann.evaluate(() => dispatchEvent(new Event("pagehide")));
  await ann.close();
  await server.restart();
  const again = await ann.context().newPage();
  await again.goto(`${server.origin}/#lobby`);
  await sees(again, "kept over a reload");
  assert.deepEqual(await texts(again), ["before", "kept over a reload"]);
});

test("an owner mutes, unmutes and puts out, and each sees at once what it may do", async (t) => {
  const server = await Server.start(t);
  const dora = await member(t, server, "dora");
  const emil = await member(t, server, "emil");
  await dora.evaluate(() => (location.hash = ""));
  await dora.getByRole("button", { name: "Join or create a channel" }).click();
  await dora.keyboard.type("room");
  await says(dora.getByRole("option"), "Create #room");
  await dora.keyboard.press("Enter");
  await dora.getByLabel("What it is about").fill("Where we meet");
  await dora.getByRole("button", { name: "Create", exact: true }).click();
  await says(dora.locator("#title"), "#room");
  await emil.goto(`${server.origin}/#room`);
  await emil.getByRole("button", { name: "Join", exact: true }).click();
  await emil.locator("#area").waitFor();
  await dora.getByRole("button", { name: "Members" }).click();
  await dora.getByRole("button", { name: "emil, here now" }).click();
  await picture(dora, "chat-members");
  await dora.getByRole("menuitem", { name: "Mute" }).click();
  await emil.locator("#area").waitFor({ state: "hidden" });
  await dora.getByRole("button", { name: "emil, here now, Muted" }).click();
  await dora.getByRole("menuitem", { name: "Unmute" }).click();
  await emil.locator("#area").waitFor();
  await dora.getByRole("button", { name: "emil, here now" }).click();
  await dora.getByRole("menuitem", { name: "Remove from the channel" }).click();
  await dora.getByRole("button", { name: "Remove", exact: true }).click();
  await says(emil.locator("#scroller .fault"), "removed");
  await emil.getByRole("button", { name: "Join", exact: true }).click();
  await write(emil, "back again");
  await sees(dora, "back again");
});

test("a message that is refused says why, and is sent when it is tried again", async (t) => {
  const server = await Server.start(t);
  const page = await open(t, server, { path: "/healthz" });
  let refusals = 0;
  await page.routeWebSocket("**/v1/ws", (socket) => {
    const up = socket.connectToServer();
    socket.onMessage((text) => {
      const frame = JSON.parse(text);
      if (frame.type === "publish" && refusals < 2) {
        refusals += 1;
        const error = { type: "error", id: frame.id, code: "forbidden", message: "not now" };
        socket.send(JSON.stringify(error));
      } else {
        up.send(text);
      }
    });
  });
  await page.goto(server.origin);
  await comeIn(page, "ann");
  await write(page, "thrown away");
  await says(page.locator(".failed .fate"), "Not sent. You may not do that here.");
  await page.getByRole("button", { name: "Discard" }).click();
  await page.locator(".failed").waitFor({ state: "detached" });
  await write(page, "may I?");
  await says(page.locator(".failed"), "may I?");
  await picture(page, "chat-refused");
  await page.getByRole("button", { name: "Try again" }).click();
  await sees(page, "may I?");
  assert.deepEqual(await texts(page), ["may I?"]);
});

test("who looks elsewhere is notified of what is for them, where they want that", async (t) => {
  const server = await Server.start(t);
  const page = await open(t, server, { path: "/healthz" });
  await page.addInitScript(() => {
    window.shown = [];
    window.Notification = class extends EventTarget {
      static permission = "default";
      static async requestPermission() {
        return (this.permission = "granted");
      }
      constructor(title, { body }) {
        super();
        window.shown.push(`${title}: ${body}`);
      }
      close() {}
    };
  });
  await page.goto(server.origin);
  await comeIn(page, "ann");
  await page.locator("#me").click();
  await page.getByRole("menuitemcheckbox", { name: "Notifications" }).click();
  const bob = await Client.open(server.origin, "bob");
  t.after(() => bob.close());
  await bob.join("lobby");
  const user = await page.evaluate(() => JSON.parse(localStorage.getItem("parlor / session")).user);
  await bob.publish("lobby", `@${user}, seen and not notified`);
  await sees(page, "seen and not notified");
  await page.evaluate(() => (document.hasFocus = () => false));
  await bob.publish("lobby", "for nobody");
  await bob.publish("lobby", `@${user}: are you there?`);
  await page.waitForFunction(() => window.shown.length > 0);
  assert.match((await page.evaluate(() => window.shown)).join(), /^bob \(guest .....\) in #lobby: @.*are you there\?$/);
  await page.waitForFunction(() => document.title.startsWith("(2) "));
});

test("one who is invited to a private channel is told, and joins", async (t) => {
  const server = await Server.start(t);
  const dora = await member(t, server, "dora");
  const emil = await member(t, server, "emil");
  await dora.getByRole("button", { name: "Join or create a channel" }).click();
  await dora.keyboard.type("ours");
  await dora.keyboard.press("Enter");
  await dora.getByLabel("Private").check();
  await dora.getByRole("button", { name: "Create", exact: true }).click();
  await says(dora.locator("#title"), "#ours");
  await dora.getByRole("button", { name: "Members" }).click();
  await dora.getByRole("button", { name: "Invite somebody" }).click();
  await dora.getByLabel("Name of the account").fill("emil");
  await dora.keyboard.press("Enter");
  await emil.getByRole("link", { name: "ours, you are invited" }).click();
  await emil.getByRole("button", { name: "Join", exact: true }).click();
  await write(emil, "thank you");
  await sees(dora, "thank you");
});

test("nothing that anybody says or is called is markup", async (t) => {
  const server = await Server.start(t);
  const page = await guest(t, server, "ann");
  const mallory = await Client.open(server.origin, "mallory");
  t.after(() => mallory.close());
  await mallory.join("lobby");
  const hostile = [
    '<img src=x onerror="alert(1)"><script>alert(2)</script>',
    "<svg onload=alert(3)> <a href='javascript:alert(4)'>x</a>",
    "javascript:alert(5) data:text/html,<script>alert(6)</script> vbscript:x",
    "https://good.example@evil.example/ https://ex\u202eample.org/moc.elgoog",
    "[click](javascript:alert(7)) https://ok.example/\"onmouseover=\"alert(8)",
    "\u202eevil\u202c **<b>bold</b>** `<i>code</i>` ```\n<script>alert(9)</script>\n``` > <u>x</u>",
    "\u05e9\u05dc\u05d5\u05dd, this is right to left",
    "a".repeat(3000),
    "very\n".repeat(200),
  ];
  for (const text of hostile) {
    await mallory.publish("lobby", text);
  }
  const body = { text: { toString: "<b>x</b>" }, html: "<img src=x>" };
  await mallory.ask({ type: "publish", channel: "lobby", body });
  await mallory.publish("lobby", "the end");
  await sees(page, "the end");
  // What no server of today lets through, an answer may hold all the same.
  await page.getByRole("button", { name: "Members" }).click();
  await page.locator(".person").first().waitFor();
  await picture(page, "chat-hostile");
  assert.equal(await page.locator("#app :is(img[src=x], script, svg[onload], b, i, u)").count(), 0);
  await page.evaluate(() => (document.getElementById("scroller").scrollTop = 0));
  await sees(page, "good.example");
  await picture(page, "chat-hostile-top");
  const links = await page
    .locator(".words a")
    .evaluateAll((all) => all.map(({ text, href, rel, target }) => ({ text, href, rel, target })));
  const link = { rel: "noopener noreferrer", target: "_blank" };
  assert.deepEqual(links, [
    { text: "https://ok.example/", href: "https://ok.example/", ...link },
  ]);
});

test("names that are markup, and channels too, are text", async (t) => {
  const server = await Server.start(t);
  const page = await guest(t, server, "ann");
  const bad = '"><img src=x onerror=alert(1)>\u202ename';
  const channels = [{ channel: bad, title: bad, online: 1 }];
  await page.route("**/v1/channels?*", (route) => route.fulfill({ json: { channels, more: false } }));
  await page.keyboard.press("Control+k");
  await says(page.getByRole("option"), "<img");
  await page.keyboard.press("Escape");
  await page.routeWebSocket("**/v1/ws", (socket) => {
    const up = socket.connectToServer();
    up.onMessage((text) => socket.send(text));
    socket.onMessage((text) => {
      up.send(text);
      if (text.includes('"join"')) {
        const said = { type: "message", channel: "lobby", seq: 1, from: bad, body: { text: "hi" } };
        setTimeout(() => socket.send(JSON.stringify({ ...said, at: new Date().toISOString() })), 50);
      }
    });
  });
  await page.reload();
  await sees(page, "hi");
  await says(page.locator(".from"), "<img");
  assert.equal(await page.locator("img[src=x]").count(), 0);
});
