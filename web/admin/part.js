// A part of the page that is filled by one request, and is hidden where the server does not answer that.

import { NoAnswer } from "./api.js";
import { find } from "./dom.js";

/** After an answer a part rests for so many times as long as that took. */
const REST = 3;

/** A section, by its id, and the request that fills it. */
export class Part {
  #id;
  #under = null;
  #isMissing = false;
  /** Not to be asked again before this, in milliseconds of the page's life. */
  #rests = 0;

  constructor(id) {
    this.#id = id;
  }

  /** Whether a request is under way. */
  get isBusy() {
    return this.#under !== null;
  }

  /** Whether it is to be asked with everything else: not while it is, nor soon after an answer that took long. */
  get isDue() {
    return !this.isBusy && !this.#isMissing && performance.now() >= this.#rests;
  }

  /** Asks, in place of a request that is under way, and has `take` show the answer. Where there is none it says so. */
  async fill(ask, take) {
    this.#under?.abort();
    const under = new AbortController();
    this.#under = under;
    const begun = performance.now();
    try {
      const answer = await ask(under.signal);
      if (this.#under === under) {
        this.#say("");
        take(answer);
      }
    } catch (why) {
      if (this.#under === under) {
        this.#isMissing = why.status === 404;
        this.#say(why instanceof NoAnswer ? "The server gave no answer to this." : why.message);
      }
    } finally {
      if (this.#under === under) {
        this.#under = null;
        this.#rests = performance.now() + REST * (performance.now() - begun);
      }
    }
  }

  #say(fault) {
    const section = find(this.#id);
    this.#isMissing &&= fault !== "";
    section.hidden = this.#isMissing;
    for (const link of document.querySelectorAll(`#nav a[href="#${this.#id}"]`)) {
      link.hidden = this.#isMissing;
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
