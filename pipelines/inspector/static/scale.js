// The scale of values, common to all charts: logarithmic for errors, linear from 0 to 1 for shares.

import { scaleLinear, scaleLog } from "./vendor/d3.js";
import { tickText } from "./numbers.js";

export const SHARES = { low: 0, high: 1, linear: true };

// A scale from the largest value down, with at most this many decades: {low, high}, powers of ten.
export function commonScale(tables, decades) {
  let [smallest, largest] = [Infinity, 0];
  for (const { values } of tables) {
    for (const value of values) {
      if (value > 0 && value < Infinity) {
        if (value < smallest) smallest = value;
        if (value > largest) largest = value;
      }
    }
  }
  if (!largest) return { low: -1, high: 0 };
  const high = Math.ceil(Math.log10(largest));
  const low = Math.floor(Math.log10(smallest));
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

// Until all charts have axes of their own: the marks beside the scale, [position from 0 to 1, text].
export function marks({ low, high, linear }) {
  if (linear) return [0, 0.25, 0.5, 0.75, 1].map((share) => [share, String(share)]);
  const every = Math.ceil((high - low) / 8);
  const exponents = [];
  for (let exponent = high; exponent >= low; exponent -= every) exponents.push(exponent);
  return exponents.map((exponent) => [(exponent - low) / (high - low), exponent === 0 ? "1" : `1e${exponent}`]);
}
