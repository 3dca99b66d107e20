// The list of runs beside the charts, and what filters it.

import { arrange, make, write } from "./dom.js";
import { listed, matcher, seedsTogether, switched, toggled } from "./selection.js";

// A regular expression, and switches for all runs that match it.
export class RunFilter {
  constructor(choose) {
    const name = "Filter runs (regular expression)";
    this.input = make("input", { type: "search", placeholder: "Filter runs (regex)", "aria-label": name, spellcheck: false });
    this.input.oninput = () => choose({ filter: this.input.value });
    this.problem = make("p", { class: "problem", role: "status" });
    this.all = this.button("All", choose, true);
    this.none = this.button("None", choose, false);
    this.count = make("span", { class: "count", role: "status" });
    this.ofTrials = make("input", { type: "checkbox" });
    this.ofTrials.onchange = () => choose({ trials: this.ofTrials.checked });
    this.trials = make("label", { class: "trials" }, this.ofTrials, make("span"));
    const parts = [this.input, this.all, this.none, this.count, this.trials, this.problem];
    this.element = make("div", { class: "run-filter" }, ...parts);
  }

  button(text, choose, isOn) {
    const name = `Show ${isOn ? "all" : "none of the"} runs`;
    const button = make("button", { type: "button", class: "button", "aria-label": name }, text);
    button.onclick = () => choose({ runs: switched(this.runs, this.on, this.choices, isOn) });
    return button;
  }

  // `on` are the runs that are shown.
  show(runs, choices, on) {
    Object.assign(this, { runs, choices, on });
    if (this.input !== document.activeElement) this.input.value = choices.filter;
    const { problem } = matcher(choices.filter);
    this.input.setAttribute("aria-invalid", String(Boolean(problem)));
    write(this.problem, problem && `This is not a regular expression, so all runs are listed. ${problem}`);
    write(this.count, `${on.length} of ${listed(runs, { ...choices, filter: "" }).length} shown`);
    const trials = runs.filter(({ trial }) => trial).length;
    this.trials.hidden = !trials;
    this.ofTrials.checked = choices.trials;
    write(this.trials.lastChild, `List ${trials} trial${trials === 1 ? "" : "s"} of the doctor`);
  }
}

// One checkbox per run, in its colour, the newest first; the seeds of a group are side by side.
export class RunList {
  constructor(choose, colourOf) {
    Object.assign(this, { choose, colourOf });
    this.rows = new Map(); // by name
    this.filter = new RunFilter(choose);
    this.list = make("div", { class: "run-list", role: "group", "aria-label": "Runs" });
    this.element = make("section", { class: "runs" }, make("h2", {}, "Runs"), this.filter.element, this.list);
  }

  show(runs, choices, on) {
    Object.assign(this, { choices, on });
    this.filter.show(runs, choices, on);
    const rows = seedsTogether(listed(runs, choices)).map((run) => this.row(run, on.includes(run)));
    arrange(this.list, rows);
  }

  row(run, isOn) {
    const name = run.run;
    if (!this.rows.has(name)) this.rows.set(name, this.create(name));
    const row = this.rows.get(name);
    row.style.setProperty("--run", this.colourOf(run));
    row.firstChild.checked = isOn;
    return row;
  }

  create(name) {
    const input = make("input", { type: "checkbox", class: "of-run" });
    input.onchange = () => this.choose({ runs: toggled(this.on, this.choices, name, input.checked) });
    return make("label", { title: name }, input, make("span", {}, name));
  }
}
