// What calls a reader who looks elsewhere: the count in the title, and the browser's notifications, if they are wanted.

import { calls } from "./hearing.js";
import { set, setting } from "./keeping.js";
import { text } from "./message.js";
import { called, title } from "./people.js";

const SETTING = "notify";

/** Whether they are wanted and may be shown. */
export const isNotifying = () =>
  setting(SETTING) === "on" && "Notification" in window && Notification.permission === "granted";

/** Switches them on, which may ask, or off; says whether they are on then. */
export async function switchNotify(on) {
  const may = on && "Notification" in window ? await Notification.requestPermission() : "denied";
  set(SETTING, may === "granted" ? "on" : "off");
  return may === "granted";
}

/** Shows what is new of a desk. */
export function notifying(desk) {
  desk.on("message", (room, frame) => {
    const isForMe = room.isDirect || calls(frame, desk.me);
    if (!isNotifying() || frame.from === desk.me || !isForMe || desk.isAttended(room)) {
      return;
    }
    try {
      const head = room.isDirect ? called(frame.from) : `${called(frame.from)} in #${room.channel}`;
      const shown = new Notification(head, { body: text(frame.body).slice(0, 200), tag: room.channel });
      shown.addEventListener("click", () => {
        window.focus();
        location.hash = room.hash;
        shown.close();
      });
    } catch {
      // Some browsers have them for service workers alone.
    }
  });
}

/** The title of the window: what is open, and how much is unread. */
export function titled(desk) {
  const loud = (room) => (room.isDirect || room.isCalled ? room.unread : Math.min(1, room.unread));
  const unread = desk.places().reduce((sum, room) => sum + loud(room), 0);
  const name = desk.room === null ? "" : `${title(desk.room.channel, desk.me)} – `;
  document.title = `${unread > 0 ? `(${unread > 99 ? "99+" : unread}) ` : ""}${name}Parlor`;
}
