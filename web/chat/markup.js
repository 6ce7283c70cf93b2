// What a text means: links, emphasis, code, names. Text goes in, a tree comes out; no markup of anybody's is ever read.
//
// A tree is an array of parts: a string, or `{ is, parts }` with `is` one of strong, em, del, quote; or `{ is, text }`
// with `is` one of code, block, link (with `to`), user, channel, emoji. The time it takes grows with the text, whatever
// stands in it.

import { EMOJI } from "./emoji.js";

/** How deep emphasis may stand in emphasis. */
const DEEP = 6;
const MARKS = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "del"],
  ["*", "em"],
  ["_", "em"],
];
const WORD = /[\p{L}\p{N}_]/u;
// Nothing that turns the direction of writing belongs to an address, or stands at its end.
const TURNS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const LINK = /(?:https?:\/\/|mailto:)[^\s<>"'`\u200e\u200f\u202a-\u202e\u2066-\u2069]+/iy;
const USER = /@(~?[a-z0-9][a-z0-9_.-]{0,102})/y;
const CHANNEL = /#([a-z0-9][a-z0-9._-]{0,63})/y;
const SHORT = /:([a-z0-9_+-]{2,32}):/y;
/** What may begin something else than plain text. */
const BEGINS = /[`*_~@#:hm]/gi;

/** The tree of a text. */
export function parse(text) {
  const parts = [];
  const pieces = text.split("```");
  pieces.forEach((piece, at) => {
    const isCode = at % 2 === 1 && at < pieces.length - 1;
    if (isCode) {
      parts.push({ is: "block", text: piece.replace(/^[a-z0-9+-]{0,16}\n(?=[^])/i, "").replace(/\n$/, "") });
    } else {
      const left = at % 2 === 1 ? `\`\`\`${piece}` : piece;
      quotes(at > 0 && at % 2 === 0 ? left.replace(/^\n/, "") : left, parts);
    }
  });
  return parts;
}

/** Lines that begin with `>` are somebody else's words. */
function quotes(text, parts) {
  if (text === "") {
    return;
  }
  let lines = [];
  let inside = false;
  const flush = (last) => {
    if (lines.length > 0) {
      const inner = inline(lines.join("\n") + (inside || last ? "" : "\n"), 0);
      parts.push(...(inside ? [{ is: "quote", parts: inner }] : inner));
      lines = [];
    }
  };
  for (const line of text.split("\n")) {
    const quoted = /^> ?/.exec(line);
    if ((quoted !== null) !== inside) {
      // The end of a line before a quotation is the quotation's.
      inside ? flush(false) : lines.length > 0 && (parts.push(...inline(lines.join("\n"), 0)), (lines = []));
      inside = quoted !== null;
    }
    lines.push(quoted === null ? line : line.slice(quoted[0].length));
  }
  flush(true);
}

/** What stands in a line. */
function inline(text, depth) {
  const parts = [];
  /** By mark: the next place where one may end. */
  const ends = new Map();
  let plain = 0;
  let at = 0;
  while (at < text.length) {
    BEGINS.lastIndex = at;
    at = BEGINS.exec(text)?.index ?? text.length;
    const found = at < text.length ? begun(text, at, depth, ends) : null;
    if (found === null) {
      at += 1;
      continue;
    }
    if (plain < at) {
      parts.push(text.slice(plain, at));
    }
    parts.push(found.part);
    at = plain = found.end;
  }
  if (plain < text.length) {
    parts.push(text.slice(plain));
  }
  return parts;
}

/** What begins at `at`, if anything does, and where it ends. */
function begun(text, at, depth, ends) {
  const letter = text[at];
  if (letter === "`") {
    return code(text, at, ends);
  }
  if (at > 0 && WORD.test(text[at - 1])) {
    return null;
  }
  if ("@#:".includes(letter)) {
    return name(text, at);
  }
  if ("hm".includes(letter.toLowerCase())) {
    return link(text, at);
  }
  const mark = MARKS.find(([mark]) => text.startsWith(mark, at));
  return mark === undefined || depth >= DEEP ? null : emphasis(text, at, depth, ends, mark);
}

function code(text, at, ends) {
  const end = at + 1 < (ends.get("`") ?? 0) ? ends.get("`") : text.indexOf("`", at + 1);
  ends.set("`", end === -1 ? Infinity : end);
  const isCode = end > at + 1 && end !== Infinity;
  return isCode ? { part: { is: "code", text: text.slice(at + 1, end) }, end: end + 1 } : null;
}

function emphasis(text, at, depth, ends, [mark, is]) {
  const from = at + mark.length;
  if (from >= text.length || /\s/.test(text[from]) || text[from] === mark[0]) {
    return null;
  }
  // Where it ends does not depend on where it begins: nothing is looked for twice.
  const known = ends.get(mark) ?? 0;
  const end = from < known ? known : closing(text, mark, from);
  ends.set(mark, end);
  if (end === Infinity) {
    return null;
  }
  return { part: { is, parts: inline(text.slice(from, end), depth + 1) }, end: end + mark.length };
}

/** Where this mark may end, from here on. */
function closing(text, mark, from) {
  for (let end = text.indexOf(mark, from); end !== -1; end = text.indexOf(mark, end + mark.length)) {
    const [last, next] = [text[end - 1], text[end + mark.length] ?? " "];
    if (!/\s/.test(last) && !WORD.test(next) && next !== mark[0]) {
      return end;
    }
  }
  return Infinity;
}

function name(text, at) {
  const [pattern, is] = { "@": [USER, "user"], "#": [CHANNEL, "channel"], ":": [SHORT, "emoji"] }[text[at]];
  pattern.lastIndex = at;
  const found = pattern.exec(text);
  if (found === null) {
    return null;
  }
  if (is === "emoji") {
    const emoji = EMOJI.get(found[1]);
    return emoji === undefined ? null : { part: { is, text: emoji }, end: at + found[0].length };
  }
  // A dot behind a name ends the sentence.
  const said = found[1].replace(/[.-]+$/, "");
  return { part: { is, text: said }, end: at + 1 + said.length };
}

function link(text, at) {
  LINK.lastIndex = at;
  const found = LINK.exec(text);
  if (found === null) {
    return null;
  }
  if (TURNS.test(text[at + found[0].length] ?? "")) {
    return null;
  }
  const said = trimmed(found[0]);
  const to = address(said);
  return to === null ? null : { part: { is: "link", text: to.shown, to: to.href }, end: at + said.length };
}

/** Without what belongs to the sentence around it: stops, and brackets that were not opened in it. */
function trimmed(said) {
  const left = { ")": "(", "]": "[", "}": "{" };
  const counts = {};
  for (const letter of said) {
    counts[letter] = (counts[letter] ?? 0) + 1;
  }
  let end = said.length;
  for (; end > 0; end -= 1) {
    const last = said[end - 1];
    const isLoose = left[last] !== undefined && counts[last] > (counts[left[last]] ?? 0);
    if (!isLoose && !".,;:!?*_~".includes(last)) {
      break;
    }
    counts[last] -= 1;
  }
  return said.slice(0, end);
}

/** Where it leads, and as what it is shown: the words if they say the same, else where it truly leads. */
function address(said) {
  let url;
  try {
    url = new URL(said);
  } catch {
    return null;
  }
  const isMail = url.protocol === "mailto:";
  if (!isMail && (!["http:", "https:"].includes(url.protocol) || url.username !== "" || url.password !== "")) {
    return null;
  }
  const honest = isMail || said.toLowerCase().startsWith(`${url.protocol}//${url.host}`);
  return { href: url.href, shown: honest ? said : url.href };
}

/** Whether a text is a few emoji and nothing else. */
export function isEmojiAlone(parts) {
  const text = parts.map((part) => (typeof part === "string" ? part : part.is === "emoji" ? part.text : "x")).join("");
  return text.length <= 24 && /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f|\s)+$/u.test(text);
}
