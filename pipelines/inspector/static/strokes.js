// A curve as SVG paths. A curve: {name, colour, xs, ys, dashed, epochs}.

const DOTS = 40; // the largest number of points that are drawn one by one

export const isDrawable = (value, log) => Number.isFinite(value) && (!log || value > 0);

// The dashes of a curve: `dashed` is true or has their lengths.
export const dashesOf = ({ dashed }) => (dashed === true ? "5 3" : dashed || null);

const rounded = (pixels) => Math.round(pixels * 10) / 10;

// The line, with gaps where a value has no place.
export function lineOf({ xs, ys }, x, y, log) {
  let path = "";
  let command = "M";
  for (let n = 0; n < ys.length; n++) {
    if (isDrawable(ys[n], log)) {
      path += `${command}${rounded(x(xs[n]))},${rounded(y(ys[n]))}`;
      command = "L";
    } else {
      command = "M";
    }
  }
  return path;
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
  let path = "";
  for (let n = 0; n < ys.length; n++) {
    if (ys[n] === Infinity) path += `M${rounded(x(xs[n])) - 4},6h8l-4,-6z`;
    else if (log && ys[n] <= 0) path += `M${rounded(x(xs[n])) - 4},${height - 6}h8l-4,6z`;
  }
  return path;
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
  if (!log) return low === 0 && high === 0 ? [0, 1] : [Math.min(low, 0), Math.max(high, 0)];
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
