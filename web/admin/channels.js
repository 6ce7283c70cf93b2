// Channels: which are busy, how much they keep, and what operators do with them.

import { query } from "./api.js";
import { ask } from "./dialog.js";
import { find, make, say } from "./dom.js";
import { age, bytes, count, rate } from "./format.js";
import { Part, searched } from "./part.js";
import { Table } from "./table.js";

const LIMIT = 50;
/** So many are shown at first. */
const FEW = 10;

/** The table of channels. */
export class Channels {
  #api;
  part = new Part("channels");
  #form = find("channels-search");
  #table;

  constructor(api) {
    this.#api = api;
    const number = "number";
    const columns = [
      { name: "Channel", kind: "name", of: (row) => row.channel },
      { name: "Kind", of: (row) => row.kind ?? "–" },
      { name: "Awake", of: (row) => (row.active ? "yes" : "no") },
      { name: "Per second", kind: number, of: (row) => rate(row.rate) },
      { name: "Online", kind: number, of: (row) => count(row.online) },
      { name: "Members", kind: number, of: (row) => count(row.members) },
      { name: "Messages", kind: number, of: (row) => count(row.head > 0 ? row.head - row.first + 1 : 0) },
      { name: "Size", kind: number, of: (row) => bytes(row.bytes) },
      { name: "Keeps", of: (row) => kept(row.retention) },
      { name: "Actions", kind: "doing", show: (cell, row) => this.#offer(cell, row) },
    ];
    const none = "No channels.";
    this.#table = new Table(find("channels-table"), {
      label: "Channels",
      columns,
      key: (row) => row.channel,
      none,
      few: FEW,
    });
    searched(this.#form, () => this.refresh());
  }

  /** Asks for them anew. */
  refresh() {
    const wanted = Object.fromEntries(new FormData(this.#form));
    const path = query("v1/admin/channels", { sort: "rate", limit: LIMIT, ...wanted });
    return this.part.fill(
      (signal) => this.#api.ask(path, { signal }),
      ({ channels, count: all, more }) => {
        const some = more
          ? `${count(channels.length)} of ${count(all)}: search to see others.`
          : `${count(channels.length)} in all.`;
        this.#table.update(channels, some);
      },
    );
  }

  #offer(cell, row) {
    const button = (words, about, act, kind = "") =>
      make(
        "button",
        {
          type: "button",
          class: `small ${kind}`,
          "aria-label": `${about} ${row().channel}`,
          onclick: () => act(row()),
        },
        words,
      );
    cell.append(
      button("Sleep …", "Put to sleep:", (it) => this.#sleep(it)),
      button("Keep …", "Set how much is kept of", (it) => this.#keep(it)),
      button("Delete …", "Delete", (it) => this.#delete(it), "danger"),
    );
  }

  async #do({ channel }, method, beneath, done, body) {
    await this.#api.ask(`v1/admin/channels/${encodeURIComponent(channel)}${beneath}`, { method, body });
    say(done);
    await this.refresh();
  }

  #sleep(row) {
    return ask({
      title: "Put this channel to sleep?",
      text: `The actor of ${row.channel} ends; it comes back when somebody needs it. Nothing of the log is lost.`,
      action: "Put it to sleep",
      act: () => this.#do(row, "POST", "/passivate", `${row.channel} was put to sleep.`),
    });
  }

  #keep(row) {
    const { age_s, count: messages, bytes: size } = row.retention ?? {};
    const number = (text) => (text === "" ? null : Number(text));
    return ask({
      title: "How much is kept?",
      text: `Of ${row.channel} the oldest beyond this is dropped. 0: no bound; nothing: what the configuration says.`,
      action: "Set it",
      danger: true,
      fields: [
        { name: "age_s", words: "Seconds", value: age_s },
        { name: "count", words: "Messages", value: messages },
        { name: "bytes", words: "Bytes", value: size },
      ],
      act: (said) => {
        const wanted = Object.fromEntries(Object.entries(said).map(([name, text]) => [name, number(text)]));
        return this.#do(row, "PUT", "/retention", `What ${row.channel} keeps is set.`, wanted);
      },
    });
  }

  #delete(row) {
    return ask({
      title: "Delete this channel?",
      text: "Its log, its members and all that was made of them go for everyone, and do not come back.",
      action: "Delete it",
      danger: true,
      word: row.channel,
      act: () => this.#do(row, "DELETE", "", `${row.channel} was deleted.`),
    });
  }
}

function kept({ age_s, count: messages, bytes: size } = {}) {
  const parts = [age_s && age(age_s * 1000), messages && `${count(messages)} messages`, size && bytes(size)];
  return parts.filter(Boolean).join(", ") || "all";
}
