// Going somewhere: to a channel or a person, found by some letters; or to a channel that is not there yet.

import { ask } from "./dialog.js";
import { make, say } from "./dom.js";
import { avatar, direct, named } from "./people.js";
import { why } from "./words.js";

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const MOST = 60;

/** Opens the search for a place. `only` keeps to "channels" or "people". */
export function openGo(desk, { only, heading, hint }) {
  const input = make("input", {
    type: "text",
    role: "combobox",
    placeholder: hint,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    "aria-label": hint,
    "aria-controls": "go-list",
    "aria-expanded": "true",
    "aria-autocomplete": "list",
  });
  const list = make("ul", { id: "go-list", role: "listbox", "aria-label": "Places" });
  const empty = make("p", { class: "soft", role: "status" });
  const title = make("h2", { class: "unseen", id: "go-title" }, heading);
  const dialog = make("dialog", { class: "go", "aria-labelledby": "go-title" }, title, input, list, empty);
  let [others, choices, chosen] = [[], [], 0];

  const draw = () => {
    const text = input.value.trim().toLowerCase().replace(/^[#@]/, "").replace(/\s+/g, "-");
    choices = found(desk, others, text, only).slice(0, MOST);
    chosen = Math.min(chosen, Math.max(0, choices.length - 1));
    const rows = choices.map(({ content, act }, at) => {
      const row = make("li", { role: "option", id: `go-${at}`, "aria-selected": String(at === chosen) }, ...content);
      row.addEventListener("click", () => take(act));
      return row;
    });
    list.replaceChildren(...rows);
    empty.textContent = rows.length > 0 ? "" : text === "" ? "Nothing here yet. Type a name." : "Nothing of that name.";
    input.setAttribute("aria-activedescendant", rows.length > 0 ? `go-${chosen}` : "");
    rows[chosen]?.scrollIntoView({ block: "nearest" });
  };
  const take = (act) => {
    dialog.close();
    act();
  };
  input.addEventListener("input", () => {
    chosen = 0;
    draw();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : choices.length - 1)) % Math.max(1, choices.length);
      draw();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      choices[chosen] && take(choices[chosen].act);
    }
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
  draw();
  if (only !== "people") {
    everywhere(desk).then((channels) => {
      others = channels;
      draw();
    });
  }
}

/** The channels that one may see, the first thousand. */
async function everywhere({ accounts, client }) {
  try {
    const { channels } = await accounts.channels({ limit: 1000, token: client.token });
    return channels.filter(({ channel }) => !channel.startsWith("@"));
  } catch {
    return [];
  }
}

/** What fits: what is one's own first, then the people, then other channels, then what is not there yet. */
function found(desk, others, text, only) {
  const known = new Set();
  const fits = (name, key) => name.includes(text) && !known.has(key) && known.add(key);
  const all = own(desk, fits, only);
  if (only !== "channels" && !desk.guest) {
    all.push(...people(desk, fits, text));
  }
  if (only !== "people") {
    for (const { channel, title } of others.filter(({ channel }) => fits(channel, `#${channel}`))) {
      const topic = title ? [make("small", { dir: "auto" }, title)] : [];
      all.push({ content: [...sign(channel), ...topic, note("Join")], act: () => join(desk, channel) });
    }
    if (NAME.test(text) && fits(text, `#${text}`)) {
      const content = [make("span", { class: "hash" }, "+"), "Create ", make("b", {}, `#${text}`)];
      all.push({ content, act: () => create(desk, text) });
    }
  }
  return all;
}

const opens = (hash) => () => (location.hash = hash);

/** The places in one's list, those with something new before the others. */
function own(desk, fits, only) {
  const isWanted = (room) => only === undefined || room.isDirect === (only === "people");
  const rooms = desk.places().filter((room) => isWanted(room) && fits(room.peer ?? room.channel, room.hash));
  rooms.sort((one, other) => Math.min(1, other.unread) - Math.min(1, one.unread));
  return rooms.map(({ isDirect, peer, channel, unread, hash }) => {
    const more = unread > 0 ? [note(`${unread} unread`)] : [];
    return { content: [...(isDirect ? person(peer) : sign(channel)), ...more], act: opens(hash) };
  });
}

/** Accounts of whom this page has heard, and one of this very name. */
function people({ me, room, company, rooms }, fits, text) {
  const isOwn = (user) => rooms.get(direct(user, me))?.isMember === true;
  const spoke = (room?.messages ?? []).slice(-200).map(({ from }) => from);
  const all = [...new Set([...company.contacts, ...(room?.members?.keys() ?? []), ...spoke])];
  const rows = all.filter((user) => !user.startsWith("~") && fits(user, `#@${user}`)).map((user) => {
    const more = user === me ? [note("Notes to yourself")] : [];
    return { content: [...person(user), ...more], act: opens(`#@${user}`) };
  });
  if (/^[a-z0-9][a-z0-9_.-]{0,63}$/.test(text) && !all.includes(text) && !isOwn(text)) {
    rows.push({ content: [...person(text), note("Write to this name")], act: opens(`#@${text}`) });
  }
  return rows;
}

const note = (text) => make("span", { class: "note" }, text);
const person = (user) => [avatar(user, "small"), named(user)];
const sign = (name) => [make("span", { class: "hash", "aria-hidden": "true" }, "#"), make("bdi", {}, name)];

/** Joins a channel and opens it. */
export async function join(desk, name) {
  try {
    await desk.join(desk.at(name));
    location.hash = `#${name}`;
  } catch (error) {
    const gone = `There is no #${name}, or it is not for you.`;
    const own = { not_found: gone, forbidden: `You are banned from #${name}.` };
    say(why(error, own));
  }
}

/** Makes a channel: a guest may only join what is not there, and that makes it where it may. */
function create(desk, name) {
  if (desk.guest) {
    join(desk, name);
    return;
  }
  ask({
    title: `Create #${name}`,
    text: "Whoever creates a channel owns it.",
    action: "Create",
    fields: [
      { name: "title", words: "What it is about (optional)", value: "", kind: "text" },
      { name: "private", words: "Private: only who is invited sees it", value: "on", kind: "checkbox" },
    ],
    act: async ({ title, private: isPrivate }) => {
      try {
        await desk.client.create(name, { ...(title.trim() && { title: title.trim() }), private: isPrivate === "on" });
      } catch (error) {
        throw new Error(why(error, { conflict: "This name is taken." }));
      }
      await join(desk, name);
    },
  });
}
