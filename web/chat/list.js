// A list of which only what is seen is in the document. What the reader looks at stays where it is while rows come and
// go above it, and while they turn out higher or lower than was thought; at the end it stays at the end.

import { Heights } from "./heights.js";
import { framed } from "./news.js";

/** How much is drawn above and below what is seen, in pixels. */
const AROUND = 600;
/** How near to the end counts as the end. */
const NEAR = 8;

/** Rows in a scrolling element, which holds one element as high as all rows, which holds the list element.
 *
 *  `items` is the caller's array, changed by the caller alone, who then says `spliced`. `show` has `key(item)`,
 *  `sign(index)` (text that differs if the row has to be drawn anew), `draw(index, element)`, `guess(index)` (a height
 *  in pixels), and `moved()`, called after each change of what is seen. */
export class List {
  #scroller;
  #tall;
  #rows;
  #show;
  #items = [];
  #heights = new Heights();
  /** By key: the element, what it was drawn for, and its index. */
  #drawn = new Map();
  /** What the reader looks at: the first row in sight, and how much of it is out of sight. */
  #anchor = { index: 0, offset: 0 };
  #isAtEnd = true;
  /** Where the scroller was when that was known. */
  #top = 0;
  #width = 0;
  #range = [0, 0];
  #sizes = new ResizeObserver((entries) => this.#measured(entries));
  #render = framed(() => this.#draw());

  constructor(scroller, show) {
    [this.#scroller, this.#show] = [scroller, show];
    this.#tall = scroller.firstElementChild;
    this.#rows = this.#tall.firstElementChild;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#sizes.observe(scroller);
  }

  /** Whether the newest row is in sight. */
  get isAtEnd() {
    return this.#isAtEnd;
  }

  /** The first and the last row in sight. */
  get seen() {
    const { scrollTop, clientHeight } = this.#scroller;
    return [this.#heights.find(scrollTop), this.#heights.find(scrollTop + clientHeight - 1)];
  }

  /** Shows other items, at the end or at the place that `place` returned for them. */
  reset(items, place) {
    for (const { element } of this.#drawn.values()) {
      this.#sizes.unobserve(element);
    }
    this.#drawn.clear();
    this.#rows.replaceChildren();
    this.#items = items;
    this.#isAtEnd = place === undefined || place.isAtEnd;
    this.#anchor = place === undefined ? { index: 0, offset: 0 } : { index: place.index, offset: place.offset };
    this.#heights = new Heights();
    this.#heights.splice(0, 0, items.map((_, index) => this.#show.guess(index)));
    this.#settle();
    this.#draw();
  }

  /** Where the reader is. */
  get place() {
    return { ...this.#anchor, isAtEnd: this.#isAtEnd };
  }

  /** The items changed: at `at`, so many went and so many came. */
  spliced(at, removed, added) {
    // The browser may have scrolled, and not said so yet.
    if (Math.abs(this.#scroller.scrollTop - this.#top) > 1) {
      this.#look();
    }
    const guesses = Array.from({ length: added }, (_, more) => this.#show.guess(at + more));
    this.#heights.splice(at, removed, guesses);
    const { index } = this.#anchor;
    if (index >= at + removed) {
      this.#anchor.index += added - removed;
    } else if (index > at) {
      this.#anchor = { index: Math.min(at, Math.max(0, this.#heights.size - 1)), offset: 0 };
    }
    this.#settle();
    this.#draw();
  }

  /** Draws anew what changed of the rows in sight. */
  refresh() {
    this.#render();
  }

  /** Brings a row into sight, a third from the top. */
  reveal(index) {
    this.#isAtEnd = false;
    this.#anchor = { index, offset: -this.#scroller.clientHeight / 3 };
    this.#settle();
    this.#draw();
    this.#scrolled();
  }

  /** Goes to the end. */
  toEnd() {
    this.#isAtEnd = true;
    this.#settle();
    this.#draw();
  }

  /** The element of the row with this key, if it is in the document. */
  element(key) {
    return this.#drawn.get(key)?.element;
  }

  #scrolled() {
    this.#look();
    this.#render();
  }

  /** Finds out where the reader is. */
  #look() {
    const { scrollTop, clientHeight } = this.#scroller;
    this.#top = scrollTop;
    const index = this.#heights.find(scrollTop);
    this.#anchor = { index, offset: scrollTop - this.#heights.top(index) };
    this.#isAtEnd = scrollTop + clientHeight >= this.#heights.total - NEAR;
  }

  /** Has the scroller be where the reader is. */
  #settle() {
    const total = Math.ceil(this.#heights.total);
    if (this.#tall.style.height !== `${total}px`) {
      this.#tall.style.height = `${total}px`;
    }
    this.#rows.style.transform = `translateY(${this.#heights.top(this.#range[0])}px)`;
    const { index, offset } = this.#anchor;
    const wanted = this.#isAtEnd ? total - this.#scroller.clientHeight : this.#heights.top(index) + offset;
    if (Math.abs(this.#scroller.scrollTop - wanted) >= 1) {
      this.#scroller.scrollTop = wanted;
    }
    this.#top = this.#scroller.scrollTop;
  }

  #draw() {
    const { scrollTop, clientHeight } = this.#scroller;
    const first = this.#heights.find(scrollTop - AROUND);
    const end = this.#items.length === 0 ? 0 : this.#heights.find(scrollTop + clientHeight + AROUND) + 1;
    const wanted = new Map();
    for (let index = first; index < end; index += 1) {
      wanted.set(this.#show.key(this.#items[index]), index);
    }
    for (const [key, { element }] of this.#drawn) {
      if (!wanted.has(key)) {
        this.#drop(key, element);
      }
    }
    let before = this.#rows.firstElementChild;
    for (const [key, index] of wanted) {
      const element = this.#row(key, index);
      if (element === before) {
        before = before.nextElementSibling;
      } else {
        this.#rows.insertBefore(element, before);
      }
    }
    this.#range = [first, end];
    this.#rows.style.transform = `translateY(${this.#heights.top(first)}px)`;
    this.#show.moved();
  }

  #row(key, index) {
    const sign = this.#show.sign(index);
    const known = this.#drawn.get(key);
    if (known !== undefined) {
      known.index = index;
      if (known.sign !== sign) {
        known.sign = sign;
        this.#show.draw(index, known.element);
      }
      return known.element;
    }
    const element = document.createElement("li");
    this.#show.draw(index, element);
    element.dataset.key = key;
    this.#drawn.set(key, { element, sign, index });
    this.#sizes.observe(element);
    return element;
  }

  #drop(key, element) {
    this.#sizes.unobserve(element);
    this.#drawn.delete(key);
    if (element.contains(document.activeElement)) {
      this.#scroller.focus({ preventScroll: true });
    }
    element.remove();
  }

  /** What the browser found out: before anything of it is painted. */
  #measured(entries) {
    let changed = false;
    for (const { target, borderBoxSize } of entries) {
      if (target === this.#scroller) {
        changed = true;
        this.#widened(target.clientWidth);
        continue;
      }
      const row = this.#drawn.get(target.dataset.key);
      if (row !== undefined && target.isConnected) {
        changed = this.#heights.set(row.index, borderBoxSize[0].blockSize) !== 0 || changed;
      }
    }
    if (changed) {
      this.#settle();
      this.#render();
    }
  }

  /** Rows of another width have other heights: those out of sight are guessed anew. */
  #widened(width) {
    if (this.#width !== 0 && width !== this.#width) {
      for (let index = 0; index < this.#items.length; index += 1) {
        if (index < this.#range[0] || index >= this.#range[1]) {
          this.#heights.set(index, this.#show.guess(index));
        }
      }
    }
    this.#width = width;
  }
}
