// A menu that opens at a button: chosen from by pointer or arrows, gone by Escape, with the focus back where it was.

import { make } from "./dom.js";

let opened = null;

/** Closes the menu that is open, if one is. */
export function closeMenu() {
  opened?.close();
}

/** Opens one beside `anchor`; entries are `{ words, act, isBad, isOn }`, and `head` is shown above them. */
export function openMenu(anchor, entries, head) {
  closeMenu();
  const items = entries.map(({ words, act, isBad = false, isOn }) => {
    const choice =
      isOn === undefined ? { role: "menuitem" } : { role: "menuitemcheckbox", "aria-checked": String(isOn) };
    const item = make("button", { type: "button", tabindex: "-1", class: isBad ? "bad" : "", ...choice }, words);
    item.addEventListener("click", () => {
      close();
      act();
    });
    return item;
  });
  const list = make("div", { role: "menu", "aria-label": anchor.getAttribute("aria-label") ?? "Actions" }, ...items);
  const menu = make("div", { class: "menu" }, ...(head === undefined ? [] : [head]), list);
  const close = () => {
    if (opened?.menu === menu) {
      opened = null;
      menu.remove();
      removeEventListener("pointerdown", outside, true);
      removeEventListener("resize", close);
      anchor.removeAttribute("aria-expanded");
      if (document.activeElement === document.body || menu.contains(document.activeElement)) {
        anchor.focus({ preventScroll: true });
      }
    }
  };
  const outside = (event) => !menu.contains(event.target) && close();
  menu.addEventListener("keydown", (event) => {
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
      items[to % items.length]?.focus();
      event.preventDefault();
    } else if (event.key === "Escape" || event.key === "Tab") {
      close();
      anchor.focus({ preventScroll: true });
      event.preventDefault();
      event.stopPropagation();
    }
  });
  document.body.append(menu);
  opened = { menu, close };
  beside(menu, anchor);
  anchor.setAttribute("aria-expanded", "true");
  addEventListener("pointerdown", outside, true);
  addEventListener("resize", close);
  items[0]?.focus({ preventScroll: true });
}

/** Below the anchor or above it, wherever there is room, and inside the window. */
function beside(menu, anchor) {
  const [at, own] = [anchor.getBoundingClientRect(), menu.getBoundingClientRect()];
  const isBelow = at.bottom + own.height + 8 < innerHeight || at.top < own.height + 8;
  const isRight = document.dir === "rtl" || at.left + own.width + 8 > innerWidth;
  menu.style.top = `${Math.max(8, isBelow ? at.bottom + 4 : at.top - own.height - 4)}px`;
  menu.style.left = `${Math.max(8, isRight ? at.right - own.width : at.left)}px`;
}
