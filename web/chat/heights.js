// How high rows are, and where each begins: sums over a hundred thousand of them in a few steps (a Fenwick tree).

/** Heights by index, in pixels. */
export class Heights {
  #rows = new Float64Array(64);
  #tree = new Float64Array(65);
  #size = 0;

  get size() {
    return this.#size;
  }

  /** Where the row at `index` begins; of `size`, where all end. */
  top(index) {
    let sum = 0;
    for (let at = Math.min(index, this.#size); at > 0; at -= at & -at) {
      sum += this.#tree[at];
    }
    return sum;
  }

  get total() {
    return this.top(this.#size);
  }

  of(index) {
    return this.#rows[index];
  }

  /** The row at this place; the last one for what is behind it, the first one for what is before it. */
  find(y) {
    let at = 0;
    let left = Math.max(0, y);
    for (let step = 1 << (31 - Math.clz32(Math.max(1, this.#size))); step > 0; step >>= 1) {
      if (at + step <= this.#size && this.#tree[at + step] <= left) {
        at += step;
        left -= this.#tree[at];
      }
    }
    return Math.max(0, Math.min(at, this.#size - 1));
  }

  /** Sets one; returns by how much it changed. */
  set(index, height) {
    const more = height - this.#rows[index];
    if (more !== 0) {
      this.#rows[index] = height;
      for (let at = index + 1; at <= this.#size; at += at & -at) {
        this.#tree[at] += more;
      }
    }
    return more;
  }

  /** Takes `removed` rows out at `at`, and puts these in their place. */
  splice(at, removed, added) {
    const size = this.#size - removed + added.length;
    if (size > this.#rows.length) {
      const rows = new Float64Array(2 ** Math.ceil(Math.log2(size + 1)));
      rows.set(this.#rows);
      this.#rows = rows;
      this.#tree = new Float64Array(rows.length + 1);
      this.#sum(0, this.#size);
    }
    this.#rows.copyWithin(at + added.length, at + removed, this.#size);
    this.#rows.set(added, at);
    this.#size = size;
    this.#sum(at, size);
  }

  /** Sums anew what the rows from `from` on are part of. */
  #sum(from, to) {
    for (let at = from + 1; at <= to; at += 1) {
      let sum = this.#rows[at - 1];
      for (let below = at - 1; below > at - (at & -at); below -= below & -below) {
        sum += this.#tree[below];
      }
      this.#tree[at] = sum;
    }
  }
}
