// Numbers as texts.

// A number with four digits: 0.031, 2.1e-6.
export function short(value) {
  if (Number.isNaN(value)) return "none";
  if (!Number.isFinite(value)) return value > 0 ? "infinity" : "-infinity";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  const rounded = Number(value.toPrecision(4));
  return size >= 1e-3 && size < 1e6 ? String(rounded) : rounded.toExponential();
}

// The shortest text of a number. The recorded values are float32 numbers, which have at most nine digits.
export function exact(value) {
  if (!Number.isFinite(value) || Math.fround(value) !== value) return String(value);
  for (let digits = 1; digits < 10; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return String(shorter);
  }
  return String(value);
}

// A count or a position: 1,200 or 3.4.
export const whole = (value) => value.toLocaleString("en", { maximumFractionDigits: 2 });

// A number beside an axis: 1,200, 2.5M, 1e-5.
export function tickText(value) {
  const size = Math.abs(value);
  if (size >= 1e6 && size < 1e12) return compact.format(value);
  if (size >= 1e12 || (size && size < 1e-3)) return Number(value.toPrecision(6)).toExponential();
  return value.toLocaleString("en", { maximumFractionDigits: 6 });
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
