// What one sets for oneself: how the page looks, what calls, whether one is seen, the password; and the way out.

import { ask } from "./dialog.js";
import { make, say } from "./dom.js";
import { set, setting } from "./keeping.js";
import { showKeys } from "./keys.js";
import { openMenu } from "./menu.js";
import { isNotifying, switchNotify } from "./notify.js";
import { avatar, named } from "./people.js";
import { why } from "./words.js";

const LOOKS = { auto: "as the system", light: "light", dark: "dark" };

/** Has the page look as it was set. */
export function dress() {
  const look = setting("look");
  document.documentElement.dataset.look = look in LOOKS ? look : "auto";
}

/** Opens the menu; `leave` signs out. */
export function openAccount(desk, anchor, leave) {
  const { look } = document.documentElement.dataset;
  const next = { auto: "light", light: "dark", dark: "auto" }[look];
  const isHidden = setting(`hides ${desk.me}`) === "on";
  const entries = [
    {
      words: "Notifications",
      isOn: isNotifying(),
      act: async () => {
        const wanted = !isNotifying();
        const isOn = await switchNotify(wanted);
        say(isOn ? "You will be notified." : wanted ? "This browser does not allow it." : "You will not be notified.");
      },
    },
    { words: "Hide that you are here", isOn: isHidden, act: () => hide(desk, !isHidden) },
    {
      words: `Look: ${LOOKS[look]}`,
      act: () => {
        set("look", next);
        dress();
        openAccount(desk, anchor, leave);
      },
    },
    { words: "Keys", act: showKeys },
  ];
  if (!desk.guest) {
    entries.push({ words: "Change the password …", act: () => changePassword(desk) });
  }
  const parting = { words: "Leave …", isBad: true, act: () => part(leave) };
  entries.push(desk.guest ? parting : { words: "Sign out", act: leave });
  const about = make("p", { class: "soft" }, desk.guest ? "A guest" : "An account");
  const head = make("header", {}, avatar(desk.me), make("div", {}, named(desk.me, "p"), about));
  openMenu(anchor, entries, head);
}

async function hide(desk, on) {
  try {
    await desk.client.visible(!on);
    set(`hides ${desk.me}`, on ? "on" : "off");
    say(on ? "Others no longer see that you are here." : "Others see that you are here.");
  } catch (error) {
    say(why(error));
  }
}

function part(leave) {
  ask({
    title: "Leave for good?",
    text: "A guest who leaves cannot come back as the same one.",
    action: "Leave",
    danger: true,
    act: leave,
  });
}

function changePassword({ accounts, client }) {
  ask({
    title: "Change the password",
    text: "Everywhere else you will be signed out.",
    action: "Change it",
    fields: [
      { name: "old", words: "Password now", value: "", kind: "password" },
      { name: "new", words: "New password, 8 characters at least", value: "", kind: "password" },
    ],
    act: async (passwords) => {
      try {
        await accounts.password(passwords, client.token);
      } catch (error) {
        const own = { unauthenticated: "The password is wrong.", bad_frame: "The new password is too weak." };
        throw new Error(why(error, own));
      }
      say("Your password is changed.");
    },
  });
}
