// A part of the page that is filled by one request, and is hidden where the server does not answer that.

import { NoAnswer } from "./api.js";
import { find } from "./dom.js";

/** A section, by its id, and the request that fills it. */
export class Part {
  #id;
  #under = null;
  /** The server answers nothing there. */
  isMissing = false;

  constructor(id) {
    this.#id = id;
  }

  /** Whether a request is under way. */
  get isBusy() {
    return this.#under !== null;
  }

  /** Asks, in place of a request that is under way, and has `take` show the answer. Where there is none it says so. */
  async fill(ask, take) {
    this.#under?.abort();
    const under = new AbortController();
    this.#under = under;
    try {
      const answer = await ask(under.signal);
      if (this.#under === under) {
        this.#say("");
        take(answer);
      }
    } catch (why) {
      if (this.#under === under) {
        this.isMissing = why.status === 404;
        this.#say(why instanceof NoAnswer ? "The server gave no answer to this." : why.message);
      }
    } finally {
      this.#under = this.#under === under ? null : this.#under;
    }
  }

  #say(fault) {
    const section = find(this.#id);
    this.isMissing &&= fault !== "";
    section.hidden = this.isMissing;
    for (const link of document.querySelectorAll(`#nav a[href="#${this.#id}"]`)) {
      link.hidden = this.isMissing;
    }
    section.dataset.fault = fault;
  }
}

/** Calls `found` whenever what stands in a form changes, a moment after the last key. */
export function searched(form, found) {
  let waiting = 0;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(found, 200);
  };
  form.addEventListener("input", soon);
  form.addEventListener("reset", soon);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    soon();
  });
}
