// Times as people read them. Each gives text.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const old = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

const DAY_MS = 86_400_000;

const midnight = (at) => new Date(at).setHours(0, 0, 0, 0);

/** The time of day: 14:05. */
export const time = (at) => clock.format(new Date(at));

/** All of it, for whoever wants to know. */
export const moment = (at) => whole.format(new Date(at));

/** Whether two moments are of one day, here. */
export const sameDay = (one, other) => midnight(one) === midnight(other);

/** The day: today, yesterday, or its name. */
export function day(at, now = Date.now()) {
  const days = Math.round((midnight(now) - midnight(at)) / DAY_MS);
  if (days === 0) {
    return "Today";
  }
  if (days === 1) {
    return "Yesterday";
  }
  return (days > 0 && days < 300 ? date : old).format(new Date(at));
}

/** How long ago, in one unit. */
export function ago(at, now = Date.now()) {
  const minutes = Math.floor((now - new Date(at)) / 60_000);
  if (minutes < 1) {
    return "a moment ago";
  }
  if (minutes < 60) {
    return `${minutes} min ago`;
  }
  if (minutes < 48 * 60) {
    return `${Math.floor(minutes / 60)} h ago`;
  }
  return `on ${old.format(new Date(at))}`;
}

/** A number of things: "1 message", "2 messages". */
export const count = (n, word) => `${n.toLocaleString()} ${word}${n === 1 ? "" : "s"}`;
