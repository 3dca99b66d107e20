// Curves of several runs and layers in one chart, or of several training steps of one series.

import { Card } from "./card.js";
import { Segments, Select } from "./controls.js";
import { Curves } from "./curves.js";
import { areShares, axesOf, KINDS, placesOf, rowOf, rowValues } from "./kinds.js";
import { nameOf } from "./map_card.js";
import { shadesOf } from "./theme.js";

export const MOST_CURVES = 30; // more are hard to distinguish
const STEPS = 6; // training steps in one chart

export class CurvesCard extends Card {
  constructor(cards, title) {
    super(cards, { what: `${title}: comparison` });
    this.compare = new Segments("Compare", (choice) => this.choose({ choice }));
    this.which = new Select("Series", (name) => this.choose({ name }));
    this.choice = "series";
    this.options.append(this.compare.element, this.which.element);
  }

  // `members` are [{run, series}].
  show(members, state) {
    this.all = members.length;
    Object.assign(this, { members: members.slice(0, MOST_CURVES), state });
    const names = this.members.map(({ run, series }) => nameOf(run, series));
    if (!names.includes(this.name)) this.name = names[0];
    const rows = `${KINDS[this.cards.view.kind].row}s`;
    this.compare.show([{ value: "series", text: "runs and layers" }, { value: "steps", text: rows }], this.choice);
    this.which.show(names.map((name) => ({ value: name, text: name })), this.name);
    this.which.element.hidden = this.choice !== "steps";
    this.update();
  }

  choose(choices) {
    Object.assign(this, choices);
    this.which.element.hidden = this.choice !== "steps";
    this.update();
  }

  compared() {
    if (this.choice === "series") return this.members;
    return this.members.filter(({ run, series }) => nameOf(run, series) === this.name);
  }

  request() {
    const { statistic, align } = this.state;
    const series = this.compared().map(({ series: { run, name, latest } }) => [run, name, latest]);
    return [this.choice, series, statistic, align];
  }

  // A record that cannot be shown has a card of its own, which says why.
  async load() {
    const { statistic, align } = this.state;
    const tables = await Promise.all(this.compared().map(({ series }) =>
      this.cards.store.table(series, { statistic, align }).catch(() => null)));
    return this.compared().map((member, place) => ({ ...member, table: tables[place] })).filter(({ table }) => table);
  }

  accept(loaded) {
    this.loaded = loaded;
    this.steps = [...new Set(loaded.flatMap(({ table }) => table.steps))];
  }

  clear() {
    this.loaded = [];
  }

  draw() {
    if (!this.loaded?.length || !this.isVisible) return;
    if (!this.charts.length) this.chart = this.add(Curves, this.what);
    const { x, value } = axesOf(this.loaded[0].series, this.state);
    const all = [...new Set(this.loaded.flatMap(({ table }) => table.columns))]; // also of other models
    const [at, names] = placesOf(all, all);
    this.chart.show({
      curves: this.choice === "series" ? this.ofSeries(all) : this.ofSteps(),
      x: { ...x, names, reversed: !names && at[0] > at.at(-1) },
      y: { ...value, log: !areShares(this.cards.view.kind, this.state.statistic) },
      along: "column",
    });
    const left = this.all - this.members.length;
    this.below.textContent = left ? `${left.toLocaleString("en")} more series are below, but not in this chart.` : "";
  }

  ofSeries(all) {
    return this.loaded.map(({ run, series, table }) => {
      const row = rowOf(table.steps, this.cards.step);
      const style = this.cards.styleOf(run, series.name);
      return { name: nameOf(run, series), ...style, xs: placesOf(table.columns, all)[0], ys: rowValues(table, row) };
    });
  }

  ofSteps() {
    const { series, table } = this.loaded[0];
    const rows = evenly(table.steps.length, STEPS);
    const shades = shadesOf(rows.length);
    const { y } = axesOf(series, this.state);
    const [xs] = placesOf(table.columns, table.columns);
    return rows.map((row, place) =>
      ({ name: y.name(table.steps[row]), colour: shades[place], xs, ys: rowValues(table, row) }));
  }

  moveTo() {
    if (this.choice === "series") this.draw();
  }
}

function evenly(count, most) {
  const shown = Math.min(count, most);
  if (shown < 2) return count ? [0] : [];
  return Array.from({ length: shown }, (_, place) => Math.round((place * (count - 1)) / (shown - 1)));
}
