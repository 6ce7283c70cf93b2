// What is in the package is what it says.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

const read = (/** @type {string} */ name) => readFile(new URL(`../${name}`, import.meta.url), "utf8");

test("the package depends on nothing, and has its types where it says", async () => {
  const about = JSON.parse(await read("package.json"));
  assert.deepEqual([about.dependencies, about.type], [undefined, "module"]);
  assert.match(await read(about.exports["."].types), /export \{ Client \}/);
  assert.match(await read(about.exports["."].default), /export \{ Client \}/);
});

test("the README names every class of error and every option", async () => {
  const readme = await read("README.md");
  const errors = [...(await read("src/errors.js")).matchAll(/export class (\w+)/g)].map(([, name]) => name);
  const options = [...(await read("src/types.js")).matchAll(/@property \{.*\} \[(\w+)\]/g)].map(([, name]) => name);
  assert.ok(errors.length > 15 && options.length > 8);
  const missing = [...errors, ...options].filter((name) => !readme.includes(`\`${name}\``));
  assert.deepEqual(missing, []);
});
