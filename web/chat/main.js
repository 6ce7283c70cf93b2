// Begins: with who is signed in, or at the door.

import { dress } from "./account.js";
import { App } from "./app.js";
import { Accounts, Client } from "./client/index.js";
import { Door } from "./door.js";
import { signIn, signOut, signedIn, storage } from "./keeping.js";
import { refused } from "./words.js";

/** What the door says to somebody who was sent back to it. */
const SAID = "parlor said";

/** Shows the page to whoever is in. */
function enter(session) {
  const client = new Client({
    token: session.token,
    client: "chat page",
    storage: storage(session.stays),
    storageKey: "client",
  });
  const accounts = new Accounts({});
  const leave = async (words = "") => {
    signOut();
    try {
      sessionStorage.setItem(SAID, words);
    } catch {
      // Then it is not said.
    }
    history.replaceState(null, "", location.pathname + location.search);
    location.reload();
  };
  new App(client, accounts, session, async () => {
    await accounts.logout(session.token).catch(() => {});
    client.close();
    await leave();
  });
  client.on("state", ({ state }) => {
    // A token may come with another life.
    if (state === "online" && client.token !== session.token) {
      session.token = client.token;
      signIn(session);
    }
  });
  client.on("state", ({ state, error }) => state === "refused" && leave(refused(error)));
  client.connect().catch(() => {});
}

dress();
const session = signedIn();
if (session === null) {
  const door = new Door((session) => {
    signIn(session);
    enter(session);
  });
  let said = "";
  try {
    said = sessionStorage.getItem(SAID) ?? "";
    sessionStorage.removeItem(SAID);
  } catch {
    // Nothing was said.
  }
  door.open(said);
} else {
  enter(session);
}
