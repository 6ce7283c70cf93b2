// Users as they are shown: a guest's name says that it is one, and nobody's name changes what stands beside it.

import { make } from "./dom.js";

const GUEST = /^~(.+)-([a-z0-9]{5})$/;

/** The words for a user, in text: `ann`, or `ann (guest k3x9q)`. */
export function called(user) {
  const [, name, digits] = GUEST.exec(user) ?? [];
  return name === undefined ? user : `${name} (guest ${digits})`;
}

/** The same as an element: the name by itself, whatever direction it is written in. */
export function named(user, tag = "span") {
  const [, name, digits] = GUEST.exec(user) ?? [];
  const shown = make(tag, { class: "who", title: user }, make("bdi", {}, name ?? user));
  if (name !== undefined) {
    shown.append(" ", make("small", { class: "guest" }, `guest ${digits}`));
  }
  return shown;
}

/** One of eight colours, always the same for a user. */
export function hue(user) {
  let sum = 0;
  for (const letter of user) {
    sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  }
  return sum % 8;
}

/** A round sign with the first letter of the name; for eyes alone, the name stands beside it. */
export function avatar(user, more = "") {
  const [, name = user] = GUEST.exec(user) ?? [];
  const letter = [...name.replace(/^[^\p{L}\p{N}]+/u, "")][0] ?? "?";
  return make("span", { class: `avatar h${hue(user)} ${more}`, "aria-hidden": "true" }, letter.toUpperCase());
}

/** A channel as it is called: `#lobby`, or the other one's name. `me` is whose page this is. */
export function title(channel, me) {
  return channel.startsWith("@") ? called(peer(channel, me)) : `#${channel}`;
}

/** Of a direct channel: the other one; oneself, in the channel of one's notes. */
export function peer(channel, me) {
  const [one, other] = channel.slice(1).split(":");
  return one === me ? (other ?? one) : one;
}

/** The direct channel of two, by its full name. */
export const direct = (one, other) => `@${[one, other].sort().join(":")}`;
