// Actors by kind: how many there are, what waits for them, and who is slowest.

import { find } from "./dom.js";
import { age, count, rate, took } from "./format.js";
import { Part } from "./part.js";
import { Table } from "./table.js";

/** Longer than this no message should wait, in milliseconds. */
const LONG = 1000;

/** The table of actors. */
export class Actors {
  #api;
  part = new Part("actors");
  #table;
  #history;
  /** The newest answer. */
  kinds = [];

  constructor(api, history) {
    [this.#api, this.#history] = [api, history];
    const last = (what) => (row) => this.#history.last(`${what} ${row.kind}`);
    const number = "number";
    const columns = [
      { name: "Kind", of: (row) => row.kind },
      { name: "Live", kind: number, of: (row) => count(row.live) },
      { name: "Waiting", kind: number, of: (row) => count(row.mailbox_depth) },
      {
        name: "Oldest",
        kind: number,
        of: (row) => oldest(row),
        odd: (row) => row.mailbox_depth > 0 && row.oldest_ms > LONG,
      },
      { name: "Most ever", kind: number, of: (row) => count(row.mailbox_high_water) },
      { name: "Per second", kind: number, of: (row) => rate(last("handled")(row)) },
      { name: "Handling 99 %", kind: number, of: (row) => took(last("handle")(row)) },
      { name: "Since start 99 %", kind: number, of: (row) => took(row.handled > 0 ? row.handle_seconds?.p99 : null) },
      { name: "Panics", kind: number, of: (row) => count(row.panics), odd: (row) => row.panics > 0 },
      { name: "Resting", kind: number, of: (row) => count(row.resting), odd: (row) => row.resting > 0 },
    ];
    const label = "Actors by kind";
    this.#table = new Table(find("actors-table"), { label, columns, key: (row) => row.kind, none: "No actors.", more });
  }

  /** Asks for them anew. */
  refresh() {
    return this.part.fill(
      (signal) => this.#api.ask("v1/admin/actors", { signal }),
      ({ actors }) => {
        this.kinds = actors;
        this.#table.update(actors);
      },
    );
  }
}

function oldest(row) {
  return row.mailbox_depth === 0 ? "–" : row.oldest_ms < 2000 ? `${count(row.oldest_ms)} ms` : age(row.oldest_ms);
}

/** What a kind is unfolded to: `[term, text]`. */
function more(row) {
  const listed = (all, words) => (all ?? []).map(words).join("\n") || "–";
  const counted = (all) =>
    Object.entries(all ?? {})
      .filter(([, n]) => n > 0)
      .sort(([, one], [, other]) => other - one)
      .map(([name, n]) => `${name}  ${count(n)}`)
      .join("\n") || "–";
  const parts = [
    ["Handled since the start", count(row.handled)],
    ["Times since the start", spread(row)],
    ["Rebuilt after a panic", count(row.restarts)],
  ];
  if (row.started !== undefined) {
    parts.push(["Started", count(row.started)], ["Stopped", counted(row.stopped)]);
  }
  if (row.slowest !== undefined) {
    parts.push(["Slowest", listed(row.slowest, (it) => `${it.name}  ${it.message}  ${took(it.handle_ms / 1000)}`)]);
  }
  if (row.deepest !== undefined) {
    parts.push([
      "Deepest mailboxes",
      listed(row.deepest, (it) => `${it.name}  ${count(it.depth)}, oldest ${took(it.oldest_ms / 1000)}`),
    ]);
  }
  if (row.handled_by !== undefined) {
    parts.push(["Handled, by message", counted(row.handled_by)]);
  }
  return parts;
}

function spread({ handle_seconds: handle, wait_seconds: wait }) {
  const three = (of) => `${took(of.p50)}, 90 % ${took(of.p90)}, 99 % ${took(of.p99)}`;
  return handle && wait ? `handling: median ${three(handle)}\nwaiting: median ${three(wait)}` : "–";
}
