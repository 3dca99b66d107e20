// The scale of values, common to all charts: logarithmic for errors, linear from 0 to 1 for shares.

import { scaleLinear, scaleLog } from "./vendor/d3.js";
import { tickText } from "./numbers.js";

export const SHARES = { low: 0, high: 1, linear: true };

// A scale from the largest value down, with at most this many decades: {low, high}, powers of ten.
// `values` hold the smallest and the largest positive value.
export function commonScale(values, decades) {
  if (!values.length) return { low: -1, high: 0 };
  const high = Math.ceil(Math.log10(Math.max(...values)));
  const low = Math.floor(Math.log10(Math.min(...values)));
  return { low: Math.min(Math.max(low, high - decades), high - 1), high };
}

// The position of a value on the scale, from 0 to 1; values below the scale are at 0.
export function placeOf(value, { low, high, linear }) {
  const at = linear ? value : Math.log10(value);
  return Math.min(Math.max((at - low) / (high - low), 0), 1);
}

// The smallest and the largest value of a scale.
export const limits = ({ low, high, linear }) => (linear ? [low, high] : [10 ** low, 10 ** high]);

// d3's scale of a range of values over a range of pixels.
export const valueScale = (log, domain, range) => (log ? scaleLog : scaleLinear)(domain, range);

const BETWEEN_LABELS = 24; // pixels
const BETWEEN_MARKS = 16; // pixels of a decade whose multiples are marked

// Ticks of a logarithmic axis of this many pixels: {major, minor}; the major ones are labelled.
export function logTicks([low, high], pixels) {
  const [first, last] = [low, high].map(Math.log10);
  const decade = pixels / (last - first);
  const multiples = (factors, every = 1) => {
    const found = [];
    for (let exponent = Math.floor(first); exponent <= last + 1e-9; exponent++) {
      if (exponent % every === 0) found.push(...factors.map((factor) => Number(`${factor}e${exponent}`)));
    }
    return found.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
  };
  const minor = decade >= BETWEEN_MARKS ? multiples([1, 2, 3, 4, 5, 6, 7, 8, 9]) : multiples([1]);
  for (const factors of [[1], [1, 3], [1, 2, 5]]) {
    const major = multiples(factors, factors.length > 1 ? 1 : Math.ceil(BETWEEN_LABELS / decade));
    if (major.length > 2) return { major, minor };
  }
  const linear = scaleLinear([low, high], [0, 1]).ticks(Math.max(2, pixels / 48));
  return { major: linear.filter((value) => value > 0), minor: [] };
}

// The label of a value on a logarithmic axis.
export const logText = (value) => {
  const exponent = Math.round(Math.log10(value));
  return Number(`1e${exponent}`) === value && Math.abs(exponent) > 2 ? `1e${exponent}` : tickText(value);
};
