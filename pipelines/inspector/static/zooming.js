// Zoom and pan of a chart by wheel, drag, touch and keyboard.

import { select, zoom, zoomIdentity, zoomTransform } from "./vendor/d3.js";

const PAUSE = 250; // milliseconds without a wheel event that end a gesture
const REST = 8; // pixels that a resting pointer may move
const MOTION = 180; // milliseconds of a transition

// A wheel gesture belongs to the chart on which it began, if that can zoom then. Another gesture
// scrolls the page, over whatever charts it leads: the pointer rests while they pass below it.
const gesture = { last: -Infinity, x: 0, y: 0, area: null };

window.addEventListener("wheel", ({ timeStamp, clientX: x, clientY: y, deltaY, target }) => {
  if (timeStamp - gesture.last > PAUSE || Math.hypot(x - gesture.x, y - gesture.y) > REST) {
    const area = target.closest?.(".chart-area") ?? null;
    gesture.area = area && (isZoomed(area) || deltaY < 0) ? area : null;
  }
  Object.assign(gesture, { last: timeStamp, x, y });
}, { capture: true, passive: true });

const isZoomed = (area) => zoomTransform(area).k > 1;
const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Zooming {
  // area: the SVG group of the data; changed: is called with each new transform.
  constructor(area, changed) {
    this.area = select(area).attr("class", "chart-area");
    this.zoom = zoom().filter((event) => this.accepts(event)).on("zoom", ({ transform }) => {
      this.area.classed("zoomed", transform.k > 1);
      changed(transform);
    });
    this.area.call(this.zoom).on("dblclick.zoom", null).on("dblclick", () => this.reset());
  }

  get transform() {
    return zoomTransform(this.area.node());
  }

  get isZoomed() {
    return isZoomed(this.area.node());
  }

  accepts(event) {
    if (event.type === "wheel") return gesture.area === this.area.node();
    if (event.type === "touchstart") return this.isZoomed || event.touches.length > 1; // else it scrolls
    return !event.ctrlKey && !event.button;
  }

  // The area's size in pixels, and how far it can be magnified. What is in view stays in view.
  resize(width, height, most) {
    const before = this.size ?? [width, height];
    this.size = [width, height];
    const all = [[0, 0], this.size];
    this.zoom.extent(all).translateExtent(all).scaleExtent([1, most]);
    const { k, x, y } = this.transform;
    const moved = zoomIdentity.translate((x * width) / before[0], (y * height) / before[1]).scale(Math.min(k, most));
    if (this.isZoomed) this.zoom.transform(this.area, moved);
  }

  reset() {
    this.moving().call(this.zoom.transform, zoomIdentity);
  }

  // Magnifies around a point of the area.
  by(factor, point) {
    this.moving().call(this.zoom.scaleBy, factor, point);
  }

  // Moves what is in view by shares of the area.
  pan(right, down) {
    const { k } = this.transform;
    const [width, height] = this.size;
    this.moving().call(this.zoom.translateBy, (-right * width) / k, (-down * height) / k);
  }

  // Brings a point of the area, in pixels of the present view, into view.
  reveal(x, y) {
    const [width, height] = this.size;
    if (x >= 0 && x <= width && y >= 0 && y <= height) return;
    const { transform } = this;
    this.area.interrupt();
    this.zoom.translateTo(this.area, ...transform.invert([x, y]));
  }

  moving() {
    return isCalm() ? this.area.interrupt() : this.area.transition().duration(MOTION);
  }
}
