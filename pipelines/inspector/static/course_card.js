// A figure of several runs and layers in the course of training, as lines.

import { Card } from "./card.js";
import { Curves } from "./curves.js";
import { MOST_CURVES } from "./curves_card.js";
import { nameOf } from "./map_card.js";

const UNITS = {
  first_to_last: "first to last",
  first_to_largest: "first to largest",
  half_life: "half-life (time steps)",
  global_norm: "‖dE/dW‖ of all layers",
  over_depth: "first quarter of the layers to last",
};
const NOTHING = {
  half_life: "No half-life: in none of these runs does the error decay.",
  first_to_largest: "No error has been recorded in the first layer.",
  first_to_last: "No error has been recorded at both ends of a sequence.",
  global_norm: "No gradient has been recorded.",
  over_depth: "No error has been recorded at both ends of the network.",
};

export class CourseCard extends Card {
  constructor(cards, line, title) {
    super(cards, { what: `${title} over training` });
    this.line = line;
  }

  show(members) {
    this.members = members.slice(0, MOST_CURVES);
    this.update();
  }

  request() {
    return this.members.map(({ series: { run, name, latest } }) => [run, name, latest]);
  }

  async load() {
    const courses = await Promise.all(this.members.map(({ series }) => this.cards.store.course(series).catch(() => null)));
    return this.members.map((member, place) => ({ ...member, course: courses[place] }))
      .filter(({ course }) => course?.lines[this.line]?.some((value) => value !== null));
  }

  accept(loaded) {
    this.loaded = loaded;
    this.steps = [...new Set(loaded.flatMap(({ course }) => course.steps))];
  }

  clear() {
    this.loaded = [];
    this.chart = null;
  }

  draw() {
    if (!this.loaded || !this.isVisible) return;
    this.say(this.loaded.length ? "" : NOTHING[this.line]);
    if (!this.loaded.length) return;
    if (!this.charts.length) this.chart = this.add(Curves, this.what);
    const curves = this.loaded.map(({ run, series, course: { steps, epochs, lines } }) => {
      const ys = lines[this.line].map((value) => value ?? NaN);
      return { name: nameOf(run, series), ...this.cards.styleOf(run, series.name), xs: steps, epochs, ys };
    });
    this.chart.show({ curves, x: { title: "training step" }, y: { title: UNITS[this.line], log: true }, along: "step" });
    this.moveTo();
  }

  // Marks the selected training step; the latest one needs no mark.
  moveTo() {
    this.chart?.select(Number.isFinite(this.cards.step) ? this.cards.step : null);
  }
}
