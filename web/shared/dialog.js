// Asks before something is done that cannot be taken back.

import { make } from "./dom.js";

/** Asks; `fields` are inputs as `{name, words, value, kind}`, `word` has to be typed if it is given, and
 *  `act(values)` is what  is done. The dialog stays, and says why, where that throws. Ends when the dialog has
 *  closed. */
export function ask({ title, text, action, word, fields = [], act, danger = false }) {
  const fault = make("p", { class: "fault", role: "alert" });
  const inputs = fields.map(({ name, words, value, kind = "number" }) => {
    const more = kind === "number" ? { min: "0", step: "1", inputmode: "numeric" } : {};
    return make("label", {}, words, make("input", { name, type: kind, value, autocomplete: "off", ...more }));
  });
  if (word !== undefined) {
    const typed = { name: "word", autocomplete: "off", autocapitalize: "none", spellcheck: "false" };
    inputs.push(make("label", {}, "Type ", make("b", {}, word), " to go on", make("input", typed)));
  }
  const go = make(
    "button",
    { type: "submit", class: danger ? "danger" : "primary", disabled: word !== undefined },
    action,
  );
  const leave = make("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel");
  const form = make(
    "form",
    {},
    make("h2", { id: "dialog-title" }, title),
    make("p", {}, text),
    ...inputs,
    fault,
    make("p", { class: "actions" }, leave, go),
  );
  const dialog = make("dialog", { "aria-labelledby": "dialog-title" }, form);
  form.addEventListener("input", () => {
    go.disabled = word !== undefined && form.elements.word.value !== word;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      await act(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (why) {
      fault.textContent = why.message;
      go.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  // Nothing happens by a key pressed too soon.
  if (fields.length === 0 && word === undefined) {
    leave.focus();
  }
  return new Promise((done) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      done();
    }),
  );
}
