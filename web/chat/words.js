// What went wrong, in words for whoever sits before the page.

const CODES = {
  forbidden: "You may not do that here.",
  not_found: "There is nothing of that name.",
  not_joined: "You are not in this channel.",
  too_large: "That is too much at once.",
  rate_limited: "That was too fast. Try again in a moment.",
  overloaded: "The server has too much to do. Try again in a moment.",
  unavailable: "The server cannot do that now. Try again in a moment.",
  internal: "Something went wrong in the server.",
  unauthenticated: "You are no longer signed in.",
};

const STATUS = {
  401: "The name or the password is wrong.",
  409: "That name is taken.",
  429: "Too many attempts. Try again in a minute.",
};

/** Why something failed. `own` says it better for some codes. */
export function why(error, own = {}) {
  const code = error?.code;
  if (own[code] !== undefined) {
    return own[code];
  }
  if (error?.name === "Disconnected" || error?.name === "TimedOut" || error instanceof TypeError) {
    return "The server does not answer.";
  }
  return STATUS[error?.status] ?? CODES[code] ?? error?.message ?? String(error);
}

/** Why the server would not have a session. */
export function refused(error) {
  switch (error?.closeCode) {
    case 4500:
      return "Your sign-in has ended. Sign in again.";
    case 4501:
      return "An operator ended your session.";
    case 4502:
      return "You are banned from this server.";
    case 4503:
      return "The server did not understand this page. Reload it.";
    case 4504:
      return "This page and the server are of different versions. Reload it.";
    default:
      return why(error);
  }
}

/** How it stands with the line to the server: `{ level, text, more }`, with `level` one of good, odd, bad. */
export function line({ state, transport, waiting, retryAt, now }) {
  const waits = waiting === 0 ? "" : `, ${waiting} ${waiting === 1 ? "message waits" : "messages wait"}`;
  if (state === "online") {
    return transport === "longpoll"
      ? { level: "good", text: "Online by long-poll", more: "WebSocket does not get through; it works all the same." }
      : { level: "good", text: "Online", more: "By WebSocket." };
  }
  if (state === "connecting" || state === "recovering" || state === "draining") {
    const seconds = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1000);
    const text = seconds > 1 ? `Offline, again in ${seconds} s${waits}` : `Reconnecting …${waits}`;
    const more = state === "draining" ? "The server restarts." : "Nothing is lost: what you write is sent later.";
    return { level: seconds > 1 ? "bad" : "odd", text: state === "connecting" ? text.replace("Rec", "C") : text, more };
  }
  return { level: "bad", text: `Offline${waits}`, more: "" };
}
