// Coming in: as a guest, with an account, or with a new one.

import { find, write } from "./dom.js";
import { Accounts, Client } from "./client/index.js";
import { refused, why } from "./words.js";

const MODES = {
  guest: { go: "Join as a guest", lead: "Choose a name, and come in." },
  login: { go: "Sign in", lead: "Good to see you again." },
  signup: { go: "Sign up", lead: "With an account your name is yours, and people can write to you." },
};
const GRAMMAR =
  "A name has letters from a to z, digits, dots, dashes and underlines, and begins with a letter or a digit.";
/** How long a server may be silent until that is said, in milliseconds. */
const SILENT_MS = 4000;

export class Door {
  #form = find("door-form");
  #fault = find("door-fault");
  #entered;
  #accounts = new Accounts({});

  /** `entered(session, client)` is called with whoever came in; the client has none yet if it is an account's. */
  constructor(entered) {
    this.#entered = entered;
    this.#form.addEventListener("change", () => this.#show());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#try();
    });
  }

  /** Shows it, and why. */
  open(words = "") {
    document.documentElement.dataset.at = "door";
    this.#show();
    write(this.#fault, words);
    this.#form.elements.user.focus();
  }

  get #mode() {
    return this.#form.elements.mode.value;
  }

  #show() {
    const { password, code } = this.#form.elements;
    const mode = this.#mode;
    find("password-part").hidden = mode === "guest";
    password.required = mode !== "guest";
    password.autocomplete = mode === "signup" ? "new-password" : "current-password";
    if (mode !== "signup") {
      find("code-part").hidden = true;
      code.required = false;
    }
    write(find("door-go"), MODES[mode].go);
    write(find("door-lead"), MODES[mode].lead);
    write(this.#fault, "");
  }

  async #try() {
    const { user: asked, password, code, stays } = this.#form.elements;
    const user = asked.value.trim().toLowerCase().replace(/\s+/g, "-");
    const most = this.#mode === "guest" ? 32 : 64;
    if (!/^[a-z0-9][a-z0-9_.-]*$/.test(user) || user.length > most) {
      this.#say(user.length > most ? `A name has ${most} letters at most.` : GRAMMAR, asked);
      return;
    }
    const go = find("door-go");
    go.disabled = true;
    this.#say("");
    try {
      if (this.#mode === "guest") {
        await this.#guest(user, stays.checked);
      } else {
        await this.#account({ user, password: password.value, code: code.value }, stays.checked);
      }
      this.#form.reset();
    } catch (error) {
      this.#failed(error);
    } finally {
      go.disabled = false;
    }
  }

  async #guest(user, stays) {
    const client = new Client({ guest: user, client: "chat page" });
    const silent = setTimeout(() => this.#say("The server does not answer. Trying on …"), SILENT_MS);
    try {
      await client.connect();
    } catch (error) {
      throw Object.assign(new Error(refused(error)), { code: error.code ?? error.cause?.code });
    } finally {
      clearTimeout(silent);
      client.close();
    }
    this.#entered({ user: client.user, token: client.token, guest: true, stays });
  }

  async #account({ user, password, code }, stays) {
    if (this.#mode === "signup") {
      const { required } = this.#form.elements.code;
      await this.#accounts.signUp({ user, password, ...(required && { code }) });
    }
    const { token } = await this.#accounts.login({ user, password });
    this.#entered({ user, token, guest: false, stays });
  }

  #failed(error) {
    const { user, password, code } = this.#form.elements;
    const isSignUp = this.#mode === "signup";
    if (isSignUp && error.code === "forbidden") {
      if (find("code-part").hidden) {
        find("code-part").hidden = false;
        code.required = true;
        this.#say("Here an account takes an invitation. If you have its code, enter it.", code);
      } else {
        this.#say("This code is not good, or no accounts are made here.", code);
      }
      return;
    }
    const words = why(error, {
      unauthenticated: "The name or the password is wrong.",
      conflict: "This name is taken. Is it yours? Then sign in.",
      bad_frame: /^password/.test(error.message)
        ? "A password has 8 characters at least, and is not your name."
        : GRAMMAR,
      rate_limited: "Too many attempts. Try again in a minute.",
      forbidden: "Guests are not let in here. Sign in, or sign up.",
    });
    this.#say(words, this.#mode === "guest" || error.code === "conflict" ? user : password);
  }

  #say(words, field) {
    write(this.#fault, words);
    field?.select();
    field?.focus();
  }
}
