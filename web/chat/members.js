// The panel beside the messages: who belongs to the channel, who is here, and what they may do.

import { find, make, write } from "./dom.js";
import { framed } from "./news.js";
import { avatar, called, named } from "./people.js";
import { ROLES, keeps } from "./rights.js";
import { count } from "./time.js";
import { why } from "./words.js";

const PAGE = 200;
const RANK = ["owner", "moderator", "member", "muted"];

export class Members {
  #desk;
  #panel = find("members");
  #list = find("members-list");
  #more = find("members-more");
  #fault = find("members-fault");
  #filter = find("members-filter");
  #room = null;
  #after;
  #off = [];
  #person;
  #isStale = false;
  #render = framed(() => this.#draw());

  constructor(desk, { person, invite }) {
    [this.#desk, this.#person] = [desk, person];
    this.#more.addEventListener("click", () => this.#load());
    this.#filter.addEventListener("input", this.#render);
    find("invite").addEventListener("click", () => invite(this.#room));
    desk.on("people", this.#render);
    desk.on("line", () => this.#again());
  }

  /** Shows those of a room, as long as the panel is open. */
  async show(room, isOpen) {
    this.#off.forEach((off) => off());
    if (this.#room?.isWatched) {
      this.#room.isWatched = false;
      this.#desk.client.unwatch({ channel: this.#room.channel }).catch(() => {});
    }
    this.#room = isOpen ? room : null;
    if (this.#room === null) {
      this.#off = [];
      return;
    }
    this.#filter.value = "";
    this.#list.replaceChildren();
    this.#off = [room.on("member", (frame) => this.#changed(frame)), room.on("changed", this.#render)];
    room.members = new Map();
    this.#after = undefined;
    await this.#load();
    try {
      const { users } = await this.#desk.client.watch({ channel: room.channel });
      room.isWatched = true;
      this.#desk.company.take(users);
    } catch {
      // Too many to watch: what the list said of them stays.
    }
  }

  /** Who came and went while the line was cut nobody said. */
  #again() {
    const isOnline = this.#desk.client.state === "online";
    if (isOnline && this.#isStale && this.#room !== null) {
      this.#room.members = new Map();
      this.#after = undefined;
      this.#load();
    }
    this.#isStale = !isOnline;
  }

  async #load() {
    const room = this.#room;
    try {
      const { members, more } = await this.#desk.client.members(room.channel, { after: this.#after, limit: PAGE });
      for (const { user, role, online } of members) {
        room.members.set(user, { role, online });
        if (user === this.#desk.me) {
          room.role = role;
        }
      }
      this.#after = members.at(-1)?.user;
      this.#more.hidden = !more;
      write(this.#fault, "");
    } catch (error) {
      write(this.#fault, why(error));
    }
    room.tell("changed");
    this.#render();
  }

  #changed({ user, change, role }) {
    const { members } = this.#room;
    if (change === "joined" || change === "role") {
      members.set(user, { ...members.get(user), role: role ?? members.get(user)?.role ?? "member" });
    } else {
      members.delete(user);
    }
    this.#render();
  }

  #isOnline(user, row) {
    const state = this.#desk.company.people.get(user)?.state;
    return state === undefined || state === "unknown" ? row.online === true : state === "online";
  }

  #draw() {
    const room = this.#room;
    if (room === null) {
      return;
    }
    const wanted = this.#filter.value.trim().toLowerCase();
    const all = [...room.members].filter(([user]) => user.includes(wanted));
    find("invite").hidden = room.isDirect || !keeps(room.role);
    write(find("members-count"), room.isDirect ? "" : count(room.members.size, "member"));
    this.#filter.hidden = room.members.size < 12 && wanted === "";
    const groups = [
      ["Here now", all.filter(([user, row]) => this.#isOnline(user, row))],
      ["Away", all.filter(([user, row]) => !this.#isOnline(user, row))],
    ];
    const focused = document.activeElement?.dataset?.member;
    const shown = groups.filter(([, rows]) => rows.length > 0);
    this.#list.replaceChildren(...shown.map(([name, rows]) => this.#group(name, rows)));
    if (focused !== undefined) {
      this.#list.querySelector(`[data-member="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    }
  }

  #group(name, rows) {
    rows.sort(([one, a], [other, b]) => RANK.indexOf(a.role) - RANK.indexOf(b.role) || (one < other ? -1 : 1));
    const items = rows.map(([user, row]) => make("li", {}, this.#row(user, row)));
    return make("section", {}, make("h3", {}, `${name} – ${rows.length.toLocaleString()}`), make("ul", {}, ...items));
  }

  #row(user, row) {
    const isOnline = this.#isOnline(user, row);
    const face = avatar(user, isOnline ? "online" : "offline");
    const role = row.role === "member" ? null : (ROLES[row.role] ?? row.role);
    const button = make("button", { type: "button", class: "person", "data-member": user }, face, named(user));
    if (user === this.#desk.me) {
      button.append(make("small", {}, "you"));
    }
    if (role !== null) {
      button.append(make("span", { class: `role ${row.role}` }, role));
    }
    const words = [called(user), isOnline ? "here now" : "away", role];
    button.setAttribute("aria-label", words.filter(Boolean).join(", "));
    button.setAttribute("aria-haspopup", "menu");
    button.addEventListener("click", () => this.#person(user, button));
    return button;
  }
}
