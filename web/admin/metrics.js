// Reads Prometheus' text format 0.0.4, and histograms between two scrapes.

/** One scrape. */
export class Scrape {
  /** Samples by name: `{labels, value}`. */
  #samples = new Map();

  constructor(text) {
    for (const line of text.split("\n")) {
      const read = line === "" || line.startsWith("#") ? null : sample(line);
      if (read !== null) {
        const known = this.#samples.get(read.name);
        known === undefined ? this.#samples.set(read.name, [read]) : known.push(read);
      }
    }
  }

  /** The samples of this name that have these labels. */
  all(name, labels = {}) {
    const wanted = Object.entries(labels);
    const has = (read) => wanted.every(([label, value]) => read.labels[label] === value);
    return (this.#samples.get(name) ?? []).filter(has);
  }

  /** Their sum; null if there is none. */
  sum(name, labels) {
    const all = this.all(name, labels);
    return all.length === 0 ? null : all.reduce((sum, read) => sum + read.value, 0);
  }

  /** The values that this label has. */
  values(name, label) {
    return [...new Set(this.all(name).map((read) => read.labels[label]))];
  }

  /** The cumulative buckets of a histogram, as `[bound, count]` by their bounds. */
  buckets(name, labels) {
    const all = this.all(`${name}_bucket`, labels).map((read) => [number(read.labels.le), read.value]);
    return all.sort(([one], [other]) => one - other);
  }
}

/** The quantile `q` of what a histogram saw between two scrapes; null if that was nothing. Within a bucket as if
 *  times were  spread evenly; what is above the last bound counts as that. */
export function quantile(q, before, after) {
  const seen = after.map(([bound, count], at) => [bound, count - (before[at]?.[1] ?? 0)]);
  const all = seen.at(-1)?.[1] ?? 0;
  if (!(all > 0)) {
    return null;
  }
  let [from, below] = [0, 0];
  for (const [bound, upto] of seen) {
    if (upto >= q * all && upto > below) {
      return bound === Infinity ? from : from + (bound - from) * ((q * all - below) / (upto - below));
    }
    [from, below] = [bound, upto];
  }
  return from;
}

/** `name{label="value",…} value`; null for what is none. */
function sample(line) {
  const parts = /^([A-Za-z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(\S+)/.exec(line);
  if (parts === null) {
    return null;
  }
  const labels = Object.create(null);
  for (const [, label, value] of (parts[2] ?? "").matchAll(/(\w+)\s*=\s*"((?:[^"\\]|\\.)*)"/g)) {
    labels[label] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
  }
  return { name: parts[1], labels, value: number(parts[3]) };
}

function number(text) {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}
