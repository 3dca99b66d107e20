// The table of runs: one line each, sortable by every column; the runs that are shown are on top.

import { arrange, inNextFrame, make, write } from "./dom.js";
import { badge } from "./findings.js";
import { short } from "./numbers.js";
import { RunFilter } from "./run_list.js";
import { listed, shown, sorted, toggled } from "./selection.js";
import { sparkline } from "./sparkline.js";
import { Summaries } from "./summaries.js";

const COLUMNS = {
  run: "Run",
  begun: "Begun",
  finding: "Finding",
  best: "Best validation figure",
  first_to_last: "First to last",
};
const ASCENDS = ["run"]; // first; the others begin with the newest or the largest
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class Overview {
  // open(run) shows the charts of one run.
  constructor(source, { choose, open, colourOf, root }) {
    Object.assign(this, { choose, open, colourOf });
    this.rows = new Map(); // by run
    this.filter = new RunFilter(choose);
    this.heads = Object.entries(COLUMNS).map(([column, title]) => this.head(column, title));
    const ticks = make("th", { scope: "col" }, make("span", { class: "unseen" }, "Shown"));
    const head = make("tr", {}, ticks, ...this.heads);
    this.pinned = make("tbody", { class: "pinned" });
    this.others = make("tbody");
    const caption = make("caption", { class: "unseen" }, "Runs");
    const table = make("table", { class: "overview" }, caption, make("thead", {}, head), this.pinned, this.others);
    this.element = make("div", {}, this.filter.element, make("div", { class: "card scrolled" }, table));
    this.summaries = new Summaries(source, inNextFrame(() => this.draw()));
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.summaries.setVisible(target.dataset.run, isIntersecting);
    }, { root });
  }

  head(column, title) {
    const arrow = make("span", { class: "arrow", "aria-hidden": "true" });
    const button = make("button", { type: "button", class: "sort" }, title, arrow);
    button.onclick = () => {
      const isSorted = this.choices.sort === column;
      this.choose({ sort: column, ascending: isSorted ? !this.choices.ascending : ASCENDS.includes(column) });
    };
    return make("th", { scope: "col", "data-column": column }, button);
  }

  show(runs, choices) {
    Object.assign(this, { runs, choices, on: shown(runs, choices) });
    this.filter.show(runs, choices, this.on);
    for (const head of this.heads) {
      const isSorted = head.dataset.column === choices.sort;
      head.setAttribute("aria-sort", isSorted ? (choices.ascending ? "ascending" : "descending") : "none");
    }
    this.draw();
    this.summaries.want(listed(runs, choices));
  }

  draw() {
    const on = new Set(this.on);
    const rows = listed(this.runs, this.choices).map((run) => ({ run, summary: this.summaries.of(run) }));
    const ordered = sorted(rows, this.choices);
    const place = (host, some) => arrange(host, some.map(({ run, summary }) => this.row(run, summary, on.has(run))));
    const focused = document.activeElement; // its row may change the body of the table
    place(this.pinned, ordered.filter(({ run }) => on.has(run)));
    place(this.others, ordered.filter(({ run }) => !on.has(run)));
    if (this.element.contains(focused)) focused.focus({ preventScroll: true });
  }

  row(run, summary, isOn) {
    if (!this.rows.has(run.run)) this.rows.set(run.run, this.create(run.run));
    const row = this.rows.get(run.run);
    row.style.setProperty("--run", this.colourOf(run));
    row.querySelector("input").checked = isOn;
    const [, , begun, finding, best, curve] = row.children;
    write(begun, run.begun === null ? "" : TIME.format(run.begun * 1000));
    const key = JSON.stringify(summary);
    if (row.dataset.summary !== key) {
      row.dataset.summary = key;
      finding.replaceChildren(summary?.finding ? badge(summary.finding) : summary ? "none" : "…");
      best.replaceChildren(...bestOf(summary?.best));
      curve.replaceChildren(...courseOf(summary?.first_to_last));
    }
    return row;
  }

  create(name) {
    const input = make("input", { type: "checkbox", class: "of-run", "aria-label": `Show ${name}` });
    input.onchange = () => this.choose({ runs: toggled(this.on, this.choices, name, input.checked) });
    const link = make("button", { type: "button", class: "link", title: `Show only ${name}` }, name);
    link.onclick = () => this.open(name);
    const cells = ["begun", "finding", "best", "curve"].map((column) => make("td", { class: column }));
    const row = make("tr", { "data-run": name }, make("td", {}, input), make("th", { scope: "row" }, link), ...cells);
    this.observer.observe(row);
    return row;
  }
}

function bestOf(best) {
  if (!best) return [];
  const epoch = best.epoch === null ? "" : ` · epoch ${best.epoch.toLocaleString("en")}`;
  return [make("span", { class: "number" }, short(best.value)), make("span", { class: "faint" }, ` ${best.name}${epoch}`)];
}

function courseOf(curve) {
  const last = curve?.values.findLast((value) => value !== null);
  if (last === undefined) return [];
  return [sparkline(curve), make("span", { class: "number" }, short(last))];
}
