// Sessions: who is there, for whom much waits, and an end to one of them.

import { query } from "./api.js";
import { ask } from "./dialog.js";
import { find, make, say } from "./dom.js";
import { age, bytes, count } from "./format.js";
import { Part, searched } from "./part.js";
import { Table } from "./table.js";

const LIMIT = 50;
/** So many are shown at first. */
const FEW = 10;
/** More than this waiting for one client is much, in bytes. */
export const MUCH = 65_536;

/** The table of sessions. */
export class Sessions {
  #api;
  part = new Part("sessions");
  #form = find("sessions-search");
  #table;
  /** Those of the newest answer that are not narrowed by a search. */
  slow = [];

  constructor(api) {
    this.#api = api;
    const number = "number";
    const columns = [
      { name: "User", kind: "name", of: (row) => row.user },
      { name: "Address", kind: "name", of: (row) => row.address },
      { name: "Transport", of: (row) => row.transport },
      { name: "Client", kind: "name", of: (row) => row.client ?? "–" },
      { name: "Since", kind: number, of: (row) => age(Date.now() - Date.parse(row.since)) },
      { name: "Silent", kind: number, of: (row) => age(row.silent_ms) },
      { name: "Channels", kind: number, of: (row) => count(row.channels) },
      { name: "Waiting", kind: number, of: (row) => bytes(row.queued_bytes), odd: (row) => row.queued_bytes > MUCH },
      { name: "Actions", kind: "doing", show: (cell, row) => this.#offer(cell, row) },
    ];
    const none = "No sessions.";
    this.#table = new Table(find("sessions-table"), {
      label: "Sessions",
      columns,
      key: (row) => row.sid,
      none,
      few: FEW,
    });
    searched(this.#form, () => this.refresh());
  }

  /** Asks for them anew. */
  refresh() {
    const wanted = Object.fromEntries(new FormData(this.#form));
    const path = query("v1/admin/sessions", { sort: "queued", limit: LIMIT, ...wanted });
    return this.part.fill(
      (signal) => this.#api.ask(path, { signal }),
      ({ sessions, count: all }) => {
        const rows = sessions.sort((one, other) => other.queued_bytes - one.queued_bytes);
        if (Object.values(wanted).every((text) => text === "")) {
          this.slow = rows.filter((row) => row.queued_bytes > MUCH);
        }
        const more =
          all > rows.length ? `${count(rows.length)} of ${count(all)}: search to see others.` : `${count(all)} in all.`;
        this.#table.update(rows, more);
      },
    );
  }

  #offer(cell, row) {
    cell.append(make("button", { type: "button", class: "small danger", onclick: () => this.#end(row()) }, "End …"));
    const name = () => `End the session of ${row().user} at ${row().address}`;
    cell.firstChild.setAttribute("aria-label", name());
  }

  #end({ sid, user, address, transport }) {
    return ask({
      title: "End this session?",
      text: `${user} at ${address}, over ${transport} (${sid}). Its client is told not to come back by itself.`,
      action: "End the session",
      danger: true,
      act: async () => {
        await this.#api.ask(`v1/admin/sessions/${encodeURIComponent(sid)}`, { method: "DELETE" });
        say(`The session of ${user} has ended.`);
        await this.refresh();
      },
    });
  }
}
