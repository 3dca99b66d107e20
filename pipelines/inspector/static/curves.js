// Curves of values over time steps, layers or training steps, in one chart with a legend.

import { scaleLinear } from "./vendor/d3.js";
import { drawAxisBelow, drawEpochs, drawValueAxis, fitted, heightBelow } from "./axes.js";
import { Cells } from "./cells.js";
import { Chart } from "./chart.js";
import { table as csvTable } from "./export.js";
import { Legend } from "./legend.js";
import { exact, short, whole } from "./numbers.js";
import { valueScale } from "./scale.js";
import { beyondOf, dashesOf, dotsOf, isDrawable, lineOf, nearestIndex, rangeOf } from "./strokes.js";

const HEIGHT = 180; // pixels of the area
const LINES = 8; // the largest number of curves in the readout
const DESCRIBED = 6; // the largest number of curves in the description

export class Curves extends Chart {
  constructor(host, options) {
    super(host, options);
    this.off = new Set(); // names of the curves that the reader has switched off
    this.legend = new Legend(this.root.append("ul").node(), (name) => this.toggle(name));
  }

  // alignTo: a heat map above this chart, whose columns are to stand above these.
  show(data) {
    const cursor = this.cursor?.point;
    this.data = data;
    this.positions = new Cells(data.x.names ?? positionsOf(data));
    this.legend.show(data.curves, this.off);
    this.cursor = cursor ? this.linked(cursor) : null;
    this.resize();
  }

  toggle(name) {
    if (!this.off.delete(name)) this.off.add(name);
    this.show(this.data);
  }

  get curves() {
    return this.data.curves.filter(({ name }) => !this.off.has(name));
  }

  // The curve whose epochs are those of all; null: there is no common axis of epochs.
  get epochs() {
    const curves = this.data.along === "step" ? this.curves.filter(({ xs }) => xs.length > 1) : [];
    const rates = curves.map(({ xs, epochs }) => (epochs ? (epochs.at(-1) - epochs[0]) / (xs.at(-1) - xs[0]) : NaN));
    return curves.length && rates.every((rate) => Math.abs(rate / rates[0] - 1) < 0.01) ? curves[0] : null;
  }

  margins() {
    const like = this.data.alignTo?.margin;
    const left = like?.left ?? (this.isNarrow ? 58 : 68);
    const right = like?.right ?? 16;
    return { left, right, top: this.epochs ? 24 : 10, bottom: heightBelow(this.positions, this.width - left - right) + 22, height: HEIGHT };
  }

  most() {
    return Math.max(8, this.positions.length / 4);
  }

  drawFrame() {
    const { width, height } = this.inner;
    const { x, y } = this.data;
    this.across = scaleLinear(this.data.alignTo?.columns.domain ?? this.xDomain(), [0, width]);
    this.down = valueScale(y.log, y.domain ?? rangeOf(this.curves, y.log), [height, 0]);
    if (!y.log && !y.domain) this.down.nice();
    this.title("x-title", fitted(x.title, this.width - this.margin.left), width / 2, height + this.margin.bottom - 6);
    this.title("epoch-title", this.epochs ? "epoch" : "", -24, -9);
    this.title("y-title", fitted(y.title, height), 12 - this.margin.left, height / 2, true);
  }

  xDomain() {
    const { at, domain, named } = this.positions;
    return named || at.length < 2 ? domain : [at[0], at.at(-1)];
  }

  draw() {
    const { axes, x, y, positions, margin, inner: { width, height }, data: { y: { log } } } = this;
    const group = (name, transform = null) =>
      axes.selectAll(`.${name}`).data([0]).join("g").attr("class", `${name} axis`).attr("transform", transform);
    drawAxisBelow(group("below", `translate(0, ${height})`).classed("grid", true), positions, x, { width, left: margin.left }, -height);
    drawValueAxis(group("left").classed("grid", true), group("minor"), y, log, height, -width);
    this.drawEpochs(group("above"));
    this.marks.selectAll("path.zero").data(!log && y.domain()[0] < 0 ? [y(0)] : []).join("path").attr("class", "zero")
      .attr("d", (at) => `M0,${at}H${width}`);
    const curves = this.marks.selectAll("g.curve").data(this.curves).join("g").attr("class", "curve")
      .attr("stroke", ({ colour }) => colour).attr("fill", ({ colour }) => colour);
    const path = (name, d) => curves.selectAll(`.${name}`).data((curve) => [curve]).join("path").attr("class", name).attr("d", d);
    path("line", (curve) => lineOf(curve, x, y, log)).attr("stroke-dasharray", dashesOf);
    path("dots", (curve) => dotsOf(curve, x, y, log));
    path("beyond", (curve) => beyondOf(curve, x, height, log));
    this.drawSelected();
  }

  drawEpochs(group) {
    const { epochs: curve } = this;
    drawEpochs(group, true, curve?.epochs ?? [], Array.from(curve?.xs ?? [], this.x), this.inner.width);
  }

  // Marks a training step, if the curves are over training steps.
  select(step) {
    this.selected = step;
    if (this.margin) this.drawSelected();
  }

  drawSelected() {
    const shown = this.data.along === "step" && typeof this.selected === "number" ? [this.x(this.selected)] : [];
    this.marks.selectAll("path.selected").data(shown).join("path").attr("class", "selected")
      .attr("d", (x) => `M${x},0V${this.inner.height}`);
  }

  at(px, py) {
    const { width, height } = this.inner;
    if (px < 0 || py < 0 || px > width || py > height) return null;
    return this.nearest(this.x.invert(px), py);
  }

  // The cursor on the point nearest to this height, of those nearest to this position.
  nearest(position, py) {
    const points = this.pointsAt(position);
    if (!points.length) return null;
    const away = ({ value }) => (isDrawable(value, this.data.y.log) ? Math.abs(this.y(value) - py) : 1e6);
    return this.on(points.reduce((best, point) => (away(point) < away(best) ? point : best)));
  }

  // One point of each curve: [{curve, n, value}].
  pointsAt(position) {
    return this.curves.filter(({ xs }) => xs.length).map((curve) => {
      const n = nearestIndex(curve.xs, position);
      return { curve, n, value: curve.ys[n] };
    });
  }

  on({ curve, n }) {
    const { along, x } = this.data;
    const at = curve.xs[n];
    const shown = x.names ? x.names[at] : at;
    const value = curve.ys[n];
    const text = `${curve.name}, ${this.nameAt(curve, n)}: ${short(value)}`;
    const [step, column] = along === "step" ? [shown, null] : [null, shown];
    return { curve, n, position: at, point: { step, column, value, text, name: curve.name } };
  }

  nameAt({ xs, epochs }, n) {
    const { x } = this.data;
    const epoch = Number.isFinite(epochs?.[n]) ? ` (epoch ${whole(epochs[n])})` : "";
    if (x.names) return x.names[xs[n]];
    return `${x.name ? x.name(xs[n]) : `${x.title} ${whole(xs[n])}`}${epoch}`;
  }

  linked({ step, column, name }) {
    const value = this.data.along === "step" ? step : column;
    const place = this.positions.find(value);
    if (place < 0 || !this.curves.length) return null;
    const same = this.pointsAt(this.positions.at[place]).find(({ curve }) => curve.name === name);
    return same ? this.on(same) : this.nearest(this.positions.at[place], 0);
  }

  moved(right, down) {
    const { curves, cursor } = this;
    if (!curves.length) return null;
    if (!cursor) return this.on({ curve: curves[0], n: curves[0].xs.length - 1 });
    const way = this.x(1) < this.x(0) ? -right : right;
    const other = Math.min(Math.max(curves.indexOf(cursor.curve) + down, 0), curves.length - 1);
    const { xs } = curves[other];
    const n = nearestIndex(xs, cursor.position) + (xs.at(-1) < xs[0] ? -way : way);
    return this.on({ curve: curves[other], n: Math.min(Math.max(n, 0), xs.length - 1) });
  }

  end(side) {
    const curve = this.cursor?.curve ?? this.curves[0];
    if (!curve) return null;
    const rising = this.x(curve.xs.at(-1)) >= this.x(curve.xs[0]);
    return this.on({ curve, n: (side > 0) === rising ? curve.xs.length - 1 : 0 });
  }

  placeOf({ position, point }) {
    const { data, inner: { height } } = this;
    return [this.x(position), isDrawable(point.value, data.y.log) ? this.y(point.value) : height / 2];
  }

  drawCursor(x) {
    const { cursor, cross } = this;
    this.drawLines(`M${x},0V${this.inner.height}`);
    for (const { curve, n, value } of this.pointsAt(cursor.position)) {
      if (!isDrawable(value, this.data.y.log)) continue;
      cross.append("circle").attr("cx", this.x(curve.xs[n])).attr("cy", this.y(value))
        .attr("r", curve === cursor.curve ? 4 : 2.5).attr("fill", curve.colour);
    }
  }

  // Below the curves, so that it hides none.
  tipTop() {
    return this.inner.height + 6;
  }

  // The values of all curves; of many, those around the cursor's.
  tipLines() {
    const { curve, n, position } = this.cursor;
    const points = this.pointsAt(position);
    const place = points.findIndex((point) => point.curve === curve);
    const from = Math.max(0, Math.min(place - LINES / 2, points.length - LINES));
    const rest = Math.max(0, points.length - LINES);
    return [
      { text: this.nameAt(curve, n) },
      ...points.slice(from, from + LINES).map((point) => ({
        text: `${short(point.value)}   ${point.curve.name}`, colour: point.curve.colour, current: point.curve === curve,
      })),
      ...(rest ? [{ text: `and ${rest} more` }] : []),
    ];
  }

  csv() {
    const { x } = this.data;
    const { curves, positions } = this;
    const values = curves.map(({ xs, ys }) => new Map(Array.from(xs, (at, n) => [at, exact(ys[n])])));
    const lines = positions.at.map((at, place) => [positions.values[place], ...values.map((of) => of.get(at) ?? "")]);
    return csvTable([[x.title, ...curves.map(({ name }) => name)], ...lines]);
  }

  description() {
    const { x, y } = this.data;
    const { curves } = this;
    const texts = curves.slice(0, DESCRIBED).map((curve) => `${curve.name}: ${this.ends(curve)}`);
    const rest = curves.length > DESCRIBED ? `; and ${curves.length - DESCRIBED} more` : "";
    const count = curves.length === 1 ? "a curve" : `${curves.length} curves`;
    return `${this.label}: ${count} of ${y.title}, along ${x.title}. ${texts.join("; ")}${rest}.`;
  }

  // The first and the last value of a curve that have a place.
  ends(curve) {
    const drawn = (value) => isDrawable(value, this.data.y.log);
    const [first, last] = [curve.ys.findIndex(drawn), curve.ys.findLastIndex(drawn)];
    const named = (n) => `${short(curve.ys[n])} at ${this.nameAt(curve, n)}`;
    if (first < 0) return "no values";
    return first === last ? named(first) : `${named(first)}, ${named(last)}`;
  }
}

// All places of the curves along the axis, in the order of the axis.
function positionsOf({ curves, x }) {
  const places = [...new Set(curves.flatMap(({ xs }) => [...xs]))].sort((a, b) => a - b);
  return x.reversed ? places.reverse() : places;
}
