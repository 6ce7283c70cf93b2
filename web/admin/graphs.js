// Small graphs of the last minutes, each with its newest values in words; by pointer or arrow keys one looks back in
// it.

import { make, write } from "./dom.js";
import { age, bytes, count, rate, share, took } from "./format.js";
import { BREAK, SPAN } from "./history.js";

/** Spans of time that graphs show, in milliseconds, the shortest that holds all points. */
const SPANS = [120_000, 300_000, SPAN];

/** In the units of the drawing, which is stretched to its place. */
const [WIDTH, HEIGHT] = [600, 100];
const SVG = "http://www.w3.org/2000/svg";
/** So many colours are told apart. */
const COLOURS = 8;

/** A series by its name, and the words for it. */
const fixed = (series) => () => Object.entries(series);
const perKind = (what) => (kinds) => kinds.map((kind) => [`${what} ${kind}`, kind]);
/** Title, what it counts, how its values are written, and its series. */
const GRAPHS = [
  ["Sessions", "open now", count, fixed({ sessions: "sessions", users: "users online" })],
  ["Messages", "per second", rate, fixed({ stored: "stored", refused: "refused" })],
  ["Deliveries", "per second", rate, fixed({ deliveries: "delivered" })],
  ["Receipts", "time until a message is on disk", took, fixed({ commit99: "99 %", commit50: "median" })],
  ["Ended for silence", "reaped per second", rate, fixed({ reaped: "reaped" })],
  ["Memory", "resident", bytes, fixed({ memory: "used" })],
  ["Handling", "99 % of messages, by kind of actor", took, perKind("handle")],
  ["Mailboxes", "messages that wait, by kind of actor", count, perKind("depth")],
  ["Processor", "of one core, over half a minute", share, fixed({ cpu: "used" })],
];

/** All graphs. */
export class Graphs {
  #graphs;

  constructor(place) {
    this.#graphs = GRAPHS.map((words) => new Graph(...words));
    place.append(...this.#graphs.map((graph) => graph.element));
  }

  /** Draws these points, which end now; returns how many milliseconds are shown. */
  update({ points, kinds }, now) {
    const known = now - (points[0]?.at ?? now);
    const span = SPANS.find((span) => span >= known) ?? SPAN;
    this.#graphs.forEach((graph) => graph.update(points, kinds, now, span));
    return span;
  }
}

class Graph {
  #show;
  #series;
  #title;
  #lines = new Map();
  #drawing = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  #cursor = drawn("line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
  #most = make("span", { class: "most", "aria-hidden": "true" });
  #when = make("span", { class: "when" });
  #legend = make("ul", { class: "legend" });
  #plot;
  #points = [];
  #now = 0;
  #span = SPANS[0];
  /** How many milliseconds before now is looked at; null for the newest values. */
  #back = null;

  constructor(title, what, show, series) {
    [this.#title, this.#show, this.#series] = [title, show, series];
    for (const y of [0, HEIGHT / 2, HEIGHT]) {
      this.#drawing.append(drawn("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
    }
    this.#drawing.append(this.#cursor);
    this.#plot = make(
      "div",
      {
        class: "plot",
        tabindex: "0",
        role: "slider",
        "aria-label": `${title}, seconds before now`,
        "aria-valuemax": "0",
        "aria-valuenow": "0",
        "aria-orientation": "horizontal",
        onpointermove: (event) => this.#pointed(event),
        onpointerleave: () => this.#look(null),
        onkeydown: (event) => this.#pressed(event),
        onblur: () => this.#look(null),
      },
      this.#drawing,
      this.#most,
    );
    const words = make("h3", {}, title, " ", make("small", {}, what));
    this.element = make(
      "figure",
      { class: "graph card" },
      make("figcaption", {}, words, this.#when),
      this.#legend,
      this.#plot,
    );
  }

  update(points, kinds, now, span) {
    [this.#points, this.#now, this.#span] = [points, now, span];
    this.#plot.setAttribute("aria-valuemin", String(-span / 1000));
    const series = this.#series(kinds);
    const values = points.flatMap((point) => series.map(([name]) => point.values[name] ?? 0));
    const most = ceiling(Math.max(0, ...values));
    write(this.#most, most === 0 ? "" : this.#show(most));
    series.forEach(([name, words], at) => {
      const { line, area } = this.#line(name, words, at, series.length);
      const runs = this.#runs(name, most || 1);
      line.setAttribute("d", runs.map((run) => `M${run.map(([x, y]) => `${x} ${y}`).join("L")}`).join(""));
      area?.setAttribute(
        "d",
        runs
          .map(
            (run) =>
              `M${run[0][0]} ${HEIGHT}L${run.map(([x, y]) => `${x} ${y}`).join("L")}L${run.at(-1)[0]} ${HEIGHT}Z`,
          )
          .join(""),
      );
    });
    this.#tell();
  }

  /** The series' line and its words, made at the first call. */
  #line(name, words, at, all) {
    const known = this.#lines.get(name);
    if (known !== undefined) {
      return known;
    }
    const colour = `c${at % COLOURS}`;
    const line = drawn("path", { class: `line ${colour}` });
    const area = all < 3 && at === 0 ? drawn("path", { class: `area ${colour}` }) : undefined;
    this.#drawing.insertBefore(line, this.#cursor);
    if (area !== undefined) {
      this.#drawing.insertBefore(area, line);
    }
    const value = make("b", {}, "–");
    this.#legend.append(
      make("li", { class: colour }, make("span", { class: "key", "aria-hidden": "true" }), `${words} `, value),
    );
    const made = { line, area, value };
    this.#lines.set(name, made);
    return made;
  }

  /** A series as runs of places; it is broken where nothing is known. */
  #runs(name, most) {
    const runs = [];
    let [run, last] = [null, 0];
    for (const { at, values } of this.#points) {
      const value = values[name] ?? null;
      if (value === null || (run !== null && at - last > BREAK)) {
        run = null;
      }
      if (value !== null) {
        const place = [round(WIDTH * (1 - (this.#now - at) / this.#span)), round(HEIGHT * (1 - value / most))];
        run === null ? runs.push((run = [place])) : run.push(place);
        last = at;
      }
    }
    // One alone would not be seen.
    return runs.map((run) => (run.length > 1 ? run : [[run[0][0] - 2, run[0][1]], run[0]]));
  }

  #pointed(event) {
    const { left, width } = this.#plot.getBoundingClientRect();
    this.#look(this.#span * (1 - (event.clientX - left) / width));
  }

  #pressed(event) {
    const steps = { ArrowLeft: 10_000, ArrowRight: -10_000, PageUp: 60_000, PageDown: -60_000, Home: SPAN, End: -SPAN };
    const step = steps[event.key];
    if (step !== undefined || event.key === "Escape") {
      event.preventDefault();
      this.#look(step === undefined ? null : (this.#back ?? 0) + step);
    }
  }

  #look(back) {
    this.#back = back === null || back < 1000 ? null : Math.min(back, this.#span);
    this.#tell();
  }

  /** Writes the values of the moment that is looked at. */
  #tell() {
    const back = this.#back ?? 0;
    const point = nearest(this.#points, this.#now - back);
    const values = [...this.#lines].map(([name, { value }]) => {
      const text = this.#show(point?.values[name] ?? null);
      write(value, text);
      return text;
    });
    const when = back === 0 ? "" : `${age(back)} ago`;
    write(this.#when, when);
    const x = WIDTH * (1 - back / this.#span);
    this.#cursor.setAttribute("visibility", back === 0 ? "hidden" : "visible");
    this.#cursor.setAttribute("x1", x);
    this.#cursor.setAttribute("x2", x);
    const words = [...this.#legend.children].map((item) => item.textContent).join(", ");
    this.#plot.setAttribute("aria-valuenow", String(-Math.round(back / 1000)));
    this.#plot.setAttribute("aria-valuetext", `${when || "now"}: ${values.length === 0 ? "nothing yet" : words}`);
  }
}

/** The point of about this moment, if there is one; for the newest, the newest. */
function nearest(points, at) {
  let best = null;
  for (const point of points) {
    if (Math.abs(point.at - at) < BREAK / 2 && (best === null || Math.abs(point.at - at) <= Math.abs(best.at - at))) {
      best = point;
    }
  }
  return best;
}

/** The next of 1, 2 or 5 times a power of ten. */
function ceiling(value) {
  if (value === 0) {
    return 0;
  }
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((times) => value <= times * power * 1.0001);
}

const round = (n) => Math.round(n * 10) / 10;

function drawn(name, attributes) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([attribute, value]) => made.setAttribute(attribute, value));
  return made;
}
