// The answer of the doctor about one run: which remedies were tried, and which one is a cure.

import { Card } from "./card.js";
import { badge } from "./findings.js";
import { make } from "./dom.js";

const SEVERITY = { cure: "healthy", worse: "trouble", failed: "trouble", "new fault": "trouble" }; // others are unclear

export class DoctorCard extends Card {
  constructor(cards, run) {
    super(cards, { what: "Doctor", of: [run.run] });
    this.element.classList.add("wide");
  }

  show(run) {
    this.run = run;
    this.update();
  }

  request() {
    return this.run.doctor; // which changes with each trial
  }

  load() {
    return this.cards.store.source.doctor(this.run);
  }

  accept(answer) {
    this.answer = answer;
  }

  clear() {
    this.answer = null;
  }

  draw() {
    if (!this.answer) return;
    this.swatch.style.background = this.cards.colourOf(this.run);
    if (this.drawn === this.answer) return;
    this.drawn = this.answer;
    const { sentence, head, rows, command, picture } = this.answer;
    const parts = [make("p", { class: "verdict" }, sentence), this.table(head, rows)];
    if (command) parts.push(make("p", {}, "This command trains the network with it in full:"), make("pre", { tabIndex: 0 }, command));
    if (picture) parts.push(this.picture(this.cards.store.source.pictureOf(this.run)));
    this.plots.replaceChildren(make("div", { class: "media doctor" }, ...parts));
  }

  table(head, rows) {
    const heads = head.map((title) => make("th", { scope: "col" }, title));
    const table = make("table", { class: "treatments" },
      make("thead", {}, make("tr", {}, ...heads, make("td", {}, make("span", { class: "unseen" }, "Compare")))),
      make("tbody", {}, ...rows.map((row) => this.row(row, head))));
    return make("div", { class: "scrolled", tabIndex: 0, role: "region", "aria-label": `Remedies for ${this.of}` }, table);
  }

  // In a narrow card each cell stands on a line of its own, after the title of its column.
  row({ title, source, cells, status, sentence, trials, kind }, [, result, ...columns]) {
    const remedy = make("th", { scope: "row" }, title, source && make("span", { class: "source" }, source));
    const judged = status ? [badge({ headline: status, severity: SEVERITY[status] ?? "unclear" }), make("p", {}, sentence)] : [];
    const compare = trials.length ? [this.compare(title, trials, kind)] : [];
    const others = cells.map((cell, place) => make("td", { "data-title": columns[place] }, cell));
    return make("tr", {}, remedy, make("td", { "data-title": result }, ...judged), ...others, make("td", {}, ...compare));
  }

  compare(title, trials, kind) {
    const name = `Compare ${title} with the untreated training`;
    const button = make("button", { type: "button", class: "button", title: name, "aria-label": name }, "Compare");
    button.onclick = () => this.cards.onCompare?.(trials, kind);
    return button;
  }

  picture(url) {
    const alt = "The validation figure of each training, and its course over the epochs; the table has the numbers";
    return make("img", { src: url, alt });
  }

  description() {
    return this.title();
  }

  moveTo() {}
}
