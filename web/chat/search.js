// Search in what is loaded, and further back on demand.

import { find, write } from "./dom.js";
import { text } from "./message.js";
import { count } from "./time.js";

/** So many messages are fetched at once for a search. */
const PAGE = 1000;

export class Search {
  #desk;
  #talk;
  #form = find("search");
  #input = find("search-text");
  #found = [];
  #at = 0;

  constructor(desk, talk) {
    [this.#desk, this.#talk] = [desk, talk];
    this.#input.addEventListener("input", () => this.#look());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go(1);
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.shiftKey) {
        event.preventDefault();
        this.#go(-1);
      }
    });
    find("search-up").addEventListener("click", () => this.#go(1));
    find("search-down").addEventListener("click", () => this.#go(-1));
    find("search-older").addEventListener("click", () => this.#older());
    find("search-close").addEventListener("click", () => this.close());
  }

  get isOpen() {
    return !this.#form.hidden;
  }

  open() {
    this.#form.hidden = false;
    this.#input.select();
    this.#input.focus();
    this.#say();
  }

  close() {
    if (this.isOpen) {
      this.#form.hidden = true;
      this.#input.value = "";
      this.#found = [];
      this.#talk.find("");
    }
  }

  get #query() {
    return this.#input.value.trim().toLowerCase();
  }

  /** Looks, the newest first, and stays at what was found if it is still there. */
  #look(item) {
    const query = this.#query;
    const fits = ({ body }) => query !== "" && text(body).toLowerCase().includes(query);
    this.#found = this.#desk.room.messages.filter(fits).reverse();
    this.#at = Math.max(0, this.#found.indexOf(item));
    this.#talk.find(query, this.#found[this.#at]);
    this.#say();
  }

  #go(by) {
    const { length } = this.#found;
    if (length > 0) {
      this.#at = (this.#at + by + length) % length;
      this.#talk.find(this.#query, this.#found[this.#at]);
      this.#say();
    }
  }

  async #older() {
    const { room } = this.#desk;
    const item = this.#found[this.#at];
    const before = this.#found.length;
    const button = find("search-older");
    button.disabled = true;
    try {
      do {
        if (!(await this.#desk.older(room, PAGE))) {
          break;
        }
        this.#look(item);
      } while (room === this.#desk.room && this.isOpen && this.#found.length === before);
      if (this.#found.length > before) {
        this.#at = item === undefined ? 0 : this.#at + 1;
        this.#talk.find(this.#query, this.#found[this.#at]);
      }
    } catch {
      // The line broke: the button is there for another try.
    } finally {
      button.disabled = false;
      this.#say();
    }
  }

  #say() {
    const { room } = this.#desk;
    const { length } = this.#found;
    find("search-older").hidden = room === null || !room.older || this.#query === "";
    for (const id of ["search-up", "search-down"]) {
      find(id).disabled = length < 2;
    }
    const all = room === null ? 0 : room.messages.length;
    const words = length === 0 ? `Nothing in ${count(all, "message")}` : `${this.#at + 1} of ${length}`;
    write(find("search-said"), this.#query === "" ? "" : words);
  }
}
