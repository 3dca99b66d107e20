// The kinds of series: what their rows and columns are, and how values are shown.

const AXES = {
  end: { title: "time steps before the last", name: beforeLast },
  start: { title: "time step", name: (column) => `time step ${column}` },
  joined: { title: "time step (first layer up to 0, second layer from 1)", name: (column) => `time step ${column}` },
};
const time = AXES.start;

function beforeLast(steps) {
  if (steps === 0) return "last time step";
  return `${steps} time step${steps === 1 ? "" : "s"} before the last`;
}

export const KINDS = {
  error_flow: { title: "Error over time", row: "training step", axis: (align) => AXES[align] },
  layer_gradients: {
    title: "Gradient over depth",
    row: "training step",
    axis: () => ({ title: "layer, from input to loss", name: String }),
  },
  depth_flow: {
    title: "Error over depth",
    row: "training step",
    axis: (align, { name }) => ({ title: `${name === "paths" ? "path" : "layer or block"}, from input to loss`, name: String }),
  },
  // One table per epoch, which the slider selects.
  error_matrix: {
    title: "Error matrix",
    row: "loss step i",
    slider: "epoch",
    axis: () => ({ ...time, title: "time step k" }),
  },
  horizon: { title: "Horizon", row: "epoch", axis: () => AXES.end },
  lyapunov: { title: "Lyapunov exponents", row: "epoch" },
  gates: { title: "Gates over time", row: "epoch", shares: true, axis: () => time },
};

// Whether the values are shares from 0 to 1, which a linear axis shows.
export const areShares = (kind, statistic) => Boolean(KINDS[kind].shares) || statistic === "dead";

// What the axes of a chart say about one statistic of a series.
export function axesOf(series, { statistic, align }) {
  const { row, axis } = KINDS[series.kind];
  return {
    x: axis(series.joined ? "joined" : align, series),
    y: { title: row, name: (step) => `${row} ${step.toLocaleString("en")}` },
    value: { title: series.kind === "error_matrix" ? "‖dE_i/dh_k‖" : series.labels[statistic] ?? statistic },
  };
}

// The slider's row of a table: the one of the nearest recorded step.
export function rowOf(steps, step) {
  let [low, high] = [0, steps.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (steps[middle] <= step) low = middle;
    else high = middle;
  }
  return high >= 0 && step - steps[low] > steps[high] - step ? high : low;
}

// The values of a row, [columns].
export function rowValues({ columns, values }, row) {
  return values.subarray(row * columns.length, (row + 1) * columns.length);
}

// Where columns stand on the axis of a chart: [positions, names]. Columns without a number stand at
// the places of their names in `all`.
export function placesOf(columns, all) {
  if (typeof all[0] === "number") return [columns, undefined];
  return [columns.map((column) => all.indexOf(column)), all];
}
