// The tab: views on top, runs at the side, the cards of the chosen view in the middle.

import { Bar, epochsOf, statisticsOf } from "./bar.js";
import { Checks } from "./controls.js";
import { arrange, icon, iconButton, make } from "./dom.js";
import { Overview } from "./overview.js";
import { RunList } from "./run_list.js";
import { Store } from "./store.js";
import { ViewCards } from "./view_cards.js";
import { comparisonOf, guideOf, hasData, seriesOf, viewsOf } from "./views.js";
import { isDark } from "./theme.js";
import { chosenNames, shown, untreatedFirst, withTreated } from "./selection.js";
import { writeChoices } from "./choices.js";

const RELOAD = 15_000; // milliseconds
const NOTHING_YET =
  "Nothing has been recorded here yet. Train with errorflow, or pass " +
  "callbacks=[errorflow.callbacks.ErrorFlow(log_dir=…)] to your own model's fit.";

export class Page {
  constructor(host, source, choices) {
    Object.assign(this, { source, choices, runs: [], tabs: new Map() });
    this.store = new Store(source);
    const choose = (changed) => this.choose(changed);
    this.list = new RunList(choose, colourOf);
    this.layers = new Checks("Layers", (layer, isOn) => this.hide(layer, !isOn));
    this.bar = new Bar(choose);
    this.build(host);
    const open = (run) => this.choose({ runs: [run], view: this.firstViewOf(run), step: null });
    this.overview = new Overview(source, { choose, open, colourOf, root: this.main });
  }

  build(host) {
    this.nav = make("nav", { "aria-label": "Views" });
    this.toggle = iconButton("Runs and layers", icon("menu"), () => this.showSide(!this.sideIsOpen));
    this.pause = iconButton("", icon("pause"), () => this.choose({ auto: !this.choices.auto }));
    const reload = iconButton("Reload", icon("reload"), () => this.reload());
    const actions = make("span", { class: "actions" }, this.pause, reload);
    const top = make("header", { class: "top" }, this.toggle, this.nav, actions);
    this.side = make("aside", { id: "side", "aria-label": "Runs and layers" }, this.list.element, this.layers.element);
    this.toggle.setAttribute("aria-controls", "side");
    this.how = make("p", { class: "how" });
    this.message = make("p", { class: "message", role: "status" });
    this.content = make("div");
    this.damaged = make("ul", { class: "damaged", "aria-label": "Records that cannot be shown" });
    const title = make("h1", { class: "unseen" }, "Error Flow");
    this.heading = make("h2", { class: "unseen" });
    const above = [title, this.heading, this.bar.element, this.how, this.message];
    this.main = make("main", { tabIndex: -1 }, ...above, this.content, this.damaged);
    host.className = "tab";
    host.replaceChildren(top, make("div", { class: "middle" }, this.side, this.main));
    this.showSide(false);
    window.addEventListener("resize", () => this.cards?.resize());
    document.addEventListener("visibilitychange", () => document.hidden || this.choices.auto && this.reload());
  }

  async start() {
    await this.reload();
    setInterval(() => document.hidden || !this.choices.auto || this.reload(), RELOAD);
  }

  // In a narrow window the side is closed until it is asked for; in a wide one it is always there.
  showSide(isOpen) {
    this.sideIsOpen = isOpen;
    this.side.classList.toggle("open", isOpen);
    this.toggle.setAttribute("aria-expanded", String(isOpen));
  }

  choose(changed) {
    if (changed.view && changed.view !== this.choices.view) Object.assign(this.choices, { statistic: "", step: null });
    Object.assign(this.choices, changed);
    clearTimeout(this.writes); // browsers limit how often an address may change
    this.writes = setTimeout(() => writeChoices(this.choices), 200);
    if (Object.keys(changed).every((name) => name === "step") && this.cards) this.moveTo(changed.step);
    else this.show();
  }

  hide(layer, isHidden) {
    const others = this.choices.hidden.filter((other) => other !== layer);
    this.choose({ hidden: isHidden ? [...others, layer] : others });
  }

  firstViewOf(name) {
    const views = viewsOf(this.runs.filter(({ run }) => run === name));
    return (views[1] ?? views[0]).id;
  }

  async reload() {
    try {
      const answers = [this.source.runs(), this.source.damaged(), this.colours ?? this.source.colours()];
      const [runs, damaged, colours] = await Promise.all(answers);
      Object.assign(this, { runs, colours });
      this.show();
      this.listDamaged(damaged);
    } catch (error) {
      this.say(`TensorBoard does not answer: ${error.message}`);
    }
  }

  // Shows what is chosen, if there is data for it.
  show() {
    if (!this.colours) return;
    const views = viewsOf(this.runs);
    this.view = views.find(({ id }) => id === this.choices.view) ?? views[0];
    this.listViews(views);
    this.showActions();
    document.body.dataset.view = this.view.id;
    if (this.view.id === "overview") this.showOverview();
    else this.showCards();
  }

  showOverview() {
    this.cards?.remove();
    this.cards = null;
    arrange(this.content, [this.overview.element]);
    this.overview.show(this.runs, this.choices);
    this.say(this.runs.length ? "" : NOTHING_YET);
  }

  showCards() {
    if (this.cards?.view !== this.view) this.changeView();
    const trainings = (this.trainings = this.shown(this.choices));
    this.list.show(this.runs, this.choices, trainings);
    const layers = [...new Set(trainings.flatMap((run) => seriesOf(this.view, run).map(({ name }) => name)))];
    this.layers.element.hidden = layers.length < 2;
    this.layers.show(layers, (layer) => !this.choices.hidden.includes(layer));
    const { options, statistic } = statisticsOf(this.view, trainings, this.choices);
    this.state = { ...this.choices, statistic };
    this.bar.show(this.view, options, this.state);
    this.cards.show(trainings, this.state);
    this.showSteps();
    if (this.cards.cards.size) this.say("");
    else this.offerRuns();
  }

  // The runs that are shown; with a trial, the doctor's view shows the answer about its run.
  shown(choices) {
    const on = shown(this.runs, choices, (run) => hasData(this.view, run));
    return this.view.id === "doctor" ? withTreated(on, this.runs) : untreatedFirst(on);
  }

  // Shows trainings side by side, in the view that a kind of finding was drawn from.
  compare(names, kind) {
    const trainings = this.runs.filter(({ run }) => names.includes(run));
    this.choose({ runs: names, view: comparisonOf(kind, trainings).id, filter: "", hidden: [], step: null });
    this.main.focus();
  }

  // Says that nothing is shown, and offers the latest runs that have something to show.
  offerRuns() {
    const latest = this.shown({ ...this.choices, runs: null, filter: "" });
    const others = latest.map(({ run }) => run);
    const add = make("button", { type: "button", class: "button" }, `Show ${others.join(", ")}`);
    const before = chosenNames(this.trainings, this.choices);
    add.onclick = () => this.choose({ runs: [...new Set([...before, ...others])], hidden: [], filter: "" });
    this.say("None of the runs and layers that are selected has data for this view. ", add);
  }

  // Shows a message, unless it is there already: a button in it keeps the focus.
  say(text, button = null) {
    const key = JSON.stringify([text, button?.textContent]);
    if (this.message.dataset.key === key) return;
    this.message.dataset.key = key;
    this.message.replaceChildren(text, ...(button ? [button] : []));
  }

  changeView() {
    this.cards?.remove();
    const host = make("div");
    this.content.replaceChildren(host);
    this.main.scrollTop = 0;
    this.cards = new ViewCards(host, this.view, {
      store: this.store,
      colours: this.colours,
      root: this.main,
      onStep: (step) => this.choose({ step }),
      onSteps: () => this.showSteps(),
      onCompare: (names, kind) => this.compare(names, kind),
    });
  }

  showSteps() {
    const epochOf = epochsOf(this.view, this.trainings);
    this.bar.showSteps(this.cards.steps(), this.choices.step, epochOf);
  }

  moveTo(step) {
    this.bar.moveTo(step);
    this.cards.moveTo(step);
  }

  // After a change of theme.
  draw() {
    if (this.view) this.show();
    this.cards?.draw();
  }

  listViews(views) {
    arrange(this.nav, views.map((view) => this.tab(view)));
    const link = make("a", { href: guideOf(this.view), target: "_blank", rel: "noopener" }, "How to read this");
    if (this.how.dataset.view === this.view.id) return;
    this.how.dataset.view = this.view.id;
    this.heading.textContent = this.view.title;
    this.how.replaceChildren(`${this.view.howTo} `, link);
  }

  tab(view) {
    if (!this.tabs.has(view.id)) {
      const button = make("button", { type: "button", class: "view" }, view.title);
      button.onclick = () => this.choose({ view: view.id });
      this.tabs.set(view.id, button);
    }
    const button = this.tabs.get(view.id);
    if (view === this.view) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
    return button;
  }

  showActions() {
    const name = this.choices.auto ? "Pause the update every 15 seconds" : "Update every 15 seconds";
    if (this.pause.title === name) return;
    this.pause.title = name;
    this.pause.setAttribute("aria-label", name);
    this.pause.replaceChildren(icon(this.choices.auto ? "pause" : "play"));
  }

  listDamaged(damaged) {
    const key = JSON.stringify(damaged);
    if (this.damaged.dataset.key === key) return;
    this.damaged.dataset.key = key;
    this.damaged.replaceChildren(...damaged.map(({ run, record, reason }) =>
      make("li", {}, `${[run, record].filter(Boolean).join(" · ")} cannot be shown: ${reason}`)));
  }
}

const colourOf = (run) => run.colours[isDark() ? "dark" : "light"];
