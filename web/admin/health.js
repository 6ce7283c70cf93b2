// How the server is, before anything else: whether it answers, whether clients may come, and what is unusual.

import { find, make, write } from "./dom.js";
import { findings, obstacles, uptime } from "./findings.js";
import { age, bytes, count, rate, took } from "./format.js";

/** No answer for so long is worth a word, in milliseconds. */
const PATIENCE = 3000;

/** Words, and how the newest value is told. */
const FIGURES = [
  ["Sessions", ({ history }) => count(history.last("sessions"))],
  ["Users online", ({ history }) => count(history.last("users"))],
  ["Messages a second", ({ history }) => rate(history.last("stored"))],
  ["Deliveries a second", ({ history }) => rate(history.last("deliveries"))],
  ["Receipts, 99 %", ({ history }) => took(history.most("commit99", 60_000))],
  ["Memory", ({ history }) => bytes(history.last("memory"))],
  ["Up for", ({ history, now }) => age(uptime(history, now))],
];

/** The head of the page. */
export class Health {
  #figures = FIGURES.map(([words, tell]) => ({ tell, place: make("dd", {}, "–"), words }));
  #items = new Map();
  /** Since when an answer is awaited; null if none is. */
  #asked = null;
  #said = null;

  constructor() {
    find("figures").append(...this.#figures.map(({ words, place }) => make("div", {}, make("dt", {}, words), place)));
    setInterval(() => this.#wait(), 1000);
  }

  /** A question is under way. */
  asked() {
    this.#asked ??= Date.now();
  }

  /** Nobody asks. */
  rests() {
    this.#asked = null;
  }

  /** It did not come, and why. */
  failed() {
    this.#wait(true);
  }

  /** The answer: `{ready, history, kinds, slow, now}`. */
  update(seen) {
    this.#asked = null;
    const version = seen.history.scrape?.all("parlor_build_info")[0]?.labels.version ?? "";
    write(find("version"), version);
    this.#figures.forEach(({ tell, place }) => write(place, tell(seen)));
    const stands = obstacles(seen.ready);
    const isReady = seen.ready.status === "ready";
    const found = findings(seen);
    const all = [...stands.map((text) => ({ key: text, level: "bad", text })), ...found];
    this.#list(all);
    const worst = isReady ? (found.some(({ level }) => level !== "note") ? "odd" : "good") : "bad";
    const title = { bad: "Not ready", odd: "Ready, but look at this", good: "All is well" }[worst];
    const line =
      all.length === 0
        ? "Clients can connect, and nothing is unusual."
        : isReady
          ? "Clients can connect."
          : "Clients should not be sent here now.";
    this.#say(worst, title, line, { bad: "Not ready", odd: "Unusual", good: "Ready" }[worst]);
  }

  #wait(hasFailed = false) {
    const silent = this.#asked === null ? 0 : Date.now() - this.#asked;
    if (this.#asked !== null && (hasFailed || this.#said === "mute" || silent > PATIENCE)) {
      const words = `No answer for ${age(silent)}`;
      const line = "The server does not answer, or something between it and this page. What is below is old.";
      this.#say("mute", words, line, words);
    }
  }

  #say(level, title, line, state) {
    write(find("health-title"), title);
    write(find("health-line"), line);
    write(find("state-text"), state);
    document.title = level === "good" ? "Parlor – operators" : `${state} – Parlor`;
    document.body.dataset.level = level;
    if (this.#said !== level) {
      // Once, not with each second that passes.
      write(find("state-said"), level === "mute" ? "The server does not answer." : `${title}. ${line}`);
      this.#said = level;
    }
  }

  #list(all) {
    const keys = new Set(all.map(({ key }) => key));
    for (const [key, item] of this.#items) {
      if (!keys.has(key)) {
        item.remove();
        this.#items.delete(key);
      }
    }
    all.forEach(({ key, level, text }, at) => {
      const item = this.#items.get(key) ?? make("li");
      this.#items.set(key, item);
      item.className = level;
      write(item, text);
      const place = find("findings").children[at];
      if (place !== item) {
        find("findings").insertBefore(item, place ?? null);
      }
    });
  }
}
