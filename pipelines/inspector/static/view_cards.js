// The cards of one view: what is compared comes first, then a card for each series. The tab and the
// report both show them; they need nothing but a host element and a source of data.

import { CourseCard } from "./course_card.js";
import { CurvesCard } from "./curves_card.js";
import { DoctorCard } from "./doctor_card.js";
import { ExponentsCard } from "./exponents_card.js";
import { MapCard } from "./map_card.js";
import { MediaCard } from "./media_card.js";
import { arrange, inNextFrame, make } from "./dom.js";
import { areShares, KINDS } from "./kinds.js";
import { commonScale, SHARES } from "./scale.js";
import { DASHES, isDark, PALETTE } from "./theme.js";
import { exponentsOf, hasAnswer, mediaOf, seriesOf } from "./views.js";

const NEAR = "300px 0px"; // around the window, where cards are drawn already

export class ViewCards {
  // store: a Store; colours: the colour scales of heat maps; root: the element that scrolls, null:
  // the window. onStep(step) is called when a training step is picked in a chart, onSteps() when
  // there are more steps to select, onCompare(names, kind) when trainings with a kind of finding are to
  // be compared. frame(card) returns what stands for a card in its host. If
  // `lazy` is false, all cards are drawn at once.
  constructor(host, view, { store, colours, root = null, onStep, onSteps, onCompare, frame = (card) => card.element, lazy = true }) {
    Object.assign(this, { host, view, store, colours, onStep, onSteps, onCompare, frame, lazy });
    this.cards = new Map(); // by what they show, in order
    this.compared = make("div", { class: "cards compared" });
    this.each = make("div", { class: "cards" });
    host.replaceChildren(this.compared, this.each);
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) target.card.setVisible(isIntersecting);
    }, { root, rootMargin: NEAR });
    this.redraw = inNextFrame(() => this.draw());
    this.follow = inNextFrame(() => this.visible().forEach((card) => card.moveTo()));
  }

  // Shows these trainings; state is {statistic, align, step, hidden}, where a step of null is the latest.
  show(trainings, state) {
    Object.assign(this, { trainings, state });
    const members = this.members();
    const pairs = members.filter(({ series }) => series.joined);
    const layers = members.filter(({ series }) => !series.joined);
    const { kind, course, courseOfPairs } = this.view;
    const compared = members.length && kind !== "error_matrix" ? [
      // The time axis of a pair has another origin, so pairs are compared with pairs only.
      ...this.curvesCards(layers.length ? layers : pairs),
      ...this.courseCards(course, layers),
      ...this.courseCards(courseOfPairs, pairs),
    ] : [];
    const each = [...members.map((member) => this.mapCard(member)), ...this.exponentsCards(), ...this.mediaCards(), ...this.doctorCards()];
    this.keep([...compared, ...each]);
    arrange(this.compared, compared.map(this.frame));
    arrange(this.each, each.map(this.frame));
  }

  // The series that are shown, [{run, series}].
  members() {
    const { statistic, hidden = [] } = this.state;
    return this.trainings.flatMap((run) => seriesOf(this.view, run).map((series) => ({ run, series })))
      .filter(({ series }) => !hidden.includes(series.name))
      .filter(({ series }) => KINDS[series.kind].slider || series.statistics.includes(statistic));
  }

  // The card of this key, with what it is to show.
  card(key, create, ...shown) {
    const card = this.cards.get(key) ?? create();
    card.key = key;
    if (!this.cards.has(key)) {
      this.cards.set(key, card);
      if (this.lazy) this.observer.observe(card.element);
    }
    card.show(...shown, this.state);
    if (!this.lazy) card.setVisible(true);
    return card;
  }

  curvesCards(members) {
    const { kind, apart } = this.view;
    if (!apart) return [this.card("curves", () => new CurvesCard(this, KINDS[kind].title), members)];
    const groups = Object.entries(apart)
      .map(([name, title]) => [name, title, members.filter(({ series }) => series.name === name)])
      .filter(([, , group]) => group.length);
    return groups.map(([name, title, group]) => this.card(`curves ${name}`, () => new CurvesCard(this, title), group));
  }

  courseCards(lines = {}, members) {
    if (!members.length) return [];
    return Object.entries(lines).map(([line, title]) =>
      this.card(`course ${line}`, () => new CourseCard(this, line, title), members));
  }

  mapCard({ run, series }) {
    const key = JSON.stringify([series.run, series.name]);
    return this.card(key, () => new MapCard(this, run, series), run, series);
  }

  exponentsCards() {
    return this.trainings.flatMap((run) => exponentsOf(this.view, run).map((series) =>
      this.card(`exponents ${JSON.stringify([series.run, series.name])}`, () => new ExponentsCard(this, run, series), run, series)));
  }

  mediaCards() {
    return this.trainings.flatMap((run) => mediaOf(this.view, run).map((media) =>
      this.card(JSON.stringify([media.run, media.tag, media.type]), () => new MediaCard(this, run, media), run, media)));
  }

  doctorCards() {
    const treated = this.trainings.filter((run) => hasAnswer(this.view, run));
    return treated.map((run) => this.card(`doctor ${run.run}`, () => new DoctorCard(this, run), run));
  }

  keep(cards) {
    const shown = new Set(cards);
    for (const card of this.cards.values()) if (!shown.has(card)) this.discard(card);
    this.cards = new Map(cards.map((card) => [card.key, card]));
  }

  discard(card) {
    this.observer.unobserve(card.element);
    card.setVisible(false);
  }

  visible() {
    return [...this.cards.values()].filter((card) => card.isVisible);
  }

  // Called by a card that has loaded something.
  loaded() {
    this.onSteps?.();
    this.redraw();
  }

  draw() {
    for (const card of this.visible()) card.draw();
  }

  resize() {
    for (const card of this.visible()) card.resize();
  }

  // All steps that the slider can select, in order.
  steps() {
    const steps = new Set([...this.cards.values()].flatMap((card) => card.steps ?? []));
    return [...steps].sort((a, b) => a - b);
  }

  get step() {
    return this.state.step ?? Infinity;
  }

  moveTo(step) {
    this.state = { ...this.state, step };
    this.follow();
  }

  // One scale for all cards, so that their colours mean the same.
  scale() {
    if (areShares(this.view.kind, this.state.statistic)) return SHARES;
    return commonScale([...this.cards.values()].flatMap((card) => card.values ?? []), this.colours.decades);
  }

  colourOf(run) {
    return run.colours[isDark() ? "dark" : "light"];
  }

  // The runs have colours and their layers dashes; of a single run, the layers have colours. Runs
  // may have the same colour, because TensorBoard has seven: then they have other dashes.
  styleOf(run, layer) {
    const layers = [...new Set(this.members().map(({ series }) => series.name))];
    const alike = this.trainings.filter((other) => this.colourOf(other) === this.colourOf(run));
    const place = layers.indexOf(layer) + alike.indexOf(run) * layers.length;
    if (this.trainings.length === 1 && layers.length > 1) {
      const palette = PALETTE[isDark() ? "dark" : "light"];
      return { colour: palette[place % palette.length], dashed: place >= palette.length };
    }
    return { colour: this.colourOf(run), dashed: place > 0 && DASHES[(place - 1) % DASHES.length] };
  }

  // The other charts mark the same place.
  hover(chart, point) {
    for (const card of this.visible()) {
      for (const { chart: other } of card.charts) if (other !== chart) other.highlight(point);
    }
  }

  pick(card, point) {
    if (point?.step !== undefined && card.steps?.includes(point.step)) this.onStep?.(point.step);
  }

  remove() {
    for (const card of this.cards.values()) this.discard(card);
    this.observer.disconnect();
    this.host.replaceChildren();
  }
}
