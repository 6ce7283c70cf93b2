// Completion of names and emoji: `@an` and `:smi` offer what begins so, and a key takes it.

import { make } from "./dom.js";
import { EMOJI, emojiLike } from "./emoji.js";
import { avatar, named } from "./people.js";

const BEGUN = /(^|[\s(])([@:])(~?[a-z0-9_.+-]*)$/i;
const MOST = 8;

export class Complete {
  #area;
  #list;
  #desk;
  #choices = [];
  #chosen = 0;
  /** Where what is to be completed begins. */
  #from = 0;

  constructor(area, list, desk) {
    [this.#area, this.#list, this.#desk] = [area, list, desk];
    area.addEventListener("blur", () => this.close());
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const at = [...list.children].indexOf(event.target.closest("li"));
      if (at !== -1) {
        this.#take(at);
      }
    });
  }

  close() {
    this.#choices = [];
    this.#list.hidden = true;
    this.#list.replaceChildren();
    this.#area.removeAttribute("aria-activedescendant");
  }

  /** The text or the caret changed. */
  update() {
    const before = this.#area.value.slice(0, this.#area.selectionStart);
    const [, , sign, begun] = BEGUN.exec(before) ?? [];
    if (sign === undefined || (sign === ":" && begun.length < 2)) {
      this.close();
      return;
    }
    this.#from = before.length - begun.length - 1;
    const text = begun.toLowerCase();
    this.#choices =
      sign === ":"
        ? emojiLike(text, MOST).map((name) => ({ text: EMOJI.get(name), words: [`${EMOJI.get(name)}  :${name}:`] }))
        : this.#people(text).map((user) => ({ text: `@${user}`, words: [avatar(user, "tiny"), " ", named(user)] }));
    this.#chosen = 0;
    this.#show();
  }

  /** Whom one may mean: those who spoke here first, the latest before all, then the members, then the contacts. */
  #people(text) {
    const { room, company, me } = this.#desk;
    const spoke = room === null ? [] : room.messages.slice(-500).reverse().map(({ from }) => from);
    const all = new Set([...spoke, ...(room?.members?.keys() ?? []), ...company.contacts]);
    all.delete(me);
    return [...all].filter((user) => user.replace(/^~/, "").startsWith(text.replace(/^~/, ""))).slice(0, MOST);
  }

  #show() {
    if (this.#choices.length === 0) {
      this.close();
      return;
    }
    const rows = this.#choices.map(({ words }, at) =>
      make("li", { role: "option", id: `choice-${at}`, "aria-selected": String(at === this.#chosen) }, ...words),
    );
    this.#list.replaceChildren(...rows);
    this.#list.hidden = false;
    this.#area.setAttribute("aria-activedescendant", `choice-${this.#chosen}`);
  }

  /** Takes a key, if it is for the choices; says whether it was. */
  key(event) {
    const { length } = this.#choices;
    if (length === 0) {
      return false;
    }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.#chosen = (this.#chosen + (event.key === "ArrowDown" ? 1 : length - 1)) % length;
      this.#show();
    } else if (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey)) {
      this.#take(this.#chosen);
    } else if (event.key === "Escape") {
      this.close();
    } else {
      return false;
    }
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  #take(at) {
    const { text } = this.#choices[at];
    this.#area.setRangeText(`${text} `, this.#from, this.#area.selectionStart, "end");
    this.close();
    this.#area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
