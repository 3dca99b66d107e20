// The frame of a card: title, badge, downloads, charts, findings. It knows nothing of TensorBoard.

import { badge, findingList, headlineOf } from "./findings.js";
import { icon, iconButton, make, save, write } from "./dom.js";

// A card loads and draws while it is near the window, and lets go of its charts and tables when it
// is not: a page may have hundreds of them. Kinds of cards define load(), draw() and clear().
export class Card {
  // `cards` is the ViewCards that this card belongs to; `what` is shown: "Error over time", and `of`
  // what, from the general to the specific: ["names/lstm-1", "lstm"].
  constructor(cards, { what, of = [] }) {
    const names = of.filter(Boolean);
    Object.assign(this, { cards, what, of: names.join(" · "), isVisible: false, charts: [] });
    this.swatch = make("span", { class: "swatch" });
    this.badges = make("span", { class: "badges" });
    this.tools = make("span", { class: "tools" });
    this.options = make("div", { class: "options" });
    this.problem = make("p", { class: "problem", role: "status", hidden: true });
    this.plots = make("div", { class: "plots" });
    this.below = make("div", { class: "below" });
    const parts = (names.length ? names : [what]).map((name) => make("span", {}, name));
    this.heading = make("h3", { title: this.title() }, ...parts);
    const header = make("header", {}, this.swatch, this.heading, this.badges, this.tools);
    this.element = make("article", { class: "card", "aria-label": this.title() },
      header, this.options, this.problem, this.plots, this.below);
    this.element.card = this; // for the observer of ViewCards
  }

  title() {
    return this.of ? `${this.what} of ${this.of}` : this.what;
  }

  // What a reader of the chart would see, for alt texts and captions.
  description() {
    return this.charts.map(({ chart }) => chart.description()).join(" ");
  }

  setVisible(isVisible) {
    if (isVisible === this.isVisible) return;
    this.isVisible = isVisible;
    if (isVisible) this.update();
    else this.release();
  }

  // Loads what the card is to show, unless it shows it already, and draws it.
  async update() {
    if (!this.isVisible) return;
    const requested = JSON.stringify(this.request());
    if (requested === this.requested) return;
    this.requested = requested;
    this.element.setAttribute("aria-busy", "true");
    try {
      const answer = await this.load();
      if (this.requested !== requested) return; // the selection has changed meanwhile
      this.accept(answer);
      this.refuse(null);
    } catch (error) {
      if (this.requested === requested) this.refuse(error);
    }
    this.element.removeAttribute("aria-busy");
    this.cards.loaded(this);
  }

  // Shows why there is nothing to show; the other cards are not concerned.
  refuse(error) {
    this.say(error ? `This record cannot be shown: ${error.message}` : "");
    if (!error) return;
    this.release();
    this.showFindings(null);
  }

  // Shows a text in place of the charts; "": shows the charts.
  say(text) {
    write(this.problem, text);
    this.problem.hidden = !text;
    this.plots.hidden = Boolean(text);
  }

  release() {
    this.requested = null; // it is requested again at the next update
    this.element.removeAttribute("aria-busy");
    const { offsetHeight } = this.plots; // which is kept, so that the cards below stay in their places
    if (this.charts.length && offsetHeight) this.plots.style.minHeight = `${offsetHeight}px`;
    for (const { chart } of this.charts) chart.remove();
    this.charts = [];
    this.plots.replaceChildren();
    this.tools.replaceChildren();
    this.clear();
  }

  // Adds a chart, which can be downloaded under this name, and tells the others where the cursor is.
  add(Chart, name, options = {}) {
    const host = make("div", { class: "plot" });
    this.plots.append(host);
    this.plots.style.minHeight = "";
    const chart = new Chart(host, {
      label: `${name} of ${this.of || this.what}`,
      onHover: (point) => this.cards.hover(chart, point),
      onPick: (point) => this.cards.pick(this, point),
      ...options,
    });
    this.charts.push({ chart, name, host });
    this.tools.replaceChildren(this.downloads(), this.enlarge());
    return chart;
  }

  showFindings(table) {
    const headline = table && headlineOf(table.findings);
    const key = JSON.stringify(table && [table.findings, table.missing]);
    if (key === this.shownFindings) return; // open details stay open
    this.shownFindings = key;
    this.badges.replaceChildren(...(headline ? [badge(headline)] : []));
    this.below.replaceChildren(...(table ? [findingList(table, this.run?.call)] : []));
  }

  downloads() {
    const name = `Download ${this.title()}`;
    const summary = make("summary", { class: "icon-button", title: name, "aria-label": name }, icon("download"));
    const menu = make("details", { class: "menu" }, summary);
    const list = make("div", { class: "menu-list" });
    for (const { chart, name: part, host } of this.charts) {
      list.append(make("span", {}, part), ...Object.keys(FORMATS).map((format) => this.download(chart, part, host, format)));
    }
    menu.append(list);
    menu.onkeydown = (event) => event.key === "Escape" && close(menu);
    menu.addEventListener("focusout", ({ relatedTarget }) => menu.contains(relatedTarget) || (menu.open = false));
    return menu;
  }

  download(chart, part, host, format) {
    const name = `Download ${part.toLowerCase()} of ${this.of || this.what} as ${format}`;
    const button = make("button", { type: "button", "aria-label": name, class: format.toLowerCase() }, format);
    button.onclick = async () => {
      save(await FORMATS[format](chart), `${fileName([this.of, part])}.${format.toLowerCase()}`);
      close(button.closest("details"));
    };
    return button;
  }

  enlarge() {
    const button = iconButton(`Enlarge ${this.title()}`, icon("enlarge"), () => {
      const isWide = this.element.classList.toggle("wide");
      button.setAttribute("aria-pressed", String(isWide));
      this.resize();
    });
    button.setAttribute("aria-pressed", String(this.element.classList.contains("wide")));
    return button;
  }

  resize() {
    for (const { chart } of this.charts) chart.resize();
  }
}

const FORMATS = {
  PNG: (chart) => chart.png(),
  SVG: (chart) => new Blob([chart.svg()], { type: "image/svg+xml" }),
  CSV: (chart) => new Blob([chart.csv()], { type: "text/csv" }),
};

function close(menu) {
  menu.open = false;
  menu.querySelector("summary").focus();
}

const fileName = (parts) => parts.filter(Boolean).join("-").replace(/[^\w.-]+/g, "-");
