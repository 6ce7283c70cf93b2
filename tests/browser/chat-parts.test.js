// The parts of the page for chatting that decide, and touch no document.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Heights } from "../../web/chat/heights.js";
import { isEmojiAlone, parse } from "../../web/chat/markup.js";
import { rights } from "../../web/chat/rights.js";
import { line } from "../../web/chat/words.js";

/** Numbers that only look random: the same ones each time. */
function numbers(seed) {
  return (below) => (seed = (seed * 16807) % 2147483647) % below;
}

test("heights are summed and found as by counting, whatever comes and goes", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const next = numbers(seed);
    const heights = new Heights();
    const model = [];
    for (let turn = 0; turn < 300; turn += 1) {
      const at = next(model.length + 1);
      const removed = Math.min(next(4), model.length - at);
      const added = Array.from({ length: next(6) }, () => 1 + next(50));
      heights.splice(at, removed, added);
      model.splice(at, removed, ...added);
      if (model.length > 0) {
        const changed = next(model.length);
        model[changed] = 1 + next(90);
        heights.set(changed, model[changed]);
      }
      const upTo = next(model.length + 1);
      const sum = model.slice(0, upTo).reduce((all, one) => all + one, 0);
      assert.equal(heights.top(upTo), sum, `seed ${seed}, turn ${turn}`);
      const y = next(heights.total + 20);
      let [found, top] = [0, 0];
      while (found < model.length - 1 && top + model[found] <= y) {
        top += model[found];
        found += 1;
      }
      assert.equal(heights.find(y), found, `seed ${seed}, turn ${turn}`);
    }
  }
});

test("a text is read as people mean it", () => {
  const strong = (...parts) => ({ is: "strong", parts });
  const em = (...parts) => ({ is: "em", parts });
  const link = (text, to = text) => ({ is: "link", text, to });
  for (const [text, tree] of [
    ["plain", ["plain"]],
    ["", []],
    ["**a *b* c** d", [strong("a ", em("b"), " c"), " d"]],
    ["snake_case_name and 2*3*4", ["snake_case_name and 2*3*4"]],
    ["** a ** and *", ["** a ** and *"]],
    ["_it_, ~~not~~", [em("it"), ", ", { is: "del", parts: ["not"] }]],
    ["`**a**`", [{ is: "code", text: "**a**" }]],
    ["x\n```js\nlet a;\n```\ny", ["x\n", { is: "block", text: "let a;" }, "y"]],
    ["``` open", ["``` open"]],
    ["> a\n> b\nc", [{ is: "quote", parts: ["a\nb"] }, "c"]],
    ["(see https://e.org/a_(b)).", ["(see ", link("https://e.org/a_(b)"), ")."]],
    ["HTTP://E.org", [link("HTTP://E.org", "http://e.org/")]],
    ["mailto:a@b.c", [link("mailto:a@b.c")]],
    ["javascript:alert(1)", ["javascript:alert(1)"]],
    ["https://good.org@evil.org/", ["https://good.org@evil.org/"]],
    ["https://\u0430pple.com", [link("https://xn--pple-43d.com/")]],
    ["https://a.org\u202egro", ["https://a.org\u202egro"]],
    ["@ann. and a@b.c #lobby", [{ is: "user", text: "ann" }, ". and a@b.c ", { is: "channel", text: "lobby" }]],
    [":tada: :nothing: 10:30:00", [{ is: "emoji", text: "🎉" }, " :nothing: 10:30:00"]],
  ]) {
    assert.deepEqual(parse(text), tree, text);
  }
  for (const [text, isAlone] of [["👍🏽 ❤️", true], [":tada:", true], ["1", false], ["👍 yes", false], ["", false]]) {
    assert.equal(isEmojiAlone(parse(text)), isAlone, text);
  }
});

test("whatever stands in a text, all of it is there again", () => {
  const marks = ["**", "*", "__", "_", "~~", "`", "```", "> ", "\n", " ", ")", ":", "@"];
  const pieces = [...marks, "ä", "b c", "https://e.org/", "#x"];
  const flat = (parts) =>
    parts.map((part) => (typeof part === "string" ? part : (part.text ?? flat(part.parts)))).join("");
  const letters = (text) => text.replace(/[^äbcegoprsthx]/g, "");
  for (let seed = 1; seed <= 2000; seed += 1) {
    const next = numbers(seed * 7919);
    const text = Array.from({ length: next(30) }, () => pieces[next(pieces.length)]).join("");
    assert.equal(letters(flat(parse(text))), letters(text), JSON.stringify(text));
  }
});

test("what takes long is not what somebody can bring about: marks without end are read once", () => {
  for (const piece of ["*a ", "**a ", "_a", "`", "*", "@a", "> ", "http://", "*a**a", "https://a)"]) {
    const text = piece.repeat(30_000 / piece.length);
    assert.ok(parse(text).length > 0, piece);
  }
});

test("nobody is offered what would be refused", () => {
  const may = (mine, theirs, user = "bob") => rights({ mine, theirs, user, me: "ann" });
  assert.deepEqual(may("member", "member"), []);
  assert.deepEqual(may("moderator", "member"), ["muted", "kick", "ban"]);
  assert.deepEqual(may("moderator", "moderator"), []);
  assert.deepEqual(may("owner", "moderator"), ["owner", "member", "muted", "kick", "ban"]);
  assert.deepEqual(may("owner", "member", "~eve-12345"), ["muted", "kick", "ban"]);
  assert.deepEqual(may("owner", "owner"), []);
  assert.deepEqual(may("owner", "owner", "ann"), ["moderator", "member"]);
});

test("how it stands with the line is said in words", () => {
  const said = (state, more) => line({ state, transport: null, waiting: 0, retryAt: null, now: 0, ...more }).text;
  assert.equal(said("online", { transport: "websocket" }), "Online");
  assert.equal(said("online", { transport: "longpoll" }), "Online by long-poll");
  assert.equal(said("connecting"), "Connecting …");
  assert.equal(said("recovering", { waiting: 1 }), "Reconnecting …, 1 message waits");
  assert.equal(said("recovering", { waiting: 2, retryAt: 4200 }), "Offline, again in 5 s, 2 messages wait");
  assert.equal(said("disconnected"), "Offline");
});
