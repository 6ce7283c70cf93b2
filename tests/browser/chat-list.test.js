// Long channels: what is in the document stays small, and the reader's place is kept.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Client } from "./support/chat.js";
import { close, open, says } from "./support/page.js";
import { Server } from "./support/server.js";
import { comeIn, door, guest, messages, sees } from "./support/talk.js";

after(close);

/** Fills the lobby with so many messages, of one line and of several. */
async function fill(t, server, count) {
  const client = await Client.open(server.origin, "writer");
  t.after(() => client.close());
  await client.join("lobby");
  const lane = async (from) => {
    for (let n = from; n <= count; n += 50) {
      await client.publish("lobby", n % 7 === 0 ? `number ${n}\nwith a second line\nand a third` : `number ${n}`);
    }
  };
  await Promise.all(Array.from({ length: 50 }, (_, at) => lane(at + 1)));
  return client;
}

/** The first message in sight, and where it is. */
const inSight = (page) =>
  page.evaluate(() => {
    const top = document.getElementById("scroller").getBoundingClientRect().top;
    const rows = [...document.querySelectorAll("#scroller .row")];
    const row = rows.find((row) => row.getBoundingClientRect().bottom > top + 1);
    return { key: row.dataset.key, y: Math.round(row.getBoundingClientRect().top - top) };
  });

const settled = (page) =>
  page.evaluate(async () => {
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  });

test("ten thousand messages are scrolled through, a page at a time, and no place is lost", async (t) => {
  const server = await Server.start(t, { "store.durability": "interval" });
  const writer = await fill(t, server, 10_000);
  const page = await guest(t, server, "ann");
  await sees(page, "number 10000");
  let loaded = 0;
  const scroller = page.locator("#scroller");
  await scroller.focus();
  for (let turn = 0; turn < 200; turn += 1) {
    const before = await inSight(page);
    await page.evaluate(() => (document.getElementById("scroller").scrollTop -= 2500));
    await settled(page);
    const [rows, height] = await page.evaluate(() => [
      document.querySelectorAll("#scroller li").length,
      document.querySelector(".tall").offsetHeight,
    ]);
    assert.ok(rows < 160, `${rows} rows are in the document`);
    loaded = Math.max(loaded, height);
    if ((await page.locator(".begin h2").count()) === 1 || before.key === "begin") {
      break;
    }
  }
  await says(page.locator("#scroller .row").first(), /number \d/);
  assert.ok(loaded > 200_000, `${loaded} pixels high`);
  // Somewhere in the middle nothing moves while others talk.
  await page.evaluate(() => (document.getElementById("scroller").scrollTop = 120_000));
  await settled(page);
  await settled(page);
  const here = await inSight(page);
  for (let n = 1; n <= 5; n += 1) {
    await writer.publish("lobby", `late ${n}`);
  }
  const button = page.locator("#to-end");
  await says(button, "5 new");
  assert.deepEqual(await inSight(page), here);
  await button.click();
  await sees(page, "late 5");
});

test("a page of older ones is put in front without a jump", async (t) => {
  const server = await Server.start(t, { "store.durability": "interval" });
  await fill(t, server, 400);
  const page = await open(t, server, { path: "/healthz" });
  // Pages of history come when the test lets them, after the first.
  const held = [];
  let isHeld = false;
  await page.routeWebSocket("**/v1/ws", (socket) => {
    const up = socket.connectToServer();
    socket.onMessage((text) => up.send(text));
    up.onMessage((text) => {
      const isPage = isHeld && JSON.parse(text).type === "history";
      isPage ? held.push(() => socket.send(text)) : socket.send(text);
    });
  });
  await page.goto(server.origin);
  await comeIn(page, "ann");
  await sees(page, "number 400");
  isHeld = true;
  const height = () => page.evaluate(() => document.querySelector(".tall").offsetHeight);
  for (let turn = 0; turn < 3; turn += 1) {
    await page.evaluate(() => (document.getElementById("scroller").scrollTop = 300));
    while (held.length === 0) {
      await settled(page);
    }
    await settled(page);
    const [before, low] = [await inSight(page), await height()];
    held.pop()();
    while ((await height()) < low + 1000) {
      await settled(page);
    }
    await settled(page);
    const after = await inSight(page);
    assert.equal(after.key, before.key);
    assert.ok(Math.abs(after.y - before.y) <= 1, `${before.y} became ${after.y}`);
  }
  // The width changes, and the reader stays at the same message.
  await page.evaluate(() => (document.getElementById("scroller").scrollTop = 4000));
  await settled(page);
  const here = await inSight(page);
  await page.setViewportSize({ width: 900, height: 700 });
  await settled(page);
  await settled(page);
  assert.equal((await inSight(page)).key, here.key);
});

test("a list of a hundred thousand has in the document what is in sight, wherever it is scrolled to", async (t) => {
  const server = await Server.start(t);
  const page = await door(t, server);
  const found = await page.evaluate(async () => {
    const main = document.querySelector("script[type=module]").src;
    const { List } = await import(new URL("list.js", main).href);
    const scroller = Object.assign(document.createElement("div"), { className: "scroller" });
    const tall = document.createElement("div");
    scroller.append(tall);
    tall.append(document.createElement("ol"));
    tall.className = "tall";
    tall.firstChild.className = "rows";
    document.body.replaceChildren(scroller);
    const items = Array.from({ length: 100_000 }, (_, n) => n);
    let most = 0;
    const list = new List(scroller, {
      key: (n) => `n${n}`,
      sign: () => "",
      draw: (index, row) => {
        row.textContent = `number ${items[index]}`;
        row.style.height = `${30 + (items[index] % 11) * 7}px`;
      },
      guess: () => 40,
      moved: () => (most = Math.max(most, document.querySelectorAll("li").length)),
    });
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const began = performance.now();
    list.reset(items);
    const reset = performance.now() - began;
    await frame();
    const atEnd = list.isAtEnd;
    let work = 0;
    for (let step = 0; step < 60; step += 1) {
      const far = (scroller.scrollHeight * ((step * 37) % 100)) / 100;
      scroller.scrollTop = step % 3 === 0 ? far : scroller.scrollTop - 700;
      await frame();
      await frame();
      const [first, last] = list.seen;
      const box = scroller.getBoundingClientRect();
      for (const index of [first, Math.floor((first + last) / 2)]) {
        const row = list.element(`n${items[index]}`);
        const at = row?.getBoundingClientRect();
        if (at === undefined || at.bottom < box.top - 2 || at.top > box.bottom + 2) {
          throw new Error(`row ${index} is not where it is thought to be, at step ${step}`);
        }
      }
      const from = performance.now();
      items.push(items.length);
      list.spliced(items.length - 1, 0, 1);
      work = Math.max(work, performance.now() - from);
    }
    const place = list.seen[0];
    const key = items[place];
    items.unshift(...Array.from({ length: 100 }, (_, n) => -1 - n));
    list.spliced(0, 0, 100);
    await frame();
    return { reset, atEnd, most, work, kept: items[list.seen[0]] === key };
  });
  assert.equal(found.atEnd, true);
  assert.ok(found.most < 120, `${found.most} rows are in the document`);
  assert.equal(found.kept, true);
  t.diagnostic(JSON.stringify(found));
});

test("what is searched for is found in what is loaded, and further back", async (t) => {
  const server = await Server.start(t, { "store.durability": "interval" });
  await fill(t, server, 600);
  const page = await guest(t, server, "ann");
  await sees(page, "number 600");
  await page.keyboard.press("Control+f");
  await page.keyboard.type("number 59");
  await says(page.locator("#search-said"), "1 of 10");
  await says(page.locator(".found mark"), "number 59");
  await page.keyboard.press("Enter");
  await says(page.locator("#search-said"), "2 of 10");
  await page.getByLabel("Search what is loaded").fill("number 17");
  await says(page.locator("#search-said"), "Nothing in");
  await page.getByRole("button", { name: "Look further back" }).click();
  await says(page.locator("#search-said"), /1 of \d+/);
  await says(page.locator(".found .words"), "number 17");
  await page.keyboard.press("Escape");
  await page.locator("mark").first().waitFor({ state: "detached" });
  assert.ok((await messages(page).count()) > 0);
});

test("what is searched for is marked behind letters that become two when they are small", async (t) => {
  const server = await Server.start(t);
  const page = await guest(t, server, "ann");
  await page.locator("#area").fill("İİİİ, and find");
  await page.keyboard.press("Enter");
  await sees(page, "and find");
  await page.keyboard.press("Control+f");
  await page.keyboard.type("find");
  await says(page.locator("#search-said"), "1 of 1");
  assert.deepEqual(await page.locator(".found mark").allTextContents(), ["find"]);
});
