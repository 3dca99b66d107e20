// One series: its heat map, below it the curve of the selected row, and its findings.

import { Card } from "./card.js";
import { Curves } from "./curves.js";
import { HeatMap } from "./heat_map.js";
import { axesOf, KINDS, placesOf, rowOf, rowValues } from "./kinds.js";
import { limits } from "./scale.js";
import { colour } from "./theme.js";

export class MapCard extends Card {
  constructor(cards, run, series) {
    super(cards, { what: KINDS[series.kind].title, of: [run.run, series.name] });
    this.isMatrix = Boolean(KINDS[series.kind].slider);
  }

  show(run, series, state) {
    Object.assign(this, { run, series, state });
    this.update();
  }

  // What of the series is shown; of an error matrix, the one of the selected epoch.
  request() {
    const { statistic, align } = this.state;
    return [this.series.latest, this.isMatrix ? this.matrixQuery() : { statistic, align }];
  }

  matrixQuery() {
    const { step } = this.cards;
    return step === Infinity || !this.epochs ? {} : { step: this.epochs[rowOf(this.epochs, step)] };
  }

  load() {
    return this.cards.store.table(this.series, this.request()[1]);
  }

  accept(table) {
    this.table = table;
    this.epochs = table.epochs;
    this.steps = table.epochs ?? table.steps; // those that the slider selects
    this.values = rangeOf(table.values);
    this.showFindings(table);
  }

  clear() {
    this.table = null;
  }

  draw() {
    if (!this.table || !this.isVisible) return;
    this.swatch.style.background = this.cards.styleOf(this.run, this.series.name).colour;
    if (!this.charts.length) {
      this.map = this.add(HeatMap, this.what);
      this.curve = this.add(Curves, "Curve of the selected row");
    }
    const { steps, epoch_of_steps: epochs, columns, values } = this.table;
    this.map.show({
      ...axesOf(this.series, this.state),
      table: { steps, epochs, columns, values },
      scale: this.cards.scale(),
      colours: this.cards.colours,
    });
    this.mark();
  }

  // Shows the row of the selected training step; of a matrix its last row, or the one under the cursor.
  mark(row = this.isMatrix ? this.table.steps.length - 1 : rowOf(this.table.steps, this.cards.step)) {
    const { steps, columns } = this.table;
    if (!this.isMatrix) this.map.select(steps[row]);
    const { x, y, value } = axesOf(this.series, this.state);
    const scale = this.cards.scale();
    const [at, names] = placesOf(columns, columns);
    this.curve.show({
      curves: [{ name: y.name(steps[row]), colour: colour("mark"), xs: at, ys: rowValues(this.table, row) }],
      x: { ...x, names },
      y: { ...value, log: !scale.linear, domain: limits(scale) },
      along: "column",
      alignTo: this.map,
    });
  }

  moveTo() {
    if (this.isMatrix) this.update();
    else if (this.table && this.charts.length) this.mark();
  }
}

export const nameOf = (run, series) => [run.run, series.name].filter(Boolean).join(" · ");

// The smallest and the largest of the positive, finite values, as [Float]; empty: there is none.
function rangeOf(values) {
  let [low, high] = [Infinity, 0];
  for (const value of values) {
    if (value > 0 && value < Infinity) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return high ? [low, high] : [];
}
