// Images or texts that a callback has written: the one of the selected epoch.

import { Card } from "./card.js";
import { make } from "./dom.js";
import { rowOf } from "./kinds.js";

export class MediaCard extends Card {
  constructor(cards, run, media) {
    super(cards, { what: media.title, of: [run.run, media.tag === media.kind ? "" : media.tag] });
  }

  show(run, media) {
    Object.assign(this, { run, media });
    this.update();
  }

  request() {
    return this.media.latest;
  }

  load() {
    return this.cards.store.source.media(this.media);
  }

  accept(items) {
    this.items = items;
    this.steps = items.map(({ step }) => step);
  }

  clear() {
    this.items = [];
  }

  draw() {
    if (!this.items?.length) return;
    this.swatch.style.background = this.cards.colourOf(this.run);
    const item = this.items[rowOf(this.steps, this.cards.step)];
    const caption = make("figcaption", {}, this.when(item));
    const content = item.image ? this.picture(item) : textOf(item);
    this.plots.replaceChildren(make("figure", { class: "media" }, content, caption));
  }

  // Warnings belong to a training step, everything else to an epoch.
  when({ step, epoch }) {
    if (step === epoch) return `epoch ${step.toLocaleString("en")}`;
    const [at, of] = [step, epoch].map((number) => number?.toLocaleString("en", { maximumFractionDigits: 1 }));
    return `training step ${at}${of ? ` (epoch ${of})` : ""}`;
  }

  picture(item) {
    const { image, width, height } = item;
    return make("img", { src: image, width, height, alt: `${this.title()}, ${this.when(item)}` });
  }

  description() {
    return this.title();
  }

  moveTo() {
    this.draw();
  }
}

// Tables are drawn as tables; every other text as it is.
function textOf({ text, table }) {
  if (!table) return make("pre", { tabIndex: 0 }, text);
  const [head, ...body] = table;
  return make("div", { class: "scrolled", tabIndex: 0, role: "region", "aria-label": "Table" }, make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((cell) => make("th", { scope: "col" }, cell)))),
    make("tbody", {}, ...body.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell)))))));
}
