// A small curve of first-to-last in the course of training, on a logarithmic axis.

import { makeSvg } from "./dom.js";
import { short } from "./numbers.js";

const [WIDTH, HEIGHT, EDGE] = [96, 24, 3];

export function sparkline({ values }) {
  const points = values.map((value, place) => [place, Math.log10(value)]).filter(([, y]) => Number.isFinite(y));
  const known = values.filter((value) => value !== null);
  const name = known.length ? `first to last, from ${short(known[0])} to ${short(known.at(-1))}` : "first to last: unknown";
  const size = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT };
  const svg = makeSvg("svg", { ...size, class: "sparkline", role: "img", "aria-label": name });
  if (points.length) svg.append(...lineOf(points, values.length));
  return svg;
}

function lineOf(points, count) {
  const heights = points.map(([, y]) => y);
  const [low, high] = [Math.min(...heights), Math.max(...heights)];
  const x = (place) => EDGE + (place / Math.max(count - 1, 1)) * (WIDTH - 2 * EDGE);
  const y = (value) => (high > low ? EDGE + ((high - value) / (high - low)) * (HEIGHT - 2 * EDGE) : HEIGHT / 2);
  const path = points.map(([place, value], nth) => `${nth ? "L" : "M"}${x(place).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const [place, value] = points.at(-1);
  return [makeSvg("path", { d: path }), makeSvg("circle", { cx: x(place), cy: y(value), r: 2 })];
}
