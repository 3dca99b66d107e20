// A table of values, [training steps × time steps or layers], as colours.

import { scaleLinear } from "./vendor/d3.js";
import { drawAxisBelow, drawAxisLeft, drawBarAxis, drawEpochs, fitted, heightBelow } from "./axes.js";
import { Cells } from "./cells.js";
import { Chart } from "./chart.js";
import { table as csvTable } from "./export.js";
import { exact, short, tickText, whole } from "./numbers.js";
import { Painter } from "./painter.js";
import { limits, logText, valueScale } from "./scale.js";

const HEIGHT = 220; // pixels of the map
const BAR = 10;

export class HeatMap extends Chart {
  show(data) {
    const cursor = this.cursor?.point;
    this.data = data;
    this.rows = new Cells(data.table.steps);
    this.columns = new Cells(data.table.columns);
    this.cursor = cursor ? this.linked(cursor) : null;
    this.painter = new Painter(data.table.values, data.scale, data.colours);
    this.resize();
  }

  get epochs() {
    const { steps, epochs } = this.data.table;
    return epochs?.length === steps.length ? epochs : null;
  }

  get hasEpochAxis() {
    return Boolean(this.epochs) && !this.isNarrow;
  }

  margins() {
    const epochs = this.hasEpochAxis ? 48 : 0;
    const [left, right] = this.isNarrow ? [58, 78] : [68, 84];
    const width = this.width - left - right - epochs;
    return { left, right: right + epochs, top: 10, bottom: heightBelow(this.columns, width) + 22, height: HEIGHT };
  }

  most() {
    return Math.max(8, this.rows.length / 4, this.columns.length / 4);
  }

  drawFrame() {
    const { width, height } = this.inner;
    const { data, margin } = this;
    this.across = scaleLinear(this.columns.domain, [0, width]);
    this.down = scaleLinear(this.rows.domain, [0, height]);
    this.title("x-title", fitted(data.x.title, this.width - margin.left), width / 2, height + margin.bottom - 6);
    this.title("y-title", data.y.title, 12 - margin.left, height / 2, true);
    this.title("epoch-title", this.hasEpochAxis ? "epoch" : "", width + 46, height / 2, true);
    this.drawBar(this.hasEpochAxis ? width + 54 : width + 12);
  }

  // The colours of the values. Its ends say whether there are values beyond.
  drawBar(left) {
    const { data, painter, inner: { height } } = this;
    const bar = this.frame.selectAll("g.bar").data([data]).join("g").attr("class", "bar").attr("transform", `translate(${left}, 0)`);
    const others = painter.others();
    const length = height - 18 * others.length;
    const gradient = bar.selectAll("linearGradient").data([0]).join("linearGradient")
      .attr("id", `${this.id}-colours`).attr("x1", 0).attr("x2", 0).attr("y1", 1).attr("y2", 0);
    gradient.selectAll("stop").data(painter.stops()).join("stop")
      .attr("offset", ([place]) => place).attr("stop-color", ([, colour]) => colour);
    bar.selectAll("rect.scale").data([0]).join("rect").attr("class", "scale")
      .attr("width", BAR).attr("height", length).attr("fill", `url(#${this.id}-colours)`);
    const [low, high] = limits(data.scale);
    const axis = bar.selectAll("g.values").data([0]).join("g").attr("class", "values axis").attr("transform", `translate(${BAR}, 0)`);
    const text = data.scale.linear ? tickText : logText;
    const marked = (value) => (value === low && painter.isBelow ? `≤${text(value)}` : text(value));
    drawBarAxis(axis, valueScale(!data.scale.linear, [low, high], [length, 0]), data.scale.linear, length, marked);
    const keys = bar.selectAll("g.other").data(others).join("g").attr("class", "other")
      .attr("transform", (_, place) => `translate(0, ${length + 8 + 18 * place})`);
    keys.selectAll("rect").data((other) => [other]).join("rect").attr("width", BAR).attr("height", 10).attr("fill", ({ colour }) => colour);
    keys.selectAll("text").data((other) => [other]).join("text").attr("x", BAR + 7).attr("dy", "9").text(({ text: name }) => name);
    this.title("value-title", fitted(data.value.title, height), left + (this.isNarrow ? 64 : 68), height / 2, true);
  }

  draw() {
    const { axes, columns, rows, x, y, margin, inner: { width, height } } = this;
    const group = (name, transform = null) =>
      axes.selectAll(`.${name}`).data([0]).join("g").attr("class", `${name} axis`).attr("transform", transform);
    drawAxisBelow(group("below", `translate(0, ${height})`), columns, x, { width, left: margin.left });
    drawAxisLeft(group("left"), rows, y, height);
    const epochs = this.hasEpochAxis ? this.epochs : [];
    drawEpochs(group("right", `translate(${width}, 0)`), false, epochs, rows.at.map(y), height);
    this.painter.draw(this.canvas.node(), this);
    this.drawSelected();
  }

  // Marks the row of a training step.
  select(step) {
    this.selected = step;
    if (this.margin) this.drawSelected();
  }

  drawSelected() {
    const row = this.rows.find(this.selected);
    const { width, height } = this.inner;
    const y = row < 0 ? NaN : this.y(this.rows.at[row]);
    const inView = y >= 0 && y <= height;
    this.marks.selectAll("path.selected").data(inView ? [y] : []).join("path").attr("class", "selected")
      .attr("d", `M0,${y}H${width}M0,${y - 4}L5,${y}L0,${y + 4}ZM${width},${y - 4}L${width - 5},${y}L${width},${y + 4}Z`);
  }

  at(px, py) {
    const { width, height } = this.inner;
    if (px < 0 || py < 0 || px >= width || py >= height) return null;
    return this.cell(this.rows.index(this.y.invert(py)), this.columns.index(this.x.invert(px)));
  }

  // The cursor on a cell.
  cell(row, column) {
    const { table, x, y } = this.data;
    const value = table.values[row * this.columns.length + column];
    const step = table.steps[row];
    const name = (y.name ?? ((at) => `${y.title} ${whole(at)}`))(step);
    const epoch = Number.isFinite(this.epochs?.[row]) ? ` (epoch ${whole(this.epochs[row])})` : "";
    const text = `${name}${epoch}, ${x.name(table.columns[column])}: ${short(value)}`;
    return { row, column, point: { step, column: table.columns[column], value, text } };
  }

  linked({ step, column }) {
    const row = this.rows.find(step ?? this.selected);
    const place = this.columns.find(column);
    return row < 0 || place < 0 ? null : this.cell(row, place);
  }

  moved(right, down) {
    const { rows, columns, cursor } = this;
    if (!cursor) return this.cell(Math.max(rows.find(this.selected ?? this.data.table.steps.at(-1)), 0), columns.length - 1);
    const within = (value, count) => Math.min(Math.max(value, 0), count - 1);
    return this.cell(within(cursor.row + down, rows.length), within(cursor.column + right, columns.length));
  }

  end(side) {
    const { row } = this.cursor ?? this.moved(0, 0);
    return this.cell(row, side < 0 ? 0 : this.columns.length - 1);
  }

  placeOf({ row, column }) {
    return [this.x(this.columns.at[column]), this.y(this.rows.at[row])];
  }

  drawCursor(x, y) {
    const { width, height } = this.inner;
    this.drawLines(`M${x},0V${height}M0,${y}H${width}M${x - 4},${y - 4}h8v8h-8z`);
  }

  tipTop(y) {
    return y + 12;
  }

  tipLines() {
    return [{ text: this.cursor.point.text }];
  }

  csv() {
    const { table, x, y } = this.data;
    const { epochs, columns } = this;
    const header = [y.title, ...(epochs ? ["epoch"] : []), ...table.columns.map((column) => x.name(column))];
    const lines = table.steps.map((step, row) => [
      step, ...(epochs ? [epochs[row] ?? ""] : []),
      ...Array.from(table.values.subarray(row * columns.length, (row + 1) * columns.length), exact),
    ]);
    return csvTable([header, ...lines]);
  }

  description() {
    const { table, x, y, value } = this.data;
    const named = (row, column) => this.cell(row, column).point.text;
    const [least, most] = this.painter.extremes();
    const cells = [least, most].filter((place) => place >= 0)
      .map((place) => named(Math.floor(place / this.columns.length), place % this.columns.length));
    const range = cells.length ? `The smallest value is at ${cells[0]}; the largest at ${cells[1]}.` : "There are no finite values.";
    return `${this.label}: heat map of ${value.title}. Rows: ${y.title}, ${ends(table.steps)}. ` +
      `Columns: ${x.title}, ${ends(table.columns)}. ${range}`;
  }
}

const ends = (values) => {
  const text = (value) => (typeof value === "number" ? whole(value) : value);
  return values.length === 1 ? text(values[0]) : `${text(values[0])} to ${text(values.at(-1))} (${values.length})`;
};
