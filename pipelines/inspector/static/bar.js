// The bar above the cards: the selected training step, the statistic and the time axis.

import { Segments, Select } from "./controls.js";
import { make, write } from "./dom.js";
import { KINDS, rowOf } from "./kinds.js";
import { seriesOf } from "./views.js";

const AXES = [
  { value: "end", text: "back from the last step" },
  { value: "start", text: "from the first step" },
];

export class Bar {
  // choose({statistic}), choose({align}) and choose({step}), where a step of null is the latest.
  constructor(choose) {
    this.choose = choose;
    this.steps = [];
    this.name = make("span");
    this.slider = make("input", { type: "range", min: 0, class: "step" });
    this.slider.oninput = () => this.slide();
    this.at = make("output", { class: "at" });
    this.row = make("label", { class: "control slider" }, this.name, this.slider);
    this.statistic = new Select("Statistic", (statistic) => choose({ statistic }));
    this.align = new Segments("Time axis", (align) => choose({ align }));
    this.element = make("div", { class: "bar" }, this.row, this.at, this.statistic.element, this.align.element);
  }

  // Shows what can be chosen in a view; `statistics` are [{value, text}].
  show(view, statistics, { statistic, align }) {
    const { slider, row } = KINDS[view.kind] ?? { row: "epoch" };
    this.rowName = slider ?? row;
    write(this.name, this.rowName[0].toUpperCase() + this.rowName.slice(1));
    this.statistic.element.hidden = statistics.length < 2;
    this.statistic.show(statistics, statistic);
    this.align.element.hidden = view.kind !== "error_flow";
    this.align.show(AXES, align);
  }

  // The steps that can be selected, in order; epochOf(step) is null where it is unknown.
  showSteps(steps, step, epochOf) {
    Object.assign(this, { steps, epochOf });
    this.row.hidden = this.at.hidden = steps.length < 2;
    this.slider.max = Math.max(steps.length - 1, 0);
    this.moveTo(step);
  }

  moveTo(step) {
    if (!this.steps.length) return;
    const place = rowOf(this.steps, step ?? Infinity);
    if (Number(this.slider.value) !== place) this.slider.value = place;
    const epoch = this.epochOf(this.steps[place]);
    const inEpoch = epoch === null ? "" : ` (epoch ${epoch.toLocaleString("en", { maximumFractionDigits: 1 })})`;
    const text = `${this.steps[place].toLocaleString("en")}${inEpoch}`;
    write(this.at, text);
    this.slider.setAttribute("aria-valuetext", `${this.rowName} ${text}`);
  }

  slide() {
    const place = Number(this.slider.value);
    // At its right end it follows the training.
    this.choose({ step: place === this.steps.length - 1 ? null : this.steps[place] });
  }
}

// The statistics of the series of a view, and the one that is shown.
export function statisticsOf(view, trainings, { hidden = [], statistic }) {
  const series = trainings.flatMap((run) => seriesOf(view, run)).filter(({ name }) => !hidden.includes(name));
  const labels = Object.assign({}, ...series.map((one) => one.labels));
  const all = series.flatMap((one) => one.statistics);
  const names = [...new Set(all)];
  const options = KINDS[view.kind]?.slider ? [] : names.map((value) => ({ value, text: labels[value] ?? value }));
  return { options, statistic: names.includes(statistic) ? statistic : usual(view, all) };
}

// The statistic that is shown first: of gates the forget gate, else the first one of most series.
function usual(view, all) {
  if (view.kind === "gates" && all.includes("forget")) return "forget";
  const count = (name) => all.filter((other) => other === name).length;
  return all.toSorted((a, b) => count(b) - count(a))[0];
}

// The epoch of a training step, if it is the same in all runs; null where steps are epochs themselves.
export function epochsOf(view, trainings) {
  const counts = new Set(trainings.map((run) => run.steps_per_epoch));
  const [count] = counts;
  const isKnown = counts.size === 1 && count && KINDS[view.kind]?.row === "training step";
  return (step) => (isKnown ? step / count : null);
}
