// What all charts share: the frame, zoom, the cursor of pointer and keyboard, and the downloads.

import { select } from "./vendor/d3.js";
import { asPng, standalone } from "./export.js";
import { Zooming } from "./zooming.js";

const KEYS = "Arrow keys move the cursor, Home and End go to the ends, Enter selects, plus and minus " +
  "zoom, Shift with an arrow key moves the view, 0 or Escape shows all.";
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const NARROW = 400; // pixels
let charts = 0;

// A subclass has:
//   margins()            → {left, right, top, bottom} in pixels, and `height` of the area
//   most()               → how far the chart can be magnified
//   drawFrame()          draws what zoom does not change, and sets the scales `across` and `down`
//   draw()               draws the rest by the zoomed scales `x` and `y`
//   at(x, y)             → the cursor at pixels of the area: {point, …}
//   moved(right, down)   → the cursor of the keyboard, moved; `end(-1 | 1)` is the outermost one
//   linked(point)        → the cursor of a point of another chart
//   placeOf(cursor)      → its pixels in the area; `drawCursor(x, y)` draws it there
//   tipTop(y)            → where its readout begins
//   tipLines()           → the lines of its readout: {text, colour, current}
export class Chart {
  constructor(host, { label, onHover = () => {}, onPick = () => {} }) {
    Object.assign(this, { host, label, onHover, onPick, cursor: null });
    this.id = `chart-${++charts}`;
    this.build();
    this.zooming = new Zooming(this.area.node(), () => this.redraw());
    this.listen();
    this.observer = new ResizeObserver(() => this.root.node().clientWidth !== this.width && this.resize());
    this.observer.observe(host);
  }

  build() {
    this.root = select(this.host).append("div").attr("class", "chart");
    this.canvas = this.root.append("canvas").attr("aria-hidden", true);
    this.figure = this.root.append("svg").attr("tabindex", 0).attr("role", "application")
      .attr("aria-roledescription", "chart").attr("aria-describedby", `${this.id}-keys`);
    const frame = this.figure.append("g").attr("aria-hidden", true);
    frame.append("clipPath").attr("id", `${this.id}-clip`).append("rect");
    this.frame = frame.append("g");
    this.axes = this.frame.append("g").attr("class", "axes");
    this.area = this.frame.append("g");
    this.area.append("rect").attr("class", "pointer");
    this.marks = this.area.append("g").attr("clip-path", `url(#${this.id}-clip)`);
    this.cross = this.area.append("g").attr("class", "cross").attr("clip-path", `url(#${this.id}-clip)`);
    this.titles = this.frame.append("g").attr("class", "titles");
    this.tip = this.root.append("div").attr("class", "tip").attr("aria-hidden", true).property("hidden", true);
    this.live = this.root.append("p").attr("class", "unseen").attr("aria-live", "polite");
    this.root.append("p").attr("class", "unseen").attr("id", `${this.id}-keys`).text(KEYS);
  }

  listen() {
    this.area
      .on("pointermove", (event) => this.hover(this.at(...this.pixels(event))))
      .on("pointerleave", () => this.hover(null))
      .on("click", (event) => this.pick(this.at(...this.pixels(event))));
    this.figure
      .on("keydown", (event) => this.key(event))
      .on("blur", () => this.hover(null));
  }

  // The pointer's place in the area. The chart may be scaled, as on paper.
  pixels({ clientX, clientY }) {
    const box = this.figure.node().getBoundingClientRect();
    const scale = this.width / box.width;
    const { left, top } = this.margin;
    return [(clientX - box.left) * scale - left, (clientY - box.top) * scale - top];
  }

  get isNarrow() {
    return this.width < NARROW;
  }

  resize() {
    this.width = this.root.node().clientWidth;
    if (!this.data || !this.width) return; // hidden; the observer reports when it is shown
    const { left, right, top, bottom, height } = (this.margin = this.margins());
    this.inner = { width: Math.max(this.width - left - right, 40), height };
    this.height = top + height + bottom;
    this.figure.attr("viewBox", `0 0 ${this.width} ${this.height}`);
    this.figure.selectAll("clipPath rect, rect.pointer").attr("width", this.inner.width).attr("height", height);
    this.frame.attr("transform", `translate(${left}, ${top})`);
    this.drawFrame();
    this.zooming.resize(this.inner.width, height, this.most());
    this.redraw();
    this.figure.attr("aria-label", this.description());
  }

  // A title of an axis: at a place of the area, horizontal or turned by 90 degrees.
  title(name, text, x, y, turned) {
    this.titles.selectAll(`.${name}`).data([text]).join("text").attr("class", name).text(text)
      .attr("transform", `translate(${x}, ${y})${turned ? " rotate(-90)" : ""}`);
  }

  redraw() {
    const { transform } = this.zooming;
    this.x = transform.rescaleX(this.across);
    this.y = transform.rescaleY(this.down);
    this.draw();
    this.showCursor();
  }

  // The cursor of the pointer or the keyboard.
  hover(cursor) {
    if (!cursor && !this.cursor) return;
    this.cursor = cursor;
    this.showCursor();
    this.onHover(cursor?.point ?? null);
  }

  // The cursor of another chart; null: none.
  highlight(point) {
    this.cursor = point && this.margin ? this.linked(point) : null; // without margins it is not shown yet
    this.showCursor();
  }

  showCursor() {
    this.cross.selectAll("*").remove();
    const { left, top } = this.margin ?? {};
    const [x, y] = this.cursor ? this.placeOf(this.cursor) : [NaN, NaN];
    const inView = x >= -1 && x <= this.inner.width + 1 && y >= -1 && y <= this.inner.height + 1;
    this.tip.property("hidden", !inView);
    if (!inView) return;
    this.drawCursor(x, y);
    const across = left + x; // the tip keeps inside the chart without being measured
    this.tip.style("left", `${across}px`).style("top", `${top + this.tipTop(y)}px`)
      .style("transform", `translateX(-${(100 * across) / this.width}%)`)
      .attr("data-value", this.cursor.point.value)
      .selectAll("p").data(this.tipLines()).join("p").text(({ text }) => text)
      .classed("curve", ({ colour }) => colour).classed("current", ({ current }) => current)
      .style("border-color", ({ colour }) => colour ?? null);
  }

  // Lines through the cursor, with a halo that makes them visible on any colour.
  drawLines(d) {
    for (const name of ["halo", "line"]) this.cross.append("path").attr("class", name).attr("d", d);
  }

  pick(cursor) {
    if (cursor?.point) this.onPick(cursor.point);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !this.data) return;
    const command = this.command(event.key, event.shiftKey);
    if (!command) return;
    command();
    event.preventDefault();
  }

  command(key, shift) {
    const { zooming } = this;
    if (ARROWS[key] && shift) return () => zooming.pan(...ARROWS[key].map((way) => way / 4));
    if (ARROWS[key]) return () => this.moveCursor(this.moved(...ARROWS[key]));
    if (key === "Home" || key === "End") return () => this.moveCursor(this.end(key === "Home" ? -1 : 1));
    if (key === "+" || key === "=") return () => zooming.by(1.6, this.centre());
    if (key === "-" || key === "_") return () => zooming.by(1 / 1.6, this.centre());
    if (key === "0") return () => zooming.reset();
    if (key === "Escape") return () => (zooming.isZoomed ? zooming.reset() : this.hover(null));
    return key === "Enter" && this.cursor ? () => this.pick(this.cursor) : null;
  }

  moveCursor(cursor) {
    if (!cursor) return;
    this.cursor = cursor;
    this.zooming.reveal(...this.placeOf(cursor));
    this.hover(cursor);
    this.live.text(cursor.point.text);
  }

  centre() {
    const middle = [this.inner.width / 2, this.inner.height / 2];
    return this.cursor ? this.placeOf(this.cursor) : middle;
  }

  resetZoom() {
    this.zooming.reset();
  }

  // The text of a file that needs no other.
  svg() {
    return standalone(this);
  }

  png() {
    return asPng(this.svg());
  }

  remove() {
    this.observer.disconnect();
    this.root.remove();
  }
}
