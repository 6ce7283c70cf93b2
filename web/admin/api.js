// Requests to the server that this page came from. All addresses are relative, so that a prefix before them does no
// harm.

/** The server's root: this file is at ROOT/admin/HASH/api.js. */
const ROOT = new URL("../../", import.meta.url);
/** How long an answer may take, in milliseconds. */
const WITHIN = 10_000;

/** The server answered that it would not. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Nothing came, or nothing that this server would say. */
export class NoAnswer extends Error {}

/** Asks for what operators may see and do, with their token. */
export class Api {
  /** Shown with each request. */
  token = null;
  /** Called when the token is no longer good. */
  onShutOut = () => {};

  /** What is at this path: parsed JSON, or null where the answer is empty. Throws Refused or NoAnswer. */
  async ask(path, { method = "GET", body, signal } = {}) {
    const token = this.token;
    const { status, text } = await this.#fetch(path, method, body, signal);
    const read = parsed(text);
    if (status >= 200 && status < 300 && (read !== undefined || text === "")) {
      return read ?? null;
    }
    const shut = status === 401 || (status === 403 && method === "GET");
    if (shut && token !== null && token === this.token) {
      this.onShutOut(status);
    }
    throw refused(status, read);
  }

  /** The text of what may be seen without a token, and its status. Throws NoAnswer. */
  async plain(path) {
    return this.#fetch(path, "GET");
  }

  /** Whether clients may come: `{status, why}`. Throws NoAnswer where something else answers in the server's place. */
  async ready() {
    const { text } = await this.#fetch("readyz", "GET");
    const read = parsed(text);
    if (typeof read?.status !== "string") {
      throw new NoAnswer("not from the server");
    }
    return read;
  }

  async #fetch(path, method, body, signal) {
    const headers = {};
    if (this.token !== null) {
      headers.Authorization = `Bearer ${this.token}`;
    }
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
    }
    const late = AbortSignal.timeout(WITHIN);
    const ends = signal === undefined ? late : AbortSignal.any([late, signal]);
    const asked = { method, headers, cache: "no-store", redirect: "error", signal: ends };
    try {
      const answer = await fetch(new URL(path, ROOT), { ...asked, body: body && JSON.stringify(body) });
      return { status: answer.status, text: await answer.text() };
    } catch (why) {
      throw new NoAnswer(why.message);
    }
  }
}

/** A path with what is set of these members as its query. */
export function query(path, members) {
  const set = Object.entries(members).filter(([, value]) => value !== "" && value !== undefined);
  return `${path}?${new URLSearchParams(set)}`;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused(status, read) {
  const said = typeof read?.message === "string" ? read.message : `the server answered ${status}`;
  return new Refused(status, said);
}
