// What may be done with somebody: written to, kept among the contacts, given a role, put out.

import { ask } from "./dialog.js";
import { make, say } from "./dom.js";
import { openMenu } from "./menu.js";
import { avatar, called, named } from "./people.js";
import { ROLES, rights } from "./rights.js";
import { ago } from "./time.js";
import { why } from "./words.js";

const WORDS = { owner: "Make owner", moderator: "Make moderator", member: "Make an ordinary member", muted: "Mute" };

/** How somebody is: "online", "last seen 5 min ago". */
export function presence(row) {
  if (row?.state === "online") {
    return "online";
  }
  if (row === undefined || row.state === "unknown") {
    return "";
  }
  return row.last_seen === null || row.last_seen === undefined ? "offline" : `last seen ${ago(row.last_seen)}`;
}

/** Opens what may be done with a user, at this button. */
export function openPerson(desk, user, anchor, insert) {
  const { room, me, guest, client } = desk;
  const entries = [];
  const add = (words, act, isBad = false) => entries.push({ words, act, isBad });
  const tried = (act, done) => async () => {
    try {
      await act();
      say(done);
    } catch (error) {
      say(why(error));
    }
  };
  const isAccount = !user.startsWith("~");
  if (!guest && isAccount) {
    add(user === me ? "Notes to yourself" : "Write a message", () => (location.hash = `#@${user}`));
  }
  if (room !== null && !room.isDirect && user !== me) {
    add("Mention", () => insert(`@${user}`));
  }
  if (!guest && isAccount && user !== me) {
    const isContact = desk.company.contacts.has(user);
    const change = isContact ? { remove: [user] } : { add: [user] };
    const done = isContact ? "Taken from your contacts." : "Added to your contacts.";
    add(isContact ? "Remove from contacts" : "Add to contacts", tried(() => desk.company.befriend(change), done));
  }
  const theirs = room?.members?.get(user)?.role ?? "member";
  const mine = room?.role ?? "member";
  for (const right of room === null || room.isDirect ? [] : rights({ mine, theirs, user, me })) {
    if (right in ROLES) {
      const words = theirs === "muted" && right === "member" ? "Unmute" : WORDS[right];
      const done = `${called(user)}: ${ROLES[right].toLowerCase()}.`;
      add(words, tried(() => client.role(room.channel, user, right), done));
    } else {
      add(right === "kick" ? "Remove from the channel …" : "Ban …", () => out(desk, room, user, right), true);
    }
  }
  const row = desk.company.people.get(user);
  const about = [room?.members?.has(user) ? ROLES[theirs] : "", presence(row)].filter(Boolean).join(", ");
  const words = make("div", {}, named(user, "p"), make("p", { class: "soft" }, about));
  const head = make("header", {}, avatar(user), words);
  openMenu(anchor, entries, head);
}

function out({ client }, room, user, right) {
  const isBan = right === "ban";
  ask({
    title: isBan ? `Ban ${called(user)}?` : `Remove ${called(user)}?`,
    text: isBan
      ? "They leave the channel and cannot come back until an owner or a moderator lets them."
      : `They leave the channel${room.isPrivate ? "." : ", and may come back."}`,
    action: isBan ? "Ban" : "Remove",
    fields: [{ name: "reason", words: "Reason, shown to all (optional)", value: "", kind: "text" }],
    danger: true,
    act: async ({ reason }) => {
      try {
        await client[right](room.channel, user, reason === "" ? {} : { reason });
      } catch (error) {
        throw new Error(why(error));
      }
    },
  });
}
