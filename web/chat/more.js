// What may be done with the open channel besides talking: found, left, deleted, and others asked in.

import { ask } from "./dialog.js";
import { say } from "./dom.js";
import { openMenu } from "./menu.js";
import { openPerson } from "./person.js";
import { why } from "./words.js";

/** Opens the menu of the open room; `act` has search and members. */
export function openMore(desk, anchor, { search, members }) {
  const { room } = desk;
  const entries = [{ words: "Search here", act: search }];
  if (!room.isDirect) {
    entries.push({ words: "Members", act: members });
  } else if (room.peer !== desk.me) {
    entries.push({ words: `About ${room.peer} …`, act: () => openPerson(desk, room.peer, anchor, () => {}) });
  }
  if (room.isMember) {
    entries.push({ words: room.isDirect ? "Take from the list" : "Leave the channel", act: () => leave(desk, room) });
  }
  if (room.role === "owner" && !room.isDirect) {
    entries.push({ words: "Delete the channel …", isBad: true, act: () => remove(desk, room) });
  }
  openMenu(anchor, entries);
}

async function leave(desk, room) {
  try {
    await desk.leave(room);
    location.hash = "";
  } catch (error) {
    say(why(error, { conflict: "The last owner stays, or deletes the channel." }));
  }
}

function remove({ client }, room) {
  ask({
    title: `Delete #${room.channel}?`,
    text: "All that was said in it goes, for everyone. That cannot be taken back.",
    action: "Delete it",
    word: room.channel,
    danger: true,
    act: () => client.delete(room.channel).catch((error) => Promise.reject(new Error(why(error)))),
  });
}

/** Asks whom to invite. */
export function invite({ client }, room) {
  ask({
    title: `Invite somebody to #${room.channel}`,
    text: "They hear of it at once.",
    action: "Invite",
    fields: [{ name: "user", words: "Name of the account", value: "", kind: "text" }],
    act: async ({ user }) => {
      const name = user.trim().toLowerCase().replace(/^@/, "");
      try {
        await client.invite(room.channel, name);
      } catch (error) {
        const own = { not_found: "There is no account of that name.", conflict: "They are banned from this channel." };
        throw new Error(why(error, own));
      }
      say(`${name} is invited.`);
    },
  });
}
