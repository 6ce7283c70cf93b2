// The page for chatting, in a browser.

import { open, says } from "./page.js";

/** A tab at the door. */
export const door = (test, server, options) => open(test, server, { path: "/", ...options });

/** Comes in as a guest, and waits for the lobby. */
export async function comeIn(page, name) {
  await page.getByLabel("Name").fill(name);
  await page.keyboard.press("Enter");
  await page.locator("#area").waitFor();
}

/** A tab in which a guest is in the lobby. */
export async function guest(test, server, name, options) {
  const page = await door(test, server, options);
  await comeIn(page, name);
  return page;
}

/** Makes an account, without the page. */
export async function account(server, user, password = "correct horse") {
  const headers = { "Content-Type": "application/json" };
  const ask = (path, body) =>
    fetch(`${server.origin}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  await ask("accounts", { user, password });
  return (await (await ask("login", { user, password })).json()).token;
}

/** A tab in which an account is signed in. */
export async function member(test, server, user, options = {}) {
  const { hash = "", ...more } = options;
  const token = await account(server, user);
  const page = await open(test, server, { path: "/healthz", ...more });
  const session = JSON.stringify({ user, token, guest: false, stays: true });
  await page.evaluate((session) => localStorage.setItem("parlor / session", session), session);
  await page.goto(`${server.origin}/${hash}`);
  await page.locator("#area").waitFor();
  return page;
}

/** Says something. */
export async function write(page, text) {
  await page.locator("#area").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

/** The messages in the document. */
export const messages = (page) => page.locator("#scroller .message");

/** Waits until a message that holds this is in sight, and settled. */
export const sees = (page, text) => says(page.locator("#scroller .message:not(.waits)"), text);
