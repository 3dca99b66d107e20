// The report: the tab's views below one another, in a file that holds their data and opens offline.

import { Bar, epochsOf, statisticsOf } from "./bar.js";
import { make } from "./dom.js";
import { Source } from "./source.js";
import { Store } from "./store.js";
import { followTheme, isDark } from "./theme.js";
import { ViewCards } from "./view_cards.js";
import { VIEWS } from "./views.js";

const FIGURES = 8; // of a section, that are shown at first
const PAPER = 672; // pixels of an A4 page between its margins

export async function render() {
  const source = new Source(inlinedAnswers(JSON.parse(document.getElementById("answers").textContent)));
  const [runs, colours] = await Promise.all([source.runs(), source.colours()]);
  const store = new Store(source);
  const shown = VIEWS.map((view) => [view, document.getElementById(view.id)]).filter(([, section]) => section);
  const sections = shown.map(([view, section]) => new Section(section, view, { runs, store, colours }));
  followTheme(() => redraw(sections, runs));
  new ResizeObserver(() => resize(sections)).observe(document.body);
  addEventListener("beforeprint", () => print(sections, runs, true));
  addEventListener("afterprint", () => print(sections, runs, false));
}

// A view: how to read it, what is shown of it, and its cards, each in the figure that describes it.
class Section {
  constructor(element, view, { runs, store, colours }) {
    Object.assign(this, { element, view, runs });
    const howTo = element.querySelector(".how-to");
    howTo.append(make("b", {}, "How to read this. "), view.howTo);
    howTo.hidden = false;
    if (!view.kind) return; // its images and texts need no script, as those of other views
    const host = element.querySelector(".figures");
    this.figures = [...host.children];
    this.state = { align: "end", step: null, hidden: [] };
    this.bar = new Bar((choices) => this.choose(choices));
    host.before(this.bar.element);
    this.cards = new ViewCards(host, { ...view, media: undefined }, {
      store,
      colours,
      lazy: false,
      frame: (card) => this.frame(card),
      onStep: (step) => this.choose({ step }),
      onSteps: () => this.showSteps(),
    });
    this.host = host;
    this.choose({});
    this.shorten(host);
  }

  // Series without the chosen statistic have no card; their captions stay, behind the charts.
  show() {
    this.cards.show(this.runs, { ...this.state });
    for (const figure of this.figures.filter(({ isConnected }) => !isConnected)) {
      figure.querySelector(":scope > .card")?.remove();
      this.host.append(figure);
    }
  }

  // Of many figures the first ones are shown until the reader asks for all; paper has all of them.
  shorten(host) {
    const others = this.figures.slice(FIGURES);
    if (others.length < 2) return;
    for (const figure of others) figure.classList.add("beyond");
    const more = make("button", { type: "button", class: "button more" }, `Show ${others.length} more figures`);
    more.onclick = () => {
      for (const figure of others) figure.classList.remove("beyond");
      more.remove();
      others[0].tabIndex = -1;
      others[0].focus();
    };
    host.after(more);
  }

  choose(choices) {
    Object.assign(this.state, choices);
    const { options, statistic } = statisticsOf(this.view, this.runs, this.state);
    this.state.statistic = statistic;
    this.bar.show(this.view, options, this.state);
    this.bar.align.element.hidden = true; // the file holds the tables of one time axis
    if ("step" in choices) this.cards.moveTo(choices.step);
    else this.show();
    this.showSteps();
  }

  showSteps() {
    this.bar.showSteps(this.cards.steps(), this.state.step, epochsOf(this.view, this.runs));
  }

  // The figure of a card, which the file has a caption for.
  frame(card) {
    const figure = [...this.figures].find(({ dataset }) => dataset.card === card.key);
    if (!figure) return card.element;
    if (card.element.parentElement !== figure) figure.prepend(card.element);
    return figure;
  }
}

// A function that answers the requests of a Source from lists of [query, answer] by route.
function inlinedAnswers(lists) {
  const key = (route, query) => JSON.stringify([route, ...Object.entries(query).sort()]);
  const answers = new Map(Object.entries(lists).flatMap(([route, entries]) =>
    entries.map(([query, answer]) => [key(route, query), answer])));
  return async (route, query) => {
    const answer = answers.get(key(route, query)) ?? latest(lists[route] ?? [], query);
    if (answer === undefined) throw new Error("this report does not hold it");
    return answer;
  };
}

// The last answer about the same record: of an error matrix, that of the latest epoch.
function latest(entries, query) {
  const isOf = (known) => Object.entries(query).every(([name, value]) => known[name] === value);
  return entries.findLast(([known]) => isOf(known))?.[1];
}

function redraw(sections, runs) {
  for (const run of runs) {
    for (const dot of document.querySelectorAll(".dot")) {
      if (dot.dataset.run === run.run) dot.style.background = run.colours[isDark() ? "dark" : "light"];
    }
  }
  for (const { cards } of sections) cards?.draw();
}

function resize(sections) {
  for (const { cards } of sections) cards?.resize();
}

// Charts have the width and the theme of the screen; paper has its own.
function print(sections, runs, isOnPaper) {
  document.body.classList.toggle("printing", isOnPaper);
  document.body.style.width = isOnPaper ? `${PAPER}px` : "";
  document.documentElement.dataset.theme = isOnPaper || !matchMedia("(prefers-color-scheme: dark)").matches ? "light" : "dark";
  redraw(sections, runs);
  resize(sections);
}
