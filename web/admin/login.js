// The operator's token: asked for, tried, and kept in this tab alone.

import { NoAnswer } from "./api.js";
import { find } from "./dom.js";

const KEY = "parlor operator token";
const WORDS = {
  401: "This token is not known here, or has ended.",
  403: "This token is good, but not an operator's.",
  429: "Too many requests came from your address. Try again in a moment.",
};

/** Shows either the login or the page. */
export class Login {
  #api;
  #form = find("login-form");
  #fault = find("login-fault");
  #entered;
  #left;

  /** `entered` and `left` are called when the operator is in, and out again. */
  constructor(api, entered, left) {
    [this.#api, this.#entered, this.#left] = [api, entered, left];
    api.onShutOut = (status) => this.#out(WORDS[status]);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#try(this.#form.elements.token.value.trim());
    });
    find("sign-out").addEventListener("click", () => this.#out(""));
  }

  /** Begins with the token that this tab has, if any. */
  begin() {
    const kept = sessionStorage.getItem(KEY);
    kept === null ? this.#out("") : this.#in(kept);
  }

  async #try(token) {
    const go = this.#form.querySelector("button");
    if (token === "") {
      return;
    }
    this.#fault.textContent = "";
    if (!/^[!-~]+$/.test(token)) {
      this.#fault.textContent = WORDS[401];
      return;
    }
    go.disabled = true;
    try {
      this.#api.token = token;
      await this.#api.ask("v1/admin/actors");
      this.#in(token);
    } catch (why) {
      this.#api.token = null;
      this.#fault.textContent =
        why instanceof NoAnswer ? "The server does not answer." : (WORDS[why.status] ?? why.message);
      this.#form.elements.token.select();
    } finally {
      go.disabled = false;
    }
  }

  #in(token) {
    sessionStorage.setItem(KEY, token);
    this.#api.token = token;
    this.#form.reset();
    this.#show(true);
    this.#entered();
  }

  #out(why) {
    sessionStorage.removeItem(KEY);
    this.#api.token = null;
    this.#fault.textContent = why ?? "";
    for (const dialog of document.querySelectorAll("dialog[open]")) {
      dialog.close();
    }
    this.#show(false);
    this.#left();
    this.#form.elements.token.focus();
  }

  #show(inside) {
    find("login").hidden = inside;
    for (const id of ["page", "nav", "state", "sign-out"]) {
      find(id).hidden = !inside;
    }
  }
}
