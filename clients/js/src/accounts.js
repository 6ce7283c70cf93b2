// Accounts, and what can be asked without a session, by plain HTTP.

import { baseOf } from "./client.js";
import { Disconnected, errorOf } from "./errors.js";

/** @typedef {import("./types.js").Frame} Frame */

/** The plain requests. */
export class Accounts {
  #base;
  #fetch;

  /** @param {{ url?: string | URL, fetch?: typeof globalThis.fetch }} [options] */
  constructor({ url, fetch = globalThis.fetch.bind(globalThis) } = {}) {
    this.#base = baseOf(url);
    this.#fetch = fetch;
  }

  /**
   * Makes an account.
   * @param {{ user: string, password: string, code?: string }} account
   * @returns {Promise<Frame>} `{ user }`; rejects with `Conflict` if the name is taken
   */
  signUp({ user, password, code }) {
    return this.#ask("POST", "accounts", { user, password, code });
  }

  /** @param {{ user: string, password: string }} account @returns {Promise<Frame>} `{ token, user, expires_at }` */
  login({ user, password }) {
    return this.#ask("POST", "login", { user, password });
  }

  /**
   * Gives the account another password; its other tokens are void then.
   * @param {{ old: string, new: string }} passwords
   * @param {string} token
   */
  password(passwords, token) {
    return this.#ask("POST", "password", { old: passwords.old, new: passwords.new }, token);
  }

  /** Makes a token void; its sessions end. @param {string} token */
  logout(token) {
    return this.#ask("POST", "logout", undefined, token);
  }

  /**
   * The channels that one may see.
   * @param {{ after?: string, limit?: number, token?: string }} [page]
   * @returns {Promise<Frame>} `{ channels, more }`
   */
  channels({ after, limit, token } = {}) {
    const query = new URLSearchParams(JSON.parse(JSON.stringify({ after, limit })));
    return this.#ask("GET", `channels?${query}`, undefined, token);
  }

  /** How a channel stands. @param {string} name @param {string} [token] */
  channel(name, token) {
    return this.#ask("GET", `channels/${encodeURIComponent(name)}`, undefined, token);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {string} [token]
   * @returns {Promise<any>}
   */
  async #ask(method, path, body, token) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (token) {
      headers.Authorization = `Bearer ${token}`;
    }
    if (body) {
      headers["Content-Type"] = "application/json";
    }
    const init = { method, headers, body: body && JSON.stringify(body) };
    const failed = (/** @type {unknown} */ error) => {
      throw new Disconnected(String(error));
    };
    const answer = await this.#fetch(new URL(`v1/${path}`, this.#base).href, init).catch(failed);
    const text = await answer.text().catch(failed);
    let frame = null;
    try {
      frame = text === "" ? {} : JSON.parse(text);
    } catch {
      // Not the server's own words: a proxy's page, perhaps.
    }
    if (answer.ok && frame !== null) {
      return frame;
    }
    const after = Number(answer.headers.get("Retry-After")) * 1000 || undefined;
    const code = answer.status === 409 ? "conflict" : "";
    throw errorOf({ code, message: `HTTP status ${answer.status}`, retry_after_ms: after, ...frame });
  }
}
