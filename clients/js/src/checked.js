// What the client does not send: the server could not read such a frame, and so would not say whose error it is. Pure.

import { BadFrame, TooLarge } from "./errors.js";

/** How deep objects may stand in one another. */
const DEPTH = 32;
/** Half of a pair of surrogates. */
const LONE = /\p{Surrogate}/u;
/** The longest key, and kind, in bytes. */
const NAME = 64;

/** @typedef {import("./types.js").Frame} Frame */

/** How long something is as JSON. @param {unknown} value */
export const bytes = (value) => new TextEncoder().encode(JSON.stringify(value)).length;

/** @param {string} why */
const bad = (why) => new BadFrame(why, { code: "bad_frame" });

/**
 * A command as it will be said: what it is made of does not change any more.
 * @template {Frame} T
 * @param {T} command
 * @returns {T}
 */
export function checked(command) {
  const copy = JSON.parse(JSON.stringify(command));
  look(copy, 1);
  return copy;
}

/** @param {unknown} value @param {number} depth */
function look(value, depth) {
  if (typeof value === "string" && LONE.test(value)) {
    throw bad("expected text, got a lone surrogate");
  }
  if (typeof value === "object" && value !== null) {
    if (depth > DEPTH) {
      throw bad(`deeper than ${DEPTH}`);
    }
    Object.entries(value).forEach((pair) => pair.forEach((one) => look(one, depth + 1)));
  }
}

/**
 * What is to be published, as it will be said.
 * @template {Frame} T
 * @param {T} words
 * @param {number} most the longest body, in bytes
 * @returns {T}
 */
export function publishable(words, most) {
  const { key, kind, body } = words;
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw bad("body: expected an object or a string");
  }
  for (const [name, value] of Object.entries({ key, kind: kind ?? "x-" })) {
    if (typeof value !== "string" || value === "" || bytes(value) - 2 > NAME) {
      throw bad(`${name}: expected a string of 1 to ${NAME} bytes`);
    }
  }
  const copy = checked(words);
  const size = bytes(copy.body);
  if (size > most) {
    throw new TooLarge(`body: expected at most ${most} bytes, got ${size}`, { code: "too_large" });
  }
  return copy;
}
