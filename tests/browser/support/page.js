// A browser, and the operator page in it.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { chromium } from "playwright-core";

const CHROMIUM = process.env.PARLOR_CHROMIUM ?? "/usr/bin/chromium";
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** Pictures are kept here, if it is set. */
const PICTURES = process.env.PARLOR_PICTURES;

let shared;
/** The browser of this file's tests; closed by `close`. */
async function browser() {
  shared ??= chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  return shared;
}

/** Closes the browser, after all tests of a file. */
export async function close() {
  await (await shared)?.close();
}

/** A tab on the operator page, in a context of its own; it fails its test if a script of the page fails or the
 *  policy is broken. */
export async function open(test, server, { path = "/admin", ...options } = {}) {
  const context = await (await browser()).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const faults = [];
  page.on("pageerror", (fault) => faults.push(fault.stack ?? String(fault)));
  page.on("console", (said) => /Content Security Policy/.test(said.text()) && faults.push(said.text()));
  page.on("dialog", (dialog) => {
    faults.push(`a script of somebody else's ran: ${dialog.message()}`);
    dialog.dismiss();
  });
  test.after(async () => {
    await context.close();
    if (faults.length > 0) {
      throw new Error(faults.join("\n"));
    }
  });
  await page.goto(`${server.origin}${path}`);
  return page;
}

/** Signs in with this token. */
export async function signIn(page, token) {
  await page.getByLabel("Operator token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** A tab whose operator is in, and sees a first answer. */
export async function inside(test, server, options) {
  const page = await open(test, server, options);
  await signIn(page, server.token);
  await page
    .getByRole("row", { name: "channel" })
    .or(page.getByRole("row", { name: "hub" }))
    .first()
    .waitFor();
  return page;
}

/** The value that the page's head shows under these words. */
export const figure = (page, words) =>
  page.locator("#figures div", { has: page.getByText(words, { exact: true }) }).locator("dd");

/** Waits until a locator's text is as wanted: a string that it holds, or a pattern. */
export async function says(locator, wanted) {
  const found = locator.filter({ hasText: wanted });
  await found.first().waitFor();
}

/** Keeps a picture of the whole page, if pictures are wanted. */
export async function picture(page, name) {
  if (PICTURES !== undefined) {
    await mkdir(PICTURES, { recursive: true });
    await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  }
}
