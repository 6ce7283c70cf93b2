// The list at the side: the channels and the people, with what is unread and who is there.

import { find, make } from "./dom.js";
import { framed } from "./news.js";
import { avatar, called, named } from "./people.js";
import { presence } from "./person.js";

export class Places {
  #desk;
  #channels = find("channels");
  #persons = find("persons");
  #links = new Map();
  #update = framed(() => this.#draw());

  constructor(desk) {
    this.#desk = desk;
    for (const sort of ["places", "people", "open"]) {
      desk.on(sort, this.#update);
    }
    find("people-part").hidden = desk.guest;
    this.#draw();
  }

  /** The addresses of the list, from top to bottom; with `unread`, of those with something new. */
  hashes(unread = false) {
    const links = [...document.querySelectorAll("#places .place")];
    const wanted = links.filter((link) => !unread || link.classList.contains("unread"));
    return wanted.map((link) => link.hash);
  }

  #draw() {
    const { me } = this.#desk;
    const places = this.#desk.places();
    const people = new Map(places.filter(({ isDirect }) => isDirect).map((room) => [room.peer, room]));
    for (const user of this.#desk.company.contacts) {
      if (!user.startsWith("~") && !people.has(user)) {
        people.set(user, null);
      }
    }
    const open = this.#desk.room;
    const isGone = open !== null && !open.isMember && open.isDirect && !people.has(open.peer);
    if (isGone) {
      people.set(open.peer, open);
    }
    const channels = places.filter(({ isDirect }) => !isDirect).map((room) => this.#channel(room));
    const names = [...people.keys()].sort();
    place(this.#channels, channels);
    place(this.#persons, names.map((user) => this.#person(user, people.get(user), user === me)));
    find("no-channels").hidden = channels.length > 0;
    find("no-people").hidden = names.length > 0;
  }

  #channel(room) {
    const sign = make("span", { class: "hash", "aria-hidden": "true" }, "#");
    return this.#link(room.hash, room, [sign, make("bdi", {}, room.channel)], room.channel);
  }

  #person(user, room, isMe) {
    const row = this.#desk.company.people.get(user);
    const isOnline = row?.state === "online";
    const face = avatar(user, `small ${isOnline ? "online" : "offline"}`);
    const words = isMe ? " (you)" : "";
    const said = `${called(user)}${words}${isOnline ? ", online" : ""}`;
    const link = this.#link(`#@${user}`, room, [face, named(user), words], said);
    link.title = presence(row);
    return link;
  }

  /** One line; the same element as before, as long as it says the same. */
  #link(hash, room, content, said) {
    const unread = room?.unread ?? 0;
    const isOpen = room !== null && room === this.#desk.room;
    const isLoud = unread > 0 && (room.isCalled || room.isDirect);
    const more = room?.isInvited ? ", you are invited" : unread > 0 ? `, ${unread} unread` : "";
    const sign = `${said} ${more} ${isOpen} ${isLoud}`;
    const known = this.#links.get(hash);
    if (known?.sign === sign) {
      return known.link;
    }
    const link = known?.link ?? make("a", { href: hash });
    link.className = `place${unread > 0 || room?.isInvited ? " unread" : ""}`;
    link.setAttribute("aria-label", said + more);
    isOpen ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
    link.replaceChildren(...content);
    if (room?.isInvited) {
      link.append(make("span", { class: "badge loud" }, "new"));
    } else if (unread > 0) {
      link.append(make("span", { class: `badge${isLoud ? " loud" : ""}` }, unread > 999 ? "999+" : String(unread)));
    }
    this.#links.set(hash, { link, sign });
    return link;
  }
}

/** Has a list hold these links, each in an item of its own, moving as few as may be. */
function place(list, links) {
  links.forEach((link, at) => {
    const item = list.children[at];
    if (item?.firstChild !== link) {
      const own = link.parentElement ?? make("li", {}, link);
      list.insertBefore(own, item ?? null);
    }
  });
  while (list.children.length > links.length) {
    list.lastElementChild.remove();
  }
}
