// The axes of a chart.

import { axisBottom, axisLeft, axisRight, axisTop, scaleLinear } from "./vendor/d3.js";
import { logText, logTicks } from "./scale.js";
import { tickText, whole } from "./numbers.js";

const NAME_LENGTH = 120; // pixels of a name that is not horizontal
const NAME_HEIGHT = 14;
const SLOPE = -45; // degrees
const pen = new OffscreenCanvas(1, 1).getContext("2d");

function widthOf(text) {
  pen.font = "11px Roboto, system-ui, sans-serif";
  return pen.measureText(text).width;
}

// A text that needs at most this many pixels: without its middle, as names of layers differ at both ends.
export function fitted(text, room) {
  let [shown, length] = [text, text.length];
  while (length > 2 && widthOf(shown) > room) {
    length--;
    shown = `${text.slice(0, Math.floor(length / 2))}…${text.slice(-Math.ceil(length / 2))}`;
  }
  return shown;
}

// Pixels of height that the labels below a chart need.
export function heightBelow(cells, width) {
  if (!cells.named) return 18;
  const widest = Math.max(...cells.values.map((name) => widthOf(String(name))));
  if (isHorizontal(widest, width / cells.length)) return 18;
  return 16 + Math.ceil(Math.min(widest, NAME_LENGTH) * Math.SQRT1_2);
}

const isHorizontal = (widest, room) => room >= Math.min(widest + 8, 90);

// The axis of cells, {values, at, named}, below a chart of this width, which has `left` pixels on its left.
export function drawAxisBelow(group, cells, scale, { width, left }, inner = 4) {
  if (cells.named) return drawNames(group, cells, scale, { width, left }, inner);
  const ticks = scale.ticks(Math.max(2, width / 60)).filter(isTickOf(cells));
  draw(group, axisBottom(scale), ticks, whole, inner);
}

// The axis of cells on the left of a chart of this height.
export function drawAxisLeft(group, cells, scale, height) {
  if (cells.named) {
    const every = Math.ceil((NAME_HEIGHT * cells.length) / Math.abs(scale(cells.length) - scale(0)));
    const shown = cells.at.filter((place) => place % every === 0 && inView(scale(place), height));
    return draw(group, axisLeft(scale), shown, (place) => whole(cells.values[place]), 4);
  }
  const ticks = scale.ticks(Math.max(2, height / 36)).filter(isTickOf(cells));
  draw(group, axisLeft(scale), ticks, whole, 4);
}

// Training steps, time steps and epochs are counted: there is nothing at 2.5.
const isTickOf = (cells) => (value) =>
  Number.isInteger(value) && (value - cells.at[0]) * (value - cells.at.at(-1)) <= 0;

function drawNames(group, cells, scale, { width, left }, inner) {
  const shown = cells.at.filter((place) => inView(scale(place), width));
  const room = Math.abs(scale(1) - scale(0));
  const names = cells.values.map(String);
  const widest = Math.max(...shown.map((place) => widthOf(names[place])));
  const horizontal = isHorizontal(widest, room);
  const every = horizontal ? 1 : Math.ceil(NAME_HEIGHT / room);
  const ticks = shown.filter((place) => place % every === 0);
  const length = (place) => (horizontal ? room - 8 : Math.min(NAME_LENGTH, (left + scale(place) - 12) * Math.SQRT2));
  draw(group, axisBottom(scale), ticks, (place) => fitted(names[place], length(place)), inner);
  const texts = group.selectAll("text");
  if (!horizontal) {
    texts.attr("transform", `translate(-4, 2) rotate(${SLOPE})`).attr("text-anchor", "end");
  } else {
    texts.attr("transform", null).attr("text-anchor", "middle");
  }
  texts.selectAll("title").data((place) => [names[place]]).join("title").text((name) => name);
}

const inView = (position, length) => position >= -0.5 && position <= length + 0.5;

// The axis of values on the left; a logarithmic one has minor ticks.
export function drawValueAxis(group, minorGroup, scale, log, height, inner) {
  const ticks = log ? logTicks(scale.domain(), height) : { major: scale.ticks(height / 30), minor: [] };
  draw(group, axisLeft(scale), ticks.major, log ? logText : tickText, inner);
  draw(minorGroup, axisLeft(scale), ticks.minor, () => "", 3);
}

// The bar's axis, on the right.
export function drawBarAxis(group, scale, linear, height, text) {
  const { major, minor } = linear ? { major: scale.ticks(4), minor: [] } : logTicks(orderedDomain(scale), height);
  draw(group, axisRight(scale), [...major, ...minor.filter((value) => !major.includes(value))],
    (value) => (major.includes(value) ? text(value) : ""), 4);
}

const orderedDomain = (scale) => scale.domain().toSorted((a, b) => a - b);

// The axis of epochs opposite to that of training steps: on the right of a height, or above a width.
// epochs: the epoch of each place, `places`, of the axis of training steps.
export function drawEpochs(group, onTop, epochs, places, length) {
  const known = epochs.map((epoch, n) => [epoch, places[n]]).filter(([epoch]) => Number.isFinite(epoch));
  const apart = known.filter(([epoch], n) => !n || epoch > known[n - 1][0]);
  if (apart.length < 2) return group.selectAll("*").remove();
  const scale = scaleLinear(apart.map(([epoch]) => epoch), apart.map(([, place]) => place));
  const ends = [scale.invert(0), scale.invert(length)];
  const ticks = scaleLinear(ends, [0, 1]).ticks(Math.max(2, length / (onTop ? 70 : 36)))
    .filter((epoch) => inView(scale(epoch), length));
  draw(group, (onTop ? axisTop : axisRight)(scale), ticks, whole, 4);
  group.select(".domain").remove(); // it would reach as far as all epochs, also those out of view
}

function draw(group, axis, values, text, inner) {
  group.call(axis.tickValues(values).tickFormat(text).tickSizeInner(inner).tickSizeOuter(0).tickPadding(inner < 0 ? 6 : 4));
  group.attr("font-family", null).attr("font-size", null);
}
