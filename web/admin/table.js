// A table whose rows are brought up to date in place.
//
// While somebody is in it, by pointer or by keyboard, no row moves and none comes or goes, so that nobody ends the
// wrong session; what has gone is shown as gone.

import { make, write } from "./dom.js";

/** Columns are `{name, of, kind, show}`: `of(row)` gives the text; `kind` is a class, such as `number`; where
 *  `show` is given,  it fills the cell once, and again only if what it returns for a row's key changes. */
export class Table {
  #columns;
  #key;
  #more;
  #rows = new Map();
  #newest = [[], ""];
  #body = make("tbody", { role: "rowgroup" });
  #foot = make("span");
  #end = make("p", { class: "foot" }, this.#foot, " ");
  #all = make("button", { type: "button", class: "small", hidden: true, onclick: () => this.#unfold() });
  #few;
  #none;

  /** `key(row)` names a row; `more(row)`, if given, gives `[term, text]` that a row is unfolded to; `few` rows are
   *  shown until  somebody asks for all. */
  constructor(place, { label, columns, key, none, more, few = Infinity }) {
    [this.#columns, this.#key, this.#none, this.#more, this.#few] = [columns, key, none, more, few];
    const heads = columns.map((column) =>
      make("th", { scope: "col", role: "columnheader", class: column.kind }, column.name),
    );
    const head = make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads));
    place.append(make("table", { role: "table", "aria-label": label }, head, this.#body), this.#end);
    this.#end.append(this.#all);
    write(this.#foot, "…");
  }

  /** Shows these rows in this order, and `foot` below them. */
  update(all, foot = "") {
    this.#newest = [all, foot];
    const rows = all.slice(0, this.#few);
    const held = this.#isHeld();
    const keys = new Set(rows.map(this.#key));
    for (const [key, shown] of this.#rows) {
      shown.elements[0].classList.toggle("gone", !keys.has(key));
      if (!keys.has(key) && !held) {
        shown.elements.forEach((element) => element.remove());
        this.#rows.delete(key);
      }
    }
    let place = this.#body.firstElementChild;
    for (const row of rows) {
      const known = this.#rows.get(this.#key(row));
      if (known === undefined && held && this.#rows.size > 0) {
        continue;
      }
      const shown = known ?? this.#add(row);
      this.#fill(shown, row);
      for (const element of held && known ? [] : shown.elements) {
        if (element === place) {
          place = place.nextElementSibling;
        } else {
          this.#body.insertBefore(element, place);
        }
      }
    }
    write(this.#foot, rows.length === 0 && this.#rows.size === 0 ? this.#none : foot);
    this.#end.hidden = this.#foot.textContent === "";
    write(this.#all, `Show ${all.length}`);
    this.#all.hidden = all.length <= this.#few;
  }

  #unfold() {
    this.#few = Infinity;
    this.update(...this.#newest);
  }

  #isHeld() {
    // A finger hovers where it last touched, for as long as it likes.
    const points = matchMedia("(hover: hover)").matches && this.#body.matches(":hover");
    return points || this.#body.contains(document.activeElement);
  }

  #add(row) {
    const cells = this.#columns.map((column, at) => {
      const attributes = { role: at === 0 ? "rowheader" : "cell", class: column.kind, "data-name": column.name };
      return at === 0 ? make("th", { scope: "row", ...attributes }) : make("td", attributes);
    });
    const shown = { cells, row, elements: [make("tr", { role: "row" }, ...cells)] };
    this.#columns.forEach((column, at) => column.show?.(cells[at], () => shown.row));
    if (this.#more !== undefined) {
      this.#unfolds(shown);
    }
    this.#rows.set(this.#key(row), shown);
    return shown;
  }

  #fill(shown, row) {
    shown.row = row;
    this.#columns.forEach((column, at) => {
      if (column.of !== undefined) {
        write(shown.text?.[at] ?? shown.cells[at], column.of(row));
        shown.cells[at].classList.toggle("odd", column.odd?.(row) ?? false);
      }
    });
    shown.refill?.();
  }

  /** Gives a row a button that unfolds a second one below it. */
  #unfolds(shown) {
    const text = make("span");
    const button = make("button", { type: "button", class: "fold", "aria-expanded": "false" }, text);
    const inner = make("td", { colspan: this.#columns.length, role: "cell" });
    const below = make("tr", { role: "row", class: "below", hidden: true }, inner);
    shown.refill = () => {
      if (!below.hidden) {
        fillIn(inner, this.#more(shown.row));
      }
    };
    button.addEventListener("click", () => {
      below.hidden = !below.hidden;
      button.setAttribute("aria-expanded", String(!below.hidden));
      shown.refill();
    });
    shown.cells[0].append(button);
    shown.text = { 0: text };
    shown.elements.push(below);
  }
}

/** A list of `[term, text]`; touched only if it changed. */
function fillIn(place, pairs) {
  const said = JSON.stringify(pairs);
  if (place.said !== said) {
    place.said = said;
    const list = pairs.map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text)));
    place.replaceChildren(make("dl", {}, ...list));
  }
}
