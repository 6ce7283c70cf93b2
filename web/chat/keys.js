// The keyboard: what a key does, wherever the focus is.

import { make } from "./dom.js";

const isMac = /mac|iphone|ipad/i.test(navigator.platform);
const CTRL = isMac ? "⌘" : "Ctrl";

const TABLE = [
  [`${CTRL} K`, "Go to a channel or a person"],
  [`${CTRL} F`, "Search here; again: the browser's search"],
  ["Alt ↑, Alt ↓", "The channel above, below"],
  ["Alt Shift ↑, Alt Shift ↓", "The same, only where something is unread"],
  ["Enter, Shift Enter", "Send, a new line"],
  ["↑, ↓", "What you said before, in an empty message"],
  ["@, :", "Complete a name, an emoji"],
  ["Page up, Page down, End", "Scroll the messages"],
  ["Escape", "Close what is open; else to the newest, all read"],
  [`${CTRL} /`, "This list"],
];

/** Hears the keys; `act` has go, search, move(by, unread), escape, focus, and isSearching. */
export function keyed(act) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open], .menu") !== null || event.isComposing) {
      return;
    }
    const { key, altKey, shiftKey } = event;
    const isCtrl = isMac ? event.metaKey : event.ctrlKey;
    const done = (doing) => {
      event.preventDefault();
      doing();
    };
    if (isCtrl && key.toLowerCase() === "k") {
      done(act.go);
    } else if (isCtrl && key.toLowerCase() === "f" && !act.isSearching()) {
      done(act.search);
    } else if (isCtrl && key === "/") {
      done(showKeys);
    } else if (altKey && (key === "ArrowUp" || key === "ArrowDown")) {
      done(() => act.move(key === "ArrowDown" ? 1 : -1, shiftKey));
    } else if (key === "Escape") {
      done(act.escape);
    } else if (isPage(event)) {
      act.scroll(event);
    } else if (isTyped(event)) {
      act.focus();
    }
  });
}

/** Keys that scroll, while one writes one line. */
const isPage = ({ key, target }) => (key === "PageUp" || key === "PageDown") && target.id === "area";

/** A letter typed where no letters go: it goes to the message. */
function isTyped({ key, ctrlKey, metaKey, altKey, target }) {
  const isPlain = [...key].length === 1 && key !== " " && !ctrlKey && !metaKey && !altKey;
  return isPlain && !target.matches("input, textarea, select, button, a");
}

/** Shows what the keys do. */
export function showKeys() {
  const drawn = (keys) => keys.split(", ").flatMap((key) => [make("kbd", {}, key), " "]);
  const rows = TABLE.map(([keys, words]) =>
    make("div", {}, make("dt", {}, ...drawn(keys)), make("dd", {}, words)),
  );
  const close = make("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Close");
  const dialog = make(
    "dialog",
    { "aria-labelledby": "keys-title", class: "keys" },
    make("h2", { id: "keys-title" }, "Keys"),
    make("dl", {}, ...rows),
    make("p", { class: "actions" }, close),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
