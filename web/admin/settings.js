// What is logged, and what the server works with.

import { find, make, write } from "./dom.js";
import { Part } from "./part.js";

/** The log's filter, and the configuration. */
export class Settings {
  #api;
  #log = new Part("log");
  #config = new Part("config");
  #form = find("log-form");
  #input = this.#form.elements.filter;
  #filter = null;

  constructor(api) {
    this.#api = api;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#set();
    });
    find("config").addEventListener("toggle", () => this.refresh());
  }

  /** Asks for both anew; what somebody is typing stays. */
  async refresh() {
    const log = this.#log.fill(
      (signal) => this.#api.ask("v1/admin/log", { signal }),
      ({ filter }) => {
        if (this.#input.value === (this.#filter ?? "")) {
          this.#input.value = filter;
        }
        this.#filter = filter;
      },
    );
    const config = this.#config.fill(
      (signal) => this.#api.ask("v1/admin/config", { signal }),
      (said) => this.#show(said.config),
    );
    await Promise.all([log, config]);
    const both = ["log", "config"].every((id) => find(id).hidden);
    find("settings").hidden = both;
    document.querySelector("#nav a[href='#settings']").hidden = both;
  }

  async #set() {
    const said = find("log-said");
    try {
      const { filter } =
        (await this.#api.ask("v1/admin/log", { method: "PUT", body: { filter: this.#input.value } })) ?? {};
      this.#filter = filter ?? this.#input.value;
      this.#input.value = this.#filter;
      said.classList.remove("fault");
      write(said, `In force: ${this.#filter}`);
    } catch (why) {
      said.classList.add("fault");
      write(said, why.message);
    }
  }

  #show(config) {
    const place = find("config-sections");
    const said = JSON.stringify(config);
    if (place.said === said) {
      return;
    }
    place.said = said;
    const value = (it) => (typeof it === "string" ? it : it === null ? "–" : JSON.stringify(it));
    place.replaceChildren(
      ...Object.entries(config).map(([section, keys]) => {
        const pairs = Object.entries(keys ?? {}).flatMap(([key, it]) => [
          make("dt", {}, key),
          make("dd", {}, value(it)),
        ]);
        return make("section", {}, make("h3", {}, section), make("dl", {}, ...pairs));
      }),
    );
  }
}
