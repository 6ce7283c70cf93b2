// What operators see and do: figures, graphs and tables while clients act; search, and an end to a session.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Client, crowd } from "./support/chat.js";
import { close, figure, inside, picture, says } from "./support/page.js";
import { Server } from "./support/server.js";

after(close);

const rows = (page, id) => page.locator(`#${id} tbody tr`);

test("figures, graphs and tables fill while clients talk", async (t) => {
  const server = await Server.start(t);
  const page = await inside(t, server);
  const clients = await crowd(server.origin, 12);
  t.after(() => clients.forEach((client) => client.close()));
  await Promise.all(clients.map((client) => client.join("lobby")));
  await says(figure(page, "Sessions"), /^12$/);
  let talks = true;
  const talk = (async () => {
    while (talks) {
      await Promise.all(clients.slice(0, 4).map((client) => client.publish("lobby", "hello")));
    }
  })();
  await says(figure(page, "Messages a second"), /[1-9]/);
  await says(figure(page, "Deliveries a second"), /[1-9]/);
  await says(figure(page, "Receipts, 99 %"), /[1-9].* (ms|µs|s)/);
  for (const title of ["Sessions", "Messages", "Deliveries", "Receipts", "Handling", "Mailboxes", "Memory"]) {
    const graph = page.locator(".graph", { has: page.getByRole("heading", { name: new RegExp(`^${title}`) }) });
    await graph.locator('path.line[d*="L"]').first().waitFor({ state: "attached" });
    await says(graph.locator(".legend b"), /\d/);
  }
  await says(rows(page, "actors").filter({ hasText: "session" }), "12");
  assert.equal(await rows(page, "sessions").count(), 10);
  await page.getByRole("button", { name: "Show 12" }).click();
  assert.equal(await rows(page, "sessions").count(), 12);
  await picture(page, "talking-light");
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, "talking-dark");
  talks = false;
  await talk;
});

test("a session is found by its user, and ends when that is confirmed", async (t) => {
  const server = await Server.start(t);
  const clients = await crowd(server.origin, 5);
  t.after(() => clients.forEach((client) => client.close()));
  const page = await inside(t, server);
  await rows(page, "sessions").nth(4).waitFor();
  const { user } = clients[3].welcome;
  await page.getByLabel("User").fill(user);
  await says(page.locator("#sessions .foot"), "1 in all");
  await page.mouse.move(0, 0);
  await page.getByRole("button", { name: `End the session of ${user}` }).click();
  const asked = page.getByRole("dialog");
  await says(asked, user);
  await asked.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await page.getByRole("dialog").count(), 0);
  await page.getByRole("button", { name: `End the session of ${user}` }).click();
  await asked.getByRole("button", { name: "End the session" }).click();
  assert.equal(await clients[3].closed, 4501);
  await says(page.locator("#said"), "has ended");
  await page.mouse.move(0, 0);
  await page.getByLabel("User").focus();
  await says(page.locator("#sessions .foot"), "No sessions");
  await page.getByRole("search", { name: "Sessions" }).getByRole("button", { name: "Clear" }).click();
  await says(page.locator("#sessions .foot"), "4 in all");
});

test("nothing that a client says of itself is markup", async (t) => {
  const server = await Server.start(t);
  const hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
  const ann = await Client.open(server.origin, "ann", { client: hostile });
  t.after(() => ann.close());
  const page = await inside(t, server);
  // What no server of today lets through, an answer may hold all the same.
  const odd = `"'><svg onload=alert(3)>`;
  await page.route("**/v1/admin/sessions?*", async (route) => {
    const answer = await route.fetch();
    const said = await answer.json();
    const named = said.sessions.map((row) => ({ ...row, user: hostile, address: odd, transport: hostile }));
    await route.fulfill({ json: { ...said, sessions: named } });
  });
  await page.route("**/v1/admin/channels?*", (route) =>
    route.fulfill({
      json: {
        channels: [
          {
            channel: hostile,
            kind: odd,
            active: true,
            head: 3,
            first: 1,
            members: 1,
            online: 1,
            rate: 1,
            bytes: 9,
            retention: {},
          },
        ],
        count: 1,
        more: false,
      },
    }),
  );
  await page.reload();
  const row = rows(page, "sessions").first();
  await says(row, hostile);
  await says(row, odd);
  await says(rows(page, "channels").first(), hostile);
  await page.getByRole("button", { name: "End the session of" }).click();
  await says(page.getByRole("dialog"), hostile);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("img[src=x], main svg[onload], main script").count(), 0);
});

test("channels are put to sleep, bounded, and deleted by their typed names; the log's filter is set", async (t) => {
  const server = await Server.start(t);
  const page = await inside(t, server);
  const said = [];
  await page.route("**/v1/admin/channels**", (route) => {
    const request = route.request();
    if (request.method() === "GET") {
      const row = { kind: "public", active: true, head: 40, first: 11, members: 2, online: 1, rate: 0.5, bytes: 4000 };
      const retention = { age_s: 3600, count: null, bytes: null };
      return route.fulfill({ json: { channels: [{ channel: "lobby", ...row, retention }], count: 1, more: false } });
    }
    said.push([request.method(), new URL(request.url()).pathname, request.postDataJSON()]);
    return route.fulfill({ status: 204 });
  });
  await page.route("**/v1/admin/log", (route) => {
    const wanted = route.request().postDataJSON();
    const good = wanted === null || wanted.filter.startsWith("info");
    const frame = { type: "error", code: "bad_frame", message: "no such level: loud" };
    return good ? route.fulfill({ json: wanted ?? { filter: "info" } }) : route.fulfill({ status: 400, json: frame });
  });
  await page.reload();
  const row = rows(page, "channels").first();
  for (const words of ["lobby", "30", "60 min", "4 kB"]) {
    await says(row, words);
  }
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Put to sleep: lobby" }).click();
  await dialog.getByRole("button", { name: "Put it to sleep" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Set how much is kept of lobby" }).click();
  await dialog.getByLabel("Messages").fill("1000");
  await dialog.getByRole("button", { name: "Set it" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Delete lobby" }).click();
  const go = dialog.getByRole("button", { name: "Delete it" });
  await dialog.getByRole("textbox").fill("lobb");
  assert.equal(await go.isDisabled(), true);
  await dialog.getByRole("textbox").fill("lobby");
  await go.click();
  await dialog.waitFor({ state: "detached" });
  assert.deepEqual(said, [
    ["POST", "/v1/admin/channels/lobby/passivate", null],
    ["PUT", "/v1/admin/channels/lobby/retention", { age_s: 3600, count: 1000, bytes: null }],
    ["DELETE", "/v1/admin/channels/lobby", null],
  ]);
  await page.getByLabel("Filter").fill("loud");
  await page.getByRole("button", { name: "Apply" }).click();
  await says(page.locator("#log-said"), "no such level: loud");
  await page.getByLabel("Filter").fill("info,parlor::channel=debug");
  await page.getByRole("button", { name: "Apply" }).click();
  await says(page.locator("#log-said"), "In force: info,parlor::channel=debug");
});

test("what a server does not answer is not shown, and what it refuses is said", async (t) => {
  const server = await Server.start(t);
  const page = await inside(t, server);
  for (const gone of ["channels?*", "log", "config"]) {
    await page.route(`**/v1/admin/${gone}`, (route) =>
      route.fulfill({ status: 404, json: { code: "not_found", message: "gone" } }),
    );
  }
  await page.route("**/metrics", (route) => route.fulfill({ status: 403, body: "no" }));
  await page.route("**/v1/admin/sessions?*", (route) =>
    route.fulfill({ status: 503, json: { message: "no worker answers" } }),
  );
  await page.reload();
  await page.locator("#channels").waitFor({ state: "hidden" });
  await page.locator("#settings").waitFor({ state: "hidden" });
  await page.locator('#sessions[data-fault="no worker answers"]').waitFor();
  await page.locator('#graphs[data-fault*="403"]').waitFor();
  assert.deepEqual(await page.locator("#nav a:visible").allTextContents(), ["Health", "Graphs", "Actors", "Sessions"]);
  await says(page.locator("#state"), "Ready");
});
