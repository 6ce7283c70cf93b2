// Numbers as people read them. Each gives text.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const brief = new Intl.NumberFormat("en", { maximumFractionDigits: 1, notation: "compact" });
const NONE = "–";

const isNone = (n) => n === null || n === undefined || Number.isNaN(n);
/** Three digits, without zeros behind them. */
const digits = (n) => (n >= 100 ? whole.format(n) : String(Number(n.toPrecision(n >= 10 ? 3 : 2))));

/** Scales by units of which each but the last is so many times smaller than the next. */
function scaled(n, units, step) {
  let at = 0;
  while (Math.abs(n) >= step * 0.9995 && at < units.length - 1) {
    n /= step;
    at += 1;
  }
  return `${n === 0 ? 0 : digits(n)} ${units[at]}`;
}

/** A count: 950, 9,500, 95K. */
export function count(n) {
  if (isNone(n)) {
    return NONE;
  }
  return Math.abs(n) < 1e5 ? whole.format(n) : brief.format(n);
}

/** Something per second. */
export function rate(n) {
  if (isNone(n)) {
    return NONE;
  }
  return n === 0 ? "0" : n < 0.01 ? "<0.01" : n < 1e4 ? digits(n) : brief.format(n);
}

/** Bytes. */
export function bytes(n) {
  return isNone(n) ? NONE : scaled(n, ["B", "kB", "MB", "GB", "TB"], 1000);
}

/** A time that something took, in seconds. */
export function took(seconds) {
  if (isNone(seconds)) {
    return NONE;
  }
  return seconds >= 60 ? age(seconds * 1000) : scaled(seconds * 1e6, ["µs", "ms", "s"], 1000);
}

/** How long ago, in milliseconds, in one unit. */
export function age(ms) {
  if (isNone(ms)) {
    return NONE;
  }
  const seconds = Math.max(0, ms) / 1000;
  const [unit, name] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ].find(([unit]) => seconds >= 2 * unit) ?? [1, "s"];
  return `${Math.floor(seconds / unit)} ${name}`;
}

/** A share, of 1. */
export function share(n) {
  return isNone(n) ? NONE : `${digits(n * 100)} %`;
}
