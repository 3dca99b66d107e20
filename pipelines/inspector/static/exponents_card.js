// The Lyapunov exponents of one layer after each epoch, as lines around zero.

import { Card } from "./card.js";
import { Curves } from "./curves.js";
import { KINDS } from "./kinds.js";
import { shadesOf } from "./theme.js";

export class ExponentsCard extends Card {
  constructor(cards, run, series) {
    super(cards, { what: KINDS[series.kind].title, of: [run.run, series.name] });
  }

  show(run, series) {
    Object.assign(this, { run, series });
    this.update();
  }

  request() {
    return this.series.latest;
  }

  load() {
    return this.cards.store.table(this.series, { statistic: "exponent", align: "end" });
  }

  accept(table) {
    this.table = table;
    this.showFindings(table);
  }

  clear() {
    this.table = null;
  }

  draw() {
    if (!this.table || !this.isVisible) return;
    this.swatch.style.background = this.cards.colourOf(this.run);
    if (!this.charts.length) this.chart = this.add(Curves, this.what);
    const { steps, columns, values } = this.table;
    const shades = shadesOf(columns.length).reverse(); // the largest exponent stands out
    const curves = columns.map((name, place) => ({
      name: `λ${name}`, colour: shades[place], xs: steps, ys: steps.map((_, row) => values[row * columns.length + place]),
    }));
    this.chart.show({ curves, x: { title: "epoch" }, y: { title: this.series.labels.exponent, log: false }, along: "step" });
  }

  moveTo() {} // all epochs are shown
}
