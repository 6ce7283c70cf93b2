// What the scrapes of the last minutes come to: a point for each, of gauges and of rates since the one before.

import { Scrape, quantile } from "./metrics.js";

/** For how long points are kept, in milliseconds. */
export const SPAN = 600_000;
/** Points further apart than this do not belong together: the page slept, or the server was away. */
export const BREAK = 15_000;

/** The processor's time is told in whole seconds: it is looked at over so many milliseconds. */
const CPU_SPAN = 30_000;

/** Points by time, the newest last: `{at, values}`, with a value for each series that could be told. */
export class History {
  points = [];
  /** Actor kinds, in the order in which they were first seen; the place gives a kind its colour. */
  kinds = [];
  /** The newest scrape. */
  scrape = null;
  #at = 0;

  /** Takes a scrape of this moment. */
  add(text, at) {
    const [now, before] = [new Scrape(text), this.scrape];
    this.kinds.push(...now.values("parlor_actor_mailbox_depth", "kind").filter((kind) => !this.kinds.includes(kind)));
    const sameLife = before?.sum("process_start_time_seconds") === now.sum("process_start_time_seconds");
    const seconds = (at - this.#at) / 1000;
    const close = before !== null && sameLife && at - this.#at < BREAK;
    const values = { ...gauges(now, this.kinds), ...(close ? this.#changes(before, now, seconds, at) : {}) };
    this.points.push({ at, seconds: close ? seconds : 0, values });
    this.points = this.points.filter((point) => point.at > at - SPAN);
    [this.scrape, this.#at] = [now, at];
  }

  /** How much a rate came to within the last so many milliseconds. */
  total(series, within) {
    const from = (this.points.at(-1)?.at ?? 0) - within;
    const late = this.points.filter((point) => point.at > from);
    return late.reduce((sum, point) => sum + (point.values[series] ?? 0) * point.seconds, 0);
  }

  /** The newest value of a series. */
  last(series) {
    return this.points.at(-1)?.values[series] ?? null;
  }

  /** The largest value of a series within the last so many milliseconds; null if there is none. */
  most(series, within) {
    const from = (this.points.at(-1)?.at ?? 0) - within;
    const late = this.points.filter((point) => point.at > from).map((point) => point.values[series] ?? null);
    return late.reduce((most, value) => (value !== null && (most === null || value > most) ? value : most), null);
  }

  /** The processor's share of the last half minute. */
  #cpu(now, at) {
    const used = now.sum("process_cpu_seconds_total");
    const from = this.points.find((point) => point.at >= at - CPU_SPAN && point.values.cpuSeconds <= used);
    return from === undefined || at - from.at < CPU_SPAN / 3
      ? null
      : ((used - from.values.cpuSeconds) * 1000) / (at - from.at);
  }

  #changes(before, now, seconds, at) {
    const rate = (name, labels) => {
      const [from, to] = [before.sum(name, labels), now.sum(name, labels)];
      return from === null || to === null || to < from ? null : (to - from) / seconds;
    };
    const times = (q, name, labels) => quantile(q, before.buckets(name, labels), now.buckets(name, labels));
    const values = {
      stored: rate("parlor_publishes_total", { outcome: "stored" }),
      refused: rate("parlor_publishes_total", { outcome: "refused" }),
      deliveries: rate("parlor_deliveries_total"),
      reaped: rate("parlor_presence_reaped_total"),
      slow: rate("parlor_slow_sessions_total"),
      limited: rate("parlor_rate_limited_total"),
      turnedAway: rate("parlor_sockets_refused_total"),
      failed: rate("parlor_http_requests_total", { status: "5xx" }),
      cpu: this.#cpu(now, at),
      commit50: times(0.5, "parlor_store_commit_seconds"),
      commit99: times(0.99, "parlor_store_commit_seconds"),
    };
    for (const kind of this.kinds) {
      values[`handle ${kind}`] = times(0.99, "parlor_actor_handle_seconds", { kind });
      values[`handled ${kind}`] = rate("parlor_actor_handled_total", { kind });
      values[`panics ${kind}`] = rate("parlor_actor_panics_total", { kind });
    }
    return values;
  }
}

function gauges(now, kinds) {
  const values = {
    sessions: now.sum("parlor_sessions"),
    users: now.sum("parlor_presence_online_users"),
    queue: now.sum("parlor_store_queue_depth"),
    memory: now.sum("process_resident_memory_bytes"),
    cpuSeconds: now.sum("process_cpu_seconds_total"),
  };
  for (const kind of kinds) {
    values[`depth ${kind}`] = now.sum("parlor_actor_mailbox_depth", { kind });
  }
  return values;
}
