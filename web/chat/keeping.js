// What a browser keeps: who is signed in, what was being written, how the page is to look. For this tab alone, or for
// longer; a browser that keeps nothing is no reason to fail.

/** Pages below other paths of one host are other servers. */
const ROOT = new URL(".", location.href).pathname;
const named = (what) => `parlor ${ROOT} ${what}`;

/** A storage that never throws. */
function calm(storage) {
  const tried = (act) => {
    try {
      return act(storage());
    } catch {
      return null;
    }
  };
  return {
    getItem: (name) => tried((kept) => kept.getItem(named(name))),
    setItem: (name, value) => tried((kept) => kept.setItem(named(name), value)),
    removeItem: (name) => tried((kept) => kept.removeItem(named(name))),
  };
}

const tab = calm(() => sessionStorage);
const lasting = calm(() => localStorage);

function read(storage, name) {
  try {
    return JSON.parse(storage.getItem(name));
  } catch {
    return null;
  }
}

/** Who is signed in: `{ user, token, guest, stays }`, if anybody is. */
export function signedIn() {
  const kept = read(tab, "session") ?? read(lasting, "session");
  return typeof kept?.token === "string" && typeof kept.user === "string" ? kept : null;
}

/** Keeps who is signed in: for this tab, or, if it `stays`, until the sign-out. */
export function signIn(session) {
  signOut();
  (session.stays ? lasting : tab).setItem("session", JSON.stringify(session));
}

/** Forgets who was. */
export function signOut() {
  tab.removeItem("session");
  lasting.removeItem("session");
}

/** Where the client keeps what has not been sent. */
export const storage = (stays) => (stays ? lasting : tab);

/** What somebody was writing, by channel. */
export class Drafts {
  #storage;
  #name;
  #all;

  constructor(user, stays) {
    [this.#storage, this.#name] = [storage(stays), `drafts of ${user}`];
    this.#all = new Map(Object.entries(read(this.#storage, this.#name) ?? {}));
  }

  of(channel) {
    const text = this.#all.get(channel);
    return typeof text === "string" ? text : "";
  }

  keep(channel, text) {
    if (text.trim() === "") {
      this.#all.delete(channel);
    } else {
      this.#all.set(channel, text);
    }
    this.#storage.setItem(this.#name, JSON.stringify(Object.fromEntries(this.#all)));
  }
}

/** A setting of this browser's, by its name; `null` if it was never set. */
export const setting = (name) => lasting.getItem(name);
export const set = (name, value) => lasting.setItem(name, value);
