// The open channel: its messages, in a list that draws what is seen.

import { make } from "./dom.js";
import { List } from "./list.js";
import { drawMessage, guess } from "./message.js";
import { framed } from "./news.js";
import { title } from "./people.js";
import { sameDay } from "./time.js";
import { why } from "./words.js";

/** Messages of one person within this time stand together, in milliseconds. */
const TOGETHER_MS = 5 * 60_000;
/** So near to the first loaded row older ones are fetched. */
const SOON = 40;
/** What stands before the first message. */
const BEGIN = { begin: true };

export class Talk {
  #desk;
  #act;
  #scroller;
  #list;
  #room = null;
  #items = [BEGIN];
  #off = [];
  #places = new Map();
  #open = new Set();
  #query = "";
  #found = null;
  #toEnd;
  /** How many came while the reader was elsewhere in it. */
  #missed = 0;
  #update = framed(() => this.#changed());

  constructor(desk, { scroller, toEnd, act }) {
    [this.#desk, this.#scroller, this.#toEnd] = [desk, scroller, toEnd];
    this.#act = {
      ...act,
      why: (error) => why(error, this.#room.isDirect ? { not_found: "There is no account of that name." } : {}),
      again: (frame, isWanted) => desk.again(this.#room, frame, isWanted),
      fold: (frame) => this.#fold(frame),
    };
    this.#list = new List(scroller, {
      key: (item) => (item.begin ? "begin" : item.seq === undefined ? `k${item.key}` : `s${item.seq}`),
      sign: (index) => this.#sign(index),
      draw: (index, row) => this.#draw(index, row),
      guess: (index) => (index === 0 ? 90 : guess(this.#items[index], this.#shape(index), scroller.clientWidth)),
      moved: () => this.#moved(),
    });
    toEnd.addEventListener("click", () => {
      this.#list.toEnd();
      scroller.focus({ preventScroll: true });
    });
    desk.isAttended = (room) => room === this.#room && this.#isAttended();
    addEventListener("focus", () => this.#attend());
    document.addEventListener("visibilitychange", () => this.#attend());
  }

  /** Shows another room. */
  show(room) {
    if (this.#room !== null) {
      this.#places.set(this.#room.channel, this.#list.place);
    }
    this.#off.forEach((off) => off());
    this.#room = room;
    this.#missed = 0;
    this.#items = room === null ? [] : [BEGIN, ...room.messages, ...room.waiting];
    this.#off = [];
    if (room === null) {
      this.#list.reset(this.#items);
      return;
    }
    const spliced = (at, removed, added) => this.#spliced(at + 1, removed, room.messages.slice(at, at + added));
    this.#off.push(room.on("spliced", spliced), room.on("changed", this.#update));
    this.#off.push(room.on("waiting", (at, removed, added) => this.#waiting(at, removed, added)));
    this.#list.reset(this.#items, room.markAfter === null ? this.#places.get(room.channel) : undefined);
    this.toNew();
    this.#attend();
  }

  /** Goes to the first that is new, if it is loaded. */
  toNew() {
    const after = this.#room?.markAfter;
    const at = after == null ? -1 : this.#items.findIndex((item) => item.seq > after);
    if (at > 0 && this.#items.length - at > 5) {
      this.#list.reveal(at);
    }
  }

  toEnd() {
    this.#list.toEnd();
  }

  /** Marks what is looked for, and shows the message where it was found. */
  find(query, item) {
    this.#query = query;
    this.#found = item ?? null;
    const at = item === undefined ? -1 : this.#items.indexOf(item);
    at === -1 ? this.#list.refresh() : this.#list.reveal(at);
  }

  #spliced(at, removed, added) {
    const wasFirst = this.#items.length <= 1;
    this.#items.splice(at, removed, ...added);
    const isNewest = at + added.length + (this.#room?.waiting.length ?? 0) === this.#items.length;
    if (isNewest && !wasFirst && !this.#list.isAtEnd) {
      this.#missed += added.filter(({ from }) => from !== this.#desk.me).length;
    }
    this.#list.spliced(at, removed, added.length);
    if (wasFirst && this.#room?.markAfter != null) {
      this.toNew();
    }
    this.#attend();
  }

  #waiting(at, removed, added) {
    const from = 1 + this.#room.messages.length + at;
    this.#items.splice(from, removed, ...this.#room.waiting.slice(at, at + added));
    this.#list.spliced(from, removed, added);
    if (added > 0) {
      this.#list.toEnd();
    }
  }

  /** Entries of the outbox are other objects when they changed. */
  #changed() {
    const room = this.#room;
    if (room !== null) {
      room.waiting.forEach((entry, at) => (this.#items[1 + room.messages.length + at] = entry));
      this.#list.refresh();
      this.#attend();
    }
  }

  #shape(index) {
    const item = this.#items[index];
    const before = this.#items[index - 1];
    const isFirst = before?.at === undefined;
    const isNewDay = isFirst || !sameDay(before.at, item.at);
    const after = this.#room?.markAfter ?? null;
    const isNew = after !== null && item.seq > after && (isFirst || before.seq <= after) && item.from !== this.#desk.me;
    const me = this.#desk.me;
    const isGrouped =
      !isNewDay &&
      !isNew &&
      (item.from ?? me) === (before.from ?? me) &&
      new Date(item.at) - new Date(before.at) < TOGETHER_MS;
    return { day: isNewDay, isNew, isGrouped, readers: [] };
  }

  /** Who read up to this message, and not the next one. */
  #readers(index) {
    const [item, next] = [this.#items[index], this.#items[index + 1]];
    if (item.seq === undefined) {
      return [];
    }
    const reads = [...this.#room.reads].filter(
      ([user, seq]) => seq >= item.seq && !(next?.seq <= seq) && user !== item.from,
    );
    return reads.map(([user]) => user);
  }

  #sign(index) {
    const item = this.#items[index];
    if (item.begin) {
      return `${this.#room?.older} ${this.#room?.fault?.code} ${this.#room?.isFilled} ${this.#room?.topic}`;
    }
    const { day, isNew, isGrouped } = this.#shape(index);
    const found = this.#query === "" ? "" : `${this.#query}${item === this.#found}`;
    return `${item.state} ${day} ${isNew} ${isGrouped} ${this.#readers(index)} ${found}`;
  }

  #draw(index, row) {
    const item = this.#items[index];
    if (item.begin) {
      this.#begin(row);
      return;
    }
    const shape = { ...this.#shape(index), readers: this.#readers(index) };
    const isOpen = this.#open.has(item);
    drawMessage(row, item, shape, { me: this.#desk.me, act: this.#act, query: this.#query, isOpen });
    row.classList.toggle("found", item === this.#found);
  }

  #begin(row) {
    const room = this.#room;
    row.className = "begin";
    if (room.fault !== null) {
      row.replaceChildren(make("p", { class: "fault" }, why(room.fault)));
    } else if (room.isFilled && !room.older) {
      const direct = room.peer === this.#desk.me ? "Notes to yourself." : "Only you two read what is said here.";
      const words = room.topic || (room.isDirect ? direct : "This is where it begins.");
      const name = make("bdi", {}, title(room.channel, this.#desk.me));
      row.replaceChildren(make("h2", {}, name), make("p", { dir: "auto" }, words));
    } else {
      row.replaceChildren(make("p", { class: "soft" }, "Loading …"));
    }
  }

  #fold(frame) {
    const isOpen = !this.#open.delete(frame);
    if (isOpen) {
      this.#open.add(frame);
    }
    return isOpen;
  }

  /** What is seen has changed. */
  #moved() {
    const room = this.#room;
    if (room === null) {
      return;
    }
    const { isAtEnd, seen } = this.#list;
    if (room.isFilled && room.older && seen[0] < SOON) {
      this.#desk.older(room).catch(() => {});
    }
    if (isAtEnd) {
      this.#missed = 0;
      this.#attend();
    }
    this.#toEnd.hidden = isAtEnd;
    this.#toEnd.textContent = this.#missed === 0 ? "To the newest" : `${this.#missed} new`;
  }

  #isAttended() {
    const isShown = document.visibilityState === "visible" && this.#scroller.offsetParent !== null;
    return this.#list.isAtEnd && isShown && document.hasFocus();
  }

  #attend() {
    if (this.#room !== null && this.#isAttended()) {
      this.#desk.attend(this.#room);
    }
  }
}
