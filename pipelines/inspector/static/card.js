// One series: its heat map, below it the curve of the selected training step, and its findings.

import { fetchTable } from "./data.js";
import { Plot } from "./plot.js";
import { short } from "./numbers.js";

// The kinds of series, and how their axes are labelled.
export const KINDS = {
  error_flow: {
    title: "Error over time",
    row: "training step",
    axis: (align) => AXES[align].title,
    column: (column, align) => AXES[align].name(column),
  },
  layer_gradients: {
    title: "Gradient over depth",
    row: "training step",
    axis: () => "layer, from input to loss",
    column: (column) => column,
  },
  error_matrix: {
    title: "Error matrix",
    row: "loss step i",
    slider: "epoch", // there is one table per epoch, which the slider selects
    axis: () => "time step k",
    column: (column) => `time step ${column}`,
  },
  horizon: {
    title: "Horizon",
    row: "epoch",
    axis: () => "time steps before the last",
    column: beforeLast,
  },
  gates: {
    title: "Gates over time",
    row: "epoch",
    shares: true, // from 0 to 1
    axis: () => "time step",
    column: (column) => `time step ${column}`,
  },
};

const AXES = {
  end: { title: "time steps before the last", name: beforeLast },
  start: { title: "time step", name: (column) => `time step ${column}` },
  joined: { title: "time step: first layer up to 0, second layer from 1", name: (column) => `time step ${column}` },
};

function beforeLast(steps) {
  if (steps === 0) return "last time step";
  return `${steps} time step${steps === 1 ? "" : "s"} before the last`;
}

export class Card {
  constructor(page, series) {
    this.page = page;
    this.series = series;
    this.element = document.createElement("article");
    this.element.innerHTML = `
      <header><h2></h2><button type="button" class="png">PNG</button>
        <button type="button" class="csv">CSV</button></header>
      <p class="problem" role="status" hidden></p>
      <div class="plot"><canvas tabindex="0" role="img"></canvas><div class="tip" hidden></div></div>
      <ul class="findings"></ul>`;
    this.canvas = this.find("canvas");
    this.title = [runOf(series), series.name].filter(Boolean).join(" · ");
    this.find("h2").textContent = this.title;
    this.find("h2").title = `${series.run} ${series.name}`;
    this.find(".png").onclick = () => this.canvas.toBlob((blob) => save(blob, `${this.file()}.png`));
    this.find(".csv").onclick = () => save(new Blob([this.csv()], { type: "text/csv" }), `${this.file()}.csv`);
    this.canvas.onpointermove = (event) => this.hover(this.plot?.cellAt(event.offsetX, event.offsetY));
    this.canvas.onpointerleave = () => this.hover(null);
    this.canvas.onblur = () => this.hover(null);
    this.canvas.onclick = () => this.pick();
    this.canvas.onkeydown = (event) => this.key(event);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  async load(series, statistic, align) {
    const isMatrix = KINDS[series.kind].slider;
    const query = isMatrix ? (this.step === undefined ? {} : { step: this.step }) : { statistic, align };
    const requested = JSON.stringify([series.latest, query]);
    if (requested === this.requested) return;
    this.requested = requested;
    const table = await fetchTable(series, query).catch((error) => this.refuse(error, requested));
    if (!table || this.requested !== requested) return; // the selection has changed meanwhile
    this.find(".problem").hidden = true;
    this.find(".plot").hidden = false;
    const axis = series.joined ? "joined" : align;
    Object.assign(this, { series, table, statistic, align: axis, cell: null });
    this.find(".findings").replaceChildren(...table.findings.map(findingItem), ...gaps(table));
    if (this.step === undefined) this.step = (table.epochs ?? table.steps).at(-1);
  }

  // Shows why there is no table; the other cards are not concerned.
  refuse(error, requested) {
    if (this.requested !== requested) return;
    this.requested = this.table = this.plot = null; // it is requested again at the next update
    this.find(".plot").hidden = true;
    this.find(".problem").hidden = false;
    this.find(".problem").textContent = `This record cannot be shown: ${error.message}`;
    this.find(".findings").replaceChildren();
  }

  range() {
    const steps = this.table ? (this.table.epochs ?? this.table.steps) : [];
    return steps.length ? [steps[0], steps.at(-1)] : [];
  }

  // The row of the training step nearest to the selected one; of a matrix, the row under the pointer.
  row() {
    const { steps, epochs } = this.table;
    if (epochs) return this.cell ? this.cell.row : steps.length - 1;
    return steps.reduce((best, step, row) =>
      Math.abs(step - this.step) < Math.abs(steps[best] - this.step) ? row : best, 0);
  }

  moveTo(step) {
    this.step = step;
    if (!this.table) return;
    if (!this.table.epochs) return this.plot?.draw(this.row(), this.cell);
    this.load(this.series, this.statistic, this.align).then(() => this.page.draw());
  }

  draw(scale) {
    if (!this.table) return;
    const { row, axis } = KINDS[this.series.kind];
    const titles = { row, column: axis(this.align) };
    this.plot = new Plot(this.canvas, this.table, scale, this.page.colours, titles);
    this.plot.draw(this.row(), this.cell);
    this.canvas.setAttribute("aria-label",
      `${this.title}: ${this.table.recorded} rows; use the arrow keys to read the values`);
  }

  // Shows the exact value of a cell, {row, column}; null: of no cell.
  hover(cell) {
    const tip = this.find(".tip");
    this.cell = cell ?? null;
    tip.hidden = !cell;
    if (this.plot) this.plot.draw(this.row(), this.cell);
    if (!cell) return;
    const { steps, columns, values } = this.table;
    const value = values[cell.row * columns.length + cell.column];
    const kind = KINDS[this.series.kind];
    const column = kind.column(columns[cell.column], this.align);
    tip.textContent = `${kind.row} ${steps[cell.row].toLocaleString("en")}, ${column}: ${short(value)}`;
    tip.dataset.value = value;
    const [x, y] = this.plot.centre(cell);
    tip.style.left = `${Math.min(x + 12, this.canvas.clientWidth - tip.offsetWidth)}px`;
    tip.style.top = `${y + 14}px`;
  }

  // Selects the training step under the pointer.
  pick() {
    if (this.cell && !this.table.epochs) this.page.choose(this.table.steps[this.cell.row]);
  }

  key(event) {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!this.table) return;
    const { steps, columns } = this.table;
    if (move) {
      const from = this.cell ?? { row: this.row(), column: columns.length - 1 };
      const within = (value, count) => Math.min(Math.max(value, 0), count - 1);
      const first = this.cell === null ? [0, 0] : move;
      this.hover({
        row: within(from.row + first[0], steps.length),
        column: within(from.column + first[1], columns.length),
      });
    } else if (event.key === "Enter") {
      this.pick();
    } else if (event.key === "Escape") {
      this.hover(null);
    } else {
      return;
    }
    event.preventDefault();
  }

  csv() {
    const { steps, columns, values } = this.table;
    const lines = steps.map((step, row) =>
      [step, ...values.subarray(row * columns.length, (row + 1) * columns.length)].join(","));
    const kind = KINDS[this.series.kind];
    const header = [kind.row, ...columns.map((column) => kind.column(column, this.align))];
    return [header.map((name) => (/[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name)).join(","), ...lines, ""].join("\n");
  }

  file() {
    return [this.series.run, this.series.name, this.statistic].join("-").replace(/[^\w.-]+/g, "-");
  }
}

// TensorBoard's slower loader keeps few blocks of a long run, unless a flag raises the limit.
function gaps({ missing }) {
  if (!missing) return [];
  const note = document.createElement("li");
  note.textContent = `TensorBoard has left out ${missing.toLocaleString("en")} training steps in between. ` +
    "To see them, start it with errorflow tensorboard, or with --samples_per_plugin errorflow=1000.";
  return [note];
}

// The name of a training: the folder that holds logs/train or, in older files, logs/error_flow, …
export const runOf = ({ run, kind }) =>
  run.split("/").filter((part) => ![kind, "train", "validation", "logs"].includes(part)).join("/");

// A list item: a finding, the numbers behind it, and remedies from the literature.
function findingItem({ kind, text, evidence, confidence, remedies }) {
  const item = document.createElement("li");
  item.dataset.kind = remedies.length ? "trouble" : kind;
  item.append(text);
  const more = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = remedies.length ? "numbers and remedies" : "numbers";
  const numbers = Object.entries({ ...evidence, ...(typeof confidence === "number" ? { confidence } : {}) });
  const lines = [
    numbers.map(([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "number" ? short(value) : value}`).join("; "),
    ...remedies,
  ];
  more.append(summary, ...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
  item.append(more);
  return item;
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}
