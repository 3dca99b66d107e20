// The legend of a chart of curves: a button for each curve, which hides it or shows it again.

import { select } from "./vendor/d3.js";
import { dashesOf } from "./strokes.js";

export class Legend {
  constructor(list, toggle) {
    this.list = select(list).attr("class", "legend").attr("aria-label", "Curves");
    this.toggle = toggle;
  }

  show(curves, off) {
    const items = this.list.property("hidden", curves.length < 2)
      .selectAll("li").data(curves, ({ name }) => name).join((entered) => {
        const item = entered.append("li");
        const button = item.append("button").attr("type", "button").on("click", (_, { name }) => this.toggle(name));
        button.append("svg").attr("aria-hidden", true).attr("viewBox", "0 0 18 10").append("path").attr("d", "M0,5H18");
        button.append("span");
        return item;
      }).order();
    const buttons = items.select("button").attr("aria-pressed", ({ name }) => !off.has(name))
      .attr("title", ({ name }) => `${off.has(name) ? "Show" : "Hide"} ${name}`);
    buttons.select("path").attr("stroke", ({ colour }) => colour).attr("stroke-dasharray", dashesOf);
    buttons.select("span").text(({ name }) => name);
  }
}
