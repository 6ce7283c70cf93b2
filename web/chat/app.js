// The page of one who is in: puts the parts together.

import { openAccount } from "./account.js";
import { Composer } from "./composer.js";
import { Desk } from "./desk.js";
import { find, make, say } from "./dom.js";
import { join, openGo } from "./go.js";
import { Head } from "./head.js";
import { Drafts } from "./keeping.js";
import { keyed } from "./keys.js";
import { Members } from "./members.js";
import { invite, openMore } from "./more.js";
import { text } from "./message.js";
import { notifying } from "./notify.js";
import { avatar, called, named } from "./people.js";
import { openPerson } from "./person.js";
import { openPicker } from "./picker.js";
import { Places } from "./places.js";
import { Search } from "./search.js";
import { Talk } from "./talk.js";
import { why } from "./words.js";

const narrow = matchMedia("(max-width: 760px)");
/** So many of the last messages are kept for who hears them read out. */
const HEARD = 6;

export class App {
  #desk;
  #leave;
  #talk;
  #composer;
  #members;
  #places;
  #search;
  #head;
  #isWithMembers = false;

  /** Shows what the client of `session` hears; `leave` signs out. */
  constructor(client, accounts, session, leave) {
    const desk = new Desk(client, accounts, session);
    [this.#desk, this.#leave] = [desk, leave];
    const person = (user, anchor) => openPerson(desk, user, anchor, (words) => this.#composer.insert(words));
    this.#talk = new Talk(desk, { scroller: find("scroller"), toEnd: find("to-end"), act: { person } });
    this.#composer = new Composer(desk, new Drafts(session.user, session.stays));
    this.#members = new Members(desk, { person, invite: (room) => invite(desk, room) });
    this.#places = new Places(desk);
    this.#search = new Search(desk, this.#talk);
    this.#head = new Head(desk);
    find("me").append(avatar(session.user), named(session.user));
    this.#hear();
    this.#click();
    notifying(desk);
    keyed({
      go: () => this.#go(),
      search: () => desk.room !== null && this.#search.open(),
      isSearching: () => this.#search.isOpen,
      move: (by, unread) => this.#move(by, unread),
      scroll: ({ key }) => this.#page(key === "PageUp" ? -0.9 : 0.9),
      escape: () => this.#escape(),
      focus: () => this.#composer.focus(),
    });
    document.documentElement.dataset.at = "desk";
    addEventListener("hashchange", () => this.#route());
    this.#route();
    this.#first();
  }

  #hear() {
    const desk = this.#desk;
    let off = () => {};
    desk.on("open", (room) => {
      off();
      off = room?.on("changed", () => this.#composer.update()) ?? off;
      this.#search.close();
      this.#talk.show(room);
      this.#composer.show(room);
      this.#members.show(room, this.#isWithMembers && room?.isMember);
    });
    desk.on("fault", (error) => error.name !== "Disconnected" && say(why(error)));
    desk.on("invited", (room) => say(`You are invited to #${room.channel}.`));
    desk.on("message", (room, frame) => this.#readOut(room, frame));
  }

  #click() {
    const on = (id, act) => find(id).addEventListener("click", act);
    on("go", () => this.#go());
    on("add-channel", () => this.#go("channels"));
    on("add-person", () => this.#go("people"));
    on("me", () => openAccount(this.#desk, find("me"), this.#leave));
    on("back", () => (location.hash = ""));
    on("open-search", () => this.#search.open());
    on("open-members", () => this.#showMembers(!this.#isWithMembers));
    on("close-members", () => this.#showMembers(false));
    on("open-more", () =>
      openMore(this.#desk, find("open-more"), {
        search: () => this.#search.open(),
        members: () => this.#showMembers(true),
      }),
    );
    on("join", async () => {
      await join(this.#desk, this.#desk.room.channel);
      this.#composer.focus();
    });
    on("emoji", () => openPicker(find("emoji"), (emoji) => this.#composer.insert(emoji)));
    on("skip", () => this.#composer.focus());
  }

  /** Where one lands who comes without an address: in the lobby, if there is one, or where one was. */
  async #first() {
    const desk = this.#desk;
    await new Promise((done) => {
      const off = desk.on("places", () => (off(), done()));
    });
    if (desk.room !== null || narrowed()) {
      return;
    }
    const mine = desk.places();
    if (mine.length > 0) {
      location.replace(mine.find(({ channel }) => channel === "lobby")?.hash ?? mine[0].hash);
      return;
    }
    try {
      await desk.join(desk.at("lobby"));
      location.replace("#lobby");
    } catch {
      this.#go("channels");
    }
    // On a phone the list comes first, unless it has nothing to show.
    function narrowed() {
      return narrow.matches && desk.places().length > 0;
    }
  }

  #route() {
    const { hash } = location;
    find("app").dataset.pane = hash.length > 1 ? "talk" : "places";
    this.#desk.open(hash.length > 1 ? hash : null);
    if (!narrow.matches) {
      this.#composer.focus();
    }
  }

  /** Has a screen reader say what is new in the open room. */
  #readOut(room, frame) {
    if (room === this.#desk.room && frame.from !== this.#desk.me) {
      const place = find("heard");
      place.append(make("p", {}, `${called(frame.from)}: ${text(frame.body).slice(0, 500)}`));
      while (place.children.length > HEARD) {
        place.firstElementChild.remove();
      }
    }
  }

  #go(only) {
    const hints = { channels: "Find or create a channel", people: "Whom to write to" };
    const hint = hints[only] ?? "Go to a channel or a person";
    openGo(this.#desk, { only, heading: hint, hint });
  }

  #showMembers(on) {
    this.#isWithMembers = on;
    this.#members.show(this.#desk.room, on && this.#desk.room !== null);
    this.#head.isWithMembers = on;
    (on ? find("close-members") : find("open-members")).focus();
  }

  /** Scrolls by so many windows. */
  #page(by) {
    const scroller = find("scroller");
    scroller.scrollBy({ top: by * scroller.clientHeight });
  }

  /** To the next place in the list. */
  #move(by, unread) {
    const all = this.#places.hashes();
    const wanted = new Set(this.#places.hashes(unread));
    const from = all.indexOf(location.hash);
    for (let step = 1; step <= all.length; step += 1) {
      const at = (from + by * step + all.length * step) % all.length;
      if (wanted.has(all[at])) {
        location.hash = all[at];
        return;
      }
    }
  }

  #escape() {
    if (this.#search.isOpen) {
      this.#search.close();
    } else if (narrow.matches && this.#isWithMembers) {
      this.#showMembers(false);
    } else if (this.#desk.room !== null) {
      this.#desk.room.markAfter = null;
      this.#desk.room.tell("changed");
      this.#talk.toEnd();
    }
    this.#composer.focus();
  }
}
