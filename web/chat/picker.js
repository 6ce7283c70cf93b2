// Choosing an emoji by eye.

import { make } from "./dom.js";
import { EMOJI, emojiLike } from "./emoji.js";

/** In a row. */
const WIDE = 8;

/** Opens the choice above `anchor`; `insert(emoji)` takes what is chosen. */
export function openPicker(anchor, insert) {
  const hint = "Find an emoji";
  const input = make("input", { type: "search", placeholder: hint, "aria-label": hint, autocomplete: "off" });
  const grid = make("div", { class: "grid" });
  const dialog = make("dialog", { class: "picker", "aria-label": "Emoji" }, input, grid);
  const draw = () => {
    const text = input.value.trim().toLowerCase();
    const seen = new Set();
    const names = (text === "" ? [...EMOJI.keys()] : emojiLike(text, 64)).filter((name) => {
      const isNew = !seen.has(EMOJI.get(name));
      return seen.add(EMOJI.get(name)) && isNew;
    });
    grid.replaceChildren(
      ...names.map((name) =>
        make("button", { type: "button", "aria-label": name, title: `:${name}:` }, EMOJI.get(name)),
      ),
    );
  };
  const take = (button) => {
    dialog.close();
    insert(button.textContent);
  };
  input.addEventListener("input", draw);
  input.addEventListener("keydown", (event) => {
    const first = grid.firstElementChild;
    if (event.key === "Enter" && first !== null) {
      event.preventDefault();
      take(first);
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      first?.focus();
    }
  });
  grid.addEventListener("click", (event) => event.target.matches("button") && take(event.target));
  grid.addEventListener("keydown", (event) => {
    const all = [...grid.children];
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: WIDE, ArrowUp: -WIDE }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      (all[all.indexOf(event.target) + by] ?? input).focus();
    }
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  draw();
  document.body.append(dialog);
  dialog.showModal();
  const at = anchor.getBoundingClientRect();
  dialog.style.bottom = `${Math.max(8, innerHeight - at.top + 8)}px`;
  dialog.style.insetInlineEnd = `${Math.max(8, document.dir === "rtl" ? at.left : innerWidth - at.right)}px`;
  input.focus();
}
