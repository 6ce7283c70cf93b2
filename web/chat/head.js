// The head of the open channel, and what changes with it: its name, how it stands with the line to the server, who
// types, and whether one has to join first.

import { find, write } from "./dom.js";
import { framed } from "./news.js";
import { titled } from "./notify.js";
import { called, title } from "./people.js";
import { presence } from "./person.js";
import { line } from "./words.js";

export class Head {
  #desk;
  #isWithMembers = false;
  #ticks = 0;
  #update = framed(() => this.#draw());

  constructor(desk) {
    this.#desk = desk;
    let off = [];
    desk.on("open", (room) => {
      off.forEach((one) => one());
      off = room === null ? [] : [room.on("changed", this.#update), room.on("typing", () => this.#typing())];
      this.#draw();
      this.#typing();
    });
    for (const sort of ["places", "people"]) {
      desk.on(sort, this.#update);
    }
    desk.on("line", () => this.#line());
    find("line").addEventListener("click", () => desk.client.retryNow());
    this.#line();
  }

  /** Whether the members are wanted beside the messages. */
  set isWithMembers(on) {
    this.#isWithMembers = on;
    this.#draw();
  }

  #draw() {
    const { room, me } = this.#desk;
    titled(this.#desk);
    find("talk").dataset.room = room === null ? "none" : "some";
    write(find("title"), room === null ? "Parlor" : title(room.channel, me));
    write(find("about"), room === null ? "Choose a channel, or find one." : this.#about(room));
    for (const id of ["open-search", "open-members", "open-more"]) {
      find(id).hidden = room === null || (id === "open-members" && room.isDirect);
    }
    find("members").hidden = !this.#isWithMembers || room === null || room.isDirect || !room.isMember;
    find("open-members").setAttribute("aria-expanded", String(!find("members").hidden));
    this.#mayJoin(room);
  }

  #about(room) {
    if (room.isDirect) {
      return room.peer === this.#desk.me ? "Notes to yourself" : presence(this.#desk.company.people.get(room.peer));
    }
    const here = room.online === null ? "" : `${room.online.toLocaleString()} here`;
    return [room.isPrivate ? "Private" : "", room.topic, here].filter(Boolean).join(" · ");
  }

  /** Of a channel to which one does not belong: what it is, and the way in. */
  #mayJoin(room) {
    const isOutside = room !== null && !room.isMember && !room.isDirect && this.#desk.isReady;
    find("join-bar").hidden = !isOutside;
    if (isOutside) {
      const isGone = room.fault?.code === "not_found";
      const gone = `There is no #${room.channel}, or it is not for you.`;
      const words = isGone ? gone : `You are not in #${room.channel}.`;
      write(find("join-words"), room.isInvited ? `You are invited to #${room.channel}.` : words);
      write(find("join"), isGone ? "Create or join" : "Join");
    }
  }

  #typing() {
    const users = this.#desk.room?.typing() ?? [];
    const names = users.slice(0, 2).map(called).join(" and ");
    const words = users.length > 2 ? "Several people are" : `${names} ${users.length === 1 ? "is" : "are"}`;
    write(find("typing"), users.length === 0 ? "" : `${words} typing …`);
  }

  /** How it stands with the server, in words; while it waits, twice a second anew. */
  #line() {
    const { state, transport, retryAt, outbox } = this.#desk.client;
    const waiting = outbox.filter(({ state }) => state !== "failed").length;
    const { level, text, more } = line({ state, transport, waiting, retryAt, now: Date.now() });
    const [shown, said] = [find("line"), find("line-said")];
    shown.dataset.level = level;
    shown.title = more;
    write(shown.querySelector("span:last-child"), text);
    if (said.dataset.level !== level) {
      said.dataset.level = level;
      write(said, level === "good" ? text : "The server cannot be reached. What you write is sent later.");
    }
    clearTimeout(this.#ticks);
    if (retryAt !== null) {
      this.#ticks = setTimeout(() => this.#line(), 500);
    }
  }
}
