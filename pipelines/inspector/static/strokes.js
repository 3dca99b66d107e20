// A curve as SVG paths. A curve: {name, colour, xs, ys, dashed, epochs}.

import { line } from "./vendor/d3.js";

const DOTS = 40; // the largest number of points that are drawn one by one

export const isDrawable = (value, log) => Number.isFinite(value) && (!log || value > 0);

// The dashes of a curve: `dashed` is true or has their lengths.
export const dashesOf = ({ dashed }) => (dashed === true ? "5 3" : dashed || null);

// The line, with gaps where a value has no place.
export function lineOf({ xs, ys }, x, y, log) {
  const path = line().defined((n) => isDrawable(ys[n], log)).x((n) => x(xs[n])).y((n) => y(ys[n]));
  return path(Array.from(ys, (_, n) => n));
}

// Dots: of a short curve all points, else those without neighbours.
export function dotsOf({ xs, ys }, x, y, log) {
  const drawn = (n) => n >= 0 && n < ys.length && isDrawable(ys[n], log);
  const dots = [];
  for (let n = 0; n < ys.length; n++) {
    if (!drawn(n) || (ys.length > DOTS && (drawn(n - 1) || drawn(n + 1)))) continue;
    dots.push(`M${x(xs[n]) - 2},${y(ys[n])}a2,2 0 1,0 4,0a2,2 0 1,0 -4,0`);
  }
  return dots.join("");
}

// Triangles at the edges: infinity, and zero, which has no place on a logarithmic axis.
export function beyondOf({ xs, ys }, x, height, log) {
  return Array.from(ys, (value, n) => {
    if (value === Infinity) return `M${x(xs[n]) - 4},6h8l-4,-6z`;
    return log && value <= 0 ? `M${x(xs[n]) - 4},${height - 6}h8l-4,6z` : "";
  }).join("");
}

// The smallest and the largest value that can be drawn, with some room; round ones are up to the scale.
export function rangeOf(curves, log) {
  let [low, high] = [Infinity, -Infinity];
  for (const { ys } of curves) {
    for (const value of ys) {
      if (!isDrawable(value, log)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (!log) return [Math.min(low, 0), high > Math.min(low, 0) ? high : high + 1];
  const room = low === high ? 3 : (high / low) ** 0.04;
  return [low / room, high * room];
}

// The index of the number nearest to a position.
export function nearestIndex(xs, position) {
  let best = 0;
  for (let n = 1; n < xs.length; n++) {
    if (Math.abs(xs[n] - position) < Math.abs(xs[best] - position)) best = n;
  }
  return best;
}
