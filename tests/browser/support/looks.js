// What is asked of any page: how it looks to everyone, and from where it can be reached.

import assert from "node:assert/strict";

import { AxeBuilder } from "@axe-core/playwright";

/** What axe finds serious or worse. */
export async function faults(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const told = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return told.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
}

/** How much wider the page is than its window. */
export const excess = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Has a tab reach the server below a prefix alone, as behind a proxy. Gives the prefix, and what was asked for
 *  elsewhere. */
export async function below(page, server) {
  const prefix = `${server.origin}/some/where/`;
  const strange = [];
  await page.route("**", async (route) => {
    const url = route.request().url();
    if (!url.startsWith(prefix)) {
      strange.push(url);
      return route.abort();
    }
    const asked = { url: `${server.origin}/${url.slice(prefix.length)}`, maxRedirects: 0 };
    const response = await route.fetch(asked).catch(() => null);
    return response === null ? route.abort() : route.fulfill({ response });
  });
  await page.routeWebSocket("**", (socket) => {
    assert.ok(socket.url().startsWith(prefix.replace("http", "ws")), socket.url());
    const up = socket.connectToServer();
    up.onClose(() => socket.close());
  });
  return { prefix, strange };
}
