// Places along an axis: training steps, time steps, layers.

export class Cells {
  // values: increasing or decreasing numbers, which stand where they belong, or names, which stand
  // at 0, 1, 2, …
  constructor(values) {
    this.values = values;
    this.named = !isMonotonic(values);
    this.at = this.named ? values.map((_, place) => place) : values;
    this.edges = edgesOf(this.at);
    this.sign = this.edges.at(-1) < this.edges[0] ? -1 : 1;
  }

  get length() {
    return this.values.length;
  }

  // From the outer edge of the first cell to that of the last.
  get domain() {
    return [this.edges[0], this.edges.at(-1)];
  }

  // The number of the cell that contains a position; of the nearest cell, if it is outside.
  index(position) {
    let [low, high] = [0, this.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sign * position < this.sign * this.edges[middle + 1]) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // The number of the cell of a value: of this name, or the nearest to this number; -1: none.
  find(value) {
    if (this.named) return this.values.indexOf(value);
    if (typeof value !== "number") return -1;
    const outside = [this.edges[0] - value, value - this.edges.at(-1)].some((by) => by * this.sign > 0);
    return outside ? -1 : this.index(value);
  }
}

function isMonotonic(values) {
  const sign = Math.sign(values.at(-1) - values[0]);
  return values.every((value, place) =>
    typeof value === "number" && (!place || (value - values[place - 1]) * sign > 0));
}

// A cell reaches half way to its neighbours.
function edgesOf(at) {
  if (at.length < 2) return [(at[0] ?? 0) - 0.5, (at[0] ?? 0) + 0.5];
  const between = at.slice(1).map((value, place) => (value + at[place]) / 2);
  return [at[0] - (between[0] - at[0]), ...between, at.at(-1) + (at.at(-1) - between.at(-1))];
}
