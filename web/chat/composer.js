// Where one writes: several lines, a draft for each channel, what one said before by the arrow up, names and emoji by
// their beginnings.

import { Complete } from "./complete.js";
import { find, write } from "./dom.js";

/** At most so often one says that one types, in milliseconds. */
const TYPING_MS = 3000;
/** On glass the key for a new line makes one. */
const glass = matchMedia("(hover: none) and (pointer: coarse)");

export class Composer {
  #desk;
  #drafts;
  #form = find("composer");
  #area = find("area");
  #send = find("send");
  #note = find("note");
  #room = null;
  #typed = 0;
  /** Where one is in what one said before; -1 for not at all. */
  #past = -1;
  #complete;

  constructor(desk, drafts) {
    [this.#desk, this.#drafts] = [desk, drafts];
    this.#complete = new Complete(this.#area, find("choices"), desk);
    this.#area.addEventListener("input", () => this.#input());
    this.#area.addEventListener("keydown", (event) => this.#key(event));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** Writes to another room from now on. */
  show(room) {
    this.#room = room;
    this.#past = -1;
    this.#complete.close();
    this.#area.value = room === null ? "" : this.#drafts.of(room.channel);
    this.#fit();
    this.update();
  }

  /** Whether one may speak here has perhaps changed. */
  update() {
    const room = this.#room;
    const isIn = room?.isMember || !this.#desk.isReady || (room?.isDirect && room.fault === null);
    const isOpen = room !== null && isIn && room.role !== "muted";
    this.#form.hidden = !isOpen;
    this.#area.placeholder = room === null ? "" : room.isDirect ? "Write a message" : `Write to #${room.channel}`;
    this.#area.setAttribute("aria-label", room === null ? "Message" : `Message to ${room.hash.replace(/^#@/, "@")}`);
  }

  focus() {
    if (!this.#form.hidden) {
      this.#area.focus({ preventScroll: true });
    }
  }

  /** Puts this where the caret is. */
  insert(text) {
    this.#area.focus();
    const { selectionStart, selectionEnd, value } = this.#area;
    const isWord = selectionStart > 0 && !/\s$/.test(value.slice(0, selectionStart));
    this.#area.setRangeText(`${isWord ? " " : ""}${text} `, selectionStart, selectionEnd, "end");
    this.#input();
  }

  #input() {
    this.#past = -1;
    this.#fit();
    this.#complete.update();
    if (this.#room === null) {
      return;
    }
    this.#drafts.keep(this.#room.channel, this.#area.value);
    const now = Date.now();
    if (this.#area.value.trim() !== "" && now - this.#typed > TYPING_MS && this.#room.isHeard) {
      this.#typed = now;
      this.#desk.client.typing(this.#room.channel).catch(() => {});
    }
  }

  /** As high as the text, up to a bound. */
  #fit() {
    this.#area.style.height = "auto";
    this.#area.style.height = `${this.#area.scrollHeight}px`;
    const text = this.#area.value.trim();
    const over = this.#excess(text);
    this.#send.disabled = text === "" || over > 0;
    write(this.#note, over > 0 ? `Too long by ${over.toLocaleString()} bytes` : "");
  }

  #excess(text) {
    const most = this.#desk.client.limits?.body_bytes;
    return most === undefined || text.length * 3 < most
      ? 0
      : new TextEncoder().encode(JSON.stringify({ text })).length - most;
  }

  #submit() {
    const text = this.#area.value.trim();
    if (text === "" || this.#room === null || this.#excess(text) > 0) {
      return;
    }
    this.#desk.send(this.#room, { text });
    this.#typed = 0;
    this.#set("");
    this.#drafts.keep(this.#room.channel, "");
    this.focus();
  }

  #set(text) {
    this.#area.value = text;
    this.#area.setSelectionRange(text.length, text.length);
    this.#complete.close();
    this.#fit();
  }

  #key(event) {
    if (event.isComposing || this.#complete.key(event)) {
      return;
    }
    const { key, shiftKey } = event;
    if (key === "Enter" && !shiftKey && !glass.matches) {
      event.preventDefault();
      this.#submit();
    } else if ((key === "ArrowUp" || key === "ArrowDown") && !shiftKey && !event.altKey) {
      if (this.#recall(key === "ArrowUp")) {
        event.preventDefault();
      }
    }
  }

  /** Brings back what was said before that, or after; says whether it did. */
  #recall(isUp) {
    const isPast = this.#past >= 0;
    if (this.#room === null || (this.#area.value !== "" && !isPast) || (!isUp && !isPast)) {
      return false;
    }
    const said = this.#room.said();
    const next = this.#past + (isUp ? 1 : -1);
    if (next >= said.length) {
      return isPast;
    }
    this.#set(next < 0 ? "" : said[next]);
    this.#past = next;
    return true;
  }
}
