// What is unusual: pure, from what the server said of itself. The bounds are those of docs/operating/alerts.yml, as
// far as the minutes that this page knows can tell.

import { age, bytes, count, rate, took } from "./format.js";

const MINUTE = 60_000;
const FIVE = 5 * MINUTE;
const TEN = 10 * MINUTE;

/** What stands in the server's way, in words. */
const OBSTACLES = {
  starting: () => "It is starting.",
  draining: () => "It is stopping, and lets nobody in.",
  store: (why) => `It cannot store: ${why ?? "no reason given"}.`,
  actor: (why) => `Actors rest because they broke too often: ${why ?? "which is not said"}.`,
};

/** The obstacles of a `/readyz` answer, in words. */
export function obstacles({ why = [] }) {
  return why.map(({ what, why: words }) => OBSTACLES[what]?.(words) ?? `${what}: ${words ?? ""}`);
}

/** Everything that is unusual: `{key, level, text}`, the worst first; the level is `bad`, `odd` or `note`. */
export function findings({ history, kinds, slow, now }) {
  const found = [];
  const say = (is, key, level, text) => is && found.push({ key, level, text: text() });
  for (const { kind, oldest_ms: oldest, mailbox_depth: depth, resting } of kinds) {
    const waits = () => `The oldest message for ${kind} has waited ${age(oldest)}; ${count(depth)} wait.`;
    say(depth > 0 && oldest > 1000, `oldest ${kind}`, oldest > 10_000 ? "bad" : "odd", waits);
    say(resting > 0, `rest ${kind}`, "bad", () => `${count(resting)} of ${kind} rest after panics.`);
    const panics = Math.round(history.total(`panics ${kind}`, TEN));
    say(panics > 0, `panics ${kind}`, "odd", () => `${kind} broke ${times(panics)} in ten minutes. The log says why.`);
  }
  const commit = history.most("commit99", MINUTE);
  say(
    commit > 0.25,
    "commit",
    commit > 1 ? "bad" : "odd",
    () => `Receipts are slow: 99 % within ${took(commit)}, in the last minute.`,
  );
  const queue = history.last("queue");
  say(queue > 1000, "queue", "odd", () => `${count(queue)} writes wait for the disk.`);
  const reaped = Math.round(history.total("reaped", MINUTE));
  const many = Math.max(5, 0.05 * (history.last("sessions") ?? 0));
  say(reaped > many, "reaped", "odd", () => `${count(reaped)} sessions fell silent and were ended within a minute.`);
  const ended = Math.round(history.total("slow", FIVE));
  say(
    ended > 0,
    "slow",
    "odd",
    () =>
      `${count(ended)} ${ended === 1 ? "session was" : "sessions were"} ended for reading too slowly, in five minutes.`,
  );
  say(
    slow.length > 0,
    "queued",
    "note",
    () => `Much waits for ${count(slow.length)} of the sessions: up to ${bytes(slow[0].queued_bytes)}.`,
  );
  const often = (series, key, level, words) => {
    const mean = history.total(series, MINUTE) / 60;
    say(mean > 0.5, key, level, () => `${words}: ${rate(mean)} per second, in the last minute.`);
  };
  often("failed", "failed", "odd", "Requests fail with 5xx");
  often("refused", "refused", "odd", "Publishes are refused");
  often("limited", "limited", "note", "Somebody comes too fast and is refused");
  often("turnedAway", "turned away", "note", "Connections are closed at once, of too many");
  const [open, most] = ["process_open_fds", "process_max_fds"].map((name) => history.scrape?.sum(name) ?? null);
  say(most > 0 && open > 0.8 * most, "files", "odd", () => `${count(open)} of ${count(most)} files are open.`);
  const up = uptime(history, now);
  say(up !== null && up < FIVE, "young", "note", () => `It started ${age(up)} ago.`);
  const order = ["bad", "odd", "note"];
  return found.sort((one, other) => order.indexOf(one.level) - order.indexOf(other.level));
}

/** For how long the server has run, in milliseconds, by this clock. */
export function uptime(history, now) {
  const started = history.scrape?.sum("process_start_time_seconds") ?? null;
  return started === null ? null : Math.max(0, now - started * 1000);
}

const times = (n) => (n === 1 ? "once" : `${count(n)} times`);
