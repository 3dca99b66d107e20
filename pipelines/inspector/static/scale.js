// One colour scale for all plots: logarithmic for errors, linear from 0 to 1 for shares.

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

// The marks beside the scale: [position from 0 to 1, text].
export function marks({ low, high, linear }) {
  if (linear) return [0, 0.25, 0.5, 0.75, 1].map((share) => [share, String(share)]);
  const every = Math.ceil((high - low) / 8);
  const exponents = [];
  for (let exponent = high; exponent >= low; exponent -= every) exponents.push(exponent);
  return exponents.map((exponent) => [(exponent - low) / (high - low), exponent === 0 ? "1" : `1e${exponent}`]);
}

// Formats a number: 0.031, 2.000e-6.
export function short(value) {
  if (Number.isNaN(value)) return "none";
  if (value === 0 || Number.isInteger(value) || !Number.isFinite(value)) return String(value);
  return value >= 1e-3 && value < 1e4 ? Number(value.toPrecision(4)).toString() : value.toExponential(3);
}
