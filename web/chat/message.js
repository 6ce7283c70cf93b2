// How a message looks. What somebody wrote becomes text in elements that this page chose, and nothing else.

import { make } from "./dom.js";
import { isEmojiAlone, parse } from "./markup.js";
import { avatar, called, hue, named } from "./people.js";
import { day, moment, time } from "./time.js";

const TAGS = { strong: "strong", em: "em", del: "del", quote: "blockquote", code: "code" };
/** What is longer than this is folded. */
const LONG = { letters: 1800, lines: 24 };

/** The words of a message. What has none is shown as it is, so that nobody wonders. */
export function text(body) {
  return typeof body?.text === "string" ? body.text : JSON.stringify(body ?? null);
}

/** The elements of a tree; `me` is whom names are told apart for. */
function drawn(parts, me) {
  return parts.map((part) => {
    if (typeof part === "string") {
      return document.createTextNode(part);
    }
    switch (part.is) {
      case "block":
        return make("pre", { dir: "ltr", tabindex: "0" }, make("code", {}, part.text));
      case "code":
        return make("code", { dir: "ltr" }, part.text);
      case "link":
        return make(
          "a",
          { href: part.to, target: "_blank", rel: "noopener noreferrer", dir: "ltr", title: part.to },
          part.text,
        );
      case "user":
        return make("bdi", { class: part.text === me ? "name mine" : "name" }, `@${part.text}`);
      case "channel":
        return make("a", { href: `#${part.text}`, class: "name" }, make("bdi", {}, `#${part.text}`));
      case "emoji":
        return make("span", { class: "emoji" }, part.text);
      default:
        return make(TAGS[part.is], {}, ...drawn(part.parts, me));
    }
  });
}

/** The element that holds the words. */
export function words(body, me) {
  const said = text(body);
  const parts = parse(said);
  const isLong = said.length > LONG.letters || lines(said) > LONG.lines;
  const classes = ["words", isLong && "folded", isEmojiAlone(parts) && "large"].filter(Boolean).join(" ");
  return make("div", { class: classes, dir: "auto" }, ...drawn(parts, me));
}

function lines(said) {
  let count = 1;
  for (let at = said.indexOf("\n"); at !== -1 && count <= LONG.lines; at = said.indexOf("\n", at + 1)) {
    count += 1;
  }
  return count;
}

/** Fills a row. `shape` says what stands above it: `day`, `isNew`, `isGrouped`; and `who` has read up to it. */
export function drawMessage(row, frame, shape, { me, act, query, isOpen }) {
  const isMine = frame.from === undefined || frame.from === me;
  const from = frame.from ?? me;
  const parts = [...above(frame, shape)];
  const body = words(frame.body, me);
  const state = frame.state === "failed" ? "failed" : frame.state === undefined ? "" : "waits";
  const classes = ["message", shape.isGrouped && "grouped", isMine && "mine", state].filter(Boolean).join(" ");
  const inner = make("article", { class: classes });
  const stamp = make("time", { datetime: new Date(frame.at).toISOString(), title: moment(frame.at) }, time(frame.at));
  if (shape.isGrouped) {
    inner.append(make("span", { class: "gutter" }, stamp));
  } else {
    inner.append(make("span", { class: "gutter" }, avatar(from)));
    const who = make("button", { type: "button", class: `from h${hue(from)}`, "data-user": from }, named(from));
    who.addEventListener("click", () => act.person(from, who));
    inner.append(make("header", {}, who, " ", stamp));
  }
  inner.append(body, ...below(frame, act));
  if (body.classList.contains("folded")) {
    inner.append(folding(body, isOpen, frame, act));
  }
  if (shape.readers.length > 0) {
    inner.append(readers(shape.readers));
  }
  row.className = "row";
  row.replaceChildren(...parts, inner);
  if (query) {
    mark(body, query);
  }
}

function* above(frame, { day: isFirst, isNew }) {
  if (isFirst) {
    yield make("h3", { class: "day" }, make("span", {}, day(frame.at)));
  }
  if (isNew) {
    yield make("p", { class: "new" }, make("span", {}, "New"));
  }
}

/** Of one that is on its way: how it stands with it, and what may be done. */
function* below(frame, act) {
  if (frame.state === "failed") {
    yield make(
      "p",
      { class: "fate" },
      make("span", {}, `Not sent. ${act.why(frame.error)}`),
      make("button", { type: "button", class: "small", onclick: () => act.again(frame, true) }, "Try again"),
      make("button", { type: "button", class: "small quiet", onclick: () => act.again(frame, false) }, "Discard"),
    );
  } else if (frame.state !== undefined) {
    yield make("span", { class: "unseen" }, "on its way");
  }
}

function folding(body, isOpen, frame, act) {
  const button = make("button", { type: "button", class: "small unfold" });
  const show = (open) => {
    body.classList.toggle("open", open);
    button.textContent = open ? "Show less" : "Show all of it";
    button.setAttribute("aria-expanded", String(open));
  };
  show(isOpen);
  button.addEventListener("click", () => show(act.fold(frame)));
  return button;
}

function readers(users) {
  const names = users.map(called).join(", ");
  const said = make("span", { class: "unseen" }, `Read by ${names}`);
  const shown = make("p", { class: "readers", title: `Read by ${names}` }, said);
  shown.append(...users.slice(0, 4).map((user) => avatar(user, "tiny")));
  if (users.length > 4) {
    shown.append(make("span", { "aria-hidden": "true" }, `+${users.length - 4}`));
  }
  return shown;
}

/** A text in small letters, each where it stood: some letters become two. */
function small(said) {
  const letters = said.toLowerCase();
  return letters.length === said.length ? letters : said;
}

/** Marks what was looked for in the words that are there. */
function mark(element, query) {
  const walk = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walk.nextNode()) {
    nodes.push(walk.currentNode);
  }
  for (const node of nodes) {
    let rest = node;
    for (let at; (at = small(rest.data).indexOf(query)) !== -1; ) {
      const found = rest.splitText(at);
      rest = found.splitText(query.length);
      const marked = make("mark", {}, found.data);
      found.replaceWith(marked);
    }
  }
}

/** How high a message may turn out, in pixels, in a row so wide. */
export function guess(frame, { day: isFirst, isNew, isGrouped }, width) {
  const said = text(frame.body);
  const letters = Math.max(20, (width - 90) / 7.4);
  let count = 0;
  for (let from = 0; from <= said.length && count < 20; ) {
    const end = said.indexOf("\n", from);
    const length = (end === -1 ? said.length : end) - from;
    count += Math.max(1, Math.ceil(length / letters));
    from = end === -1 ? said.length + 1 : end + 1;
  }
  return Math.min(count, 20) * 22 + (isGrouped ? 4 : 36) + (isFirst ? 45 : 0) + (isNew ? 28 : 0);
}
