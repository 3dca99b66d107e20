// Light or dark, like the TensorBoard page around this one, or as the system is set.

// TensorBoard's colours of runs.
const COLOURS = ["#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a"];
export const PALETTE = { light: ["#425066", ...COLOURS], dark: ["#8e98a3", ...COLOURS] };
export const DASHES = ["6 3", "2 3", "9 3 2 3"]; // of lines with the same colour
const SHADES = { light: ["#9ecae1", "#08306b"], dark: ["#31688e", "#e8f3ff"] }; // from early to late

export function followTheme(changed) {
  const set = () => {
    document.documentElement.dataset.theme = outerIsDark() ? "dark" : "light";
    changed();
  };
  set();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", set);
  const body = outerBody();
  if (body) new MutationObserver(set).observe(body, { attributes: true, attributeFilter: ["class"] });
}

function outerIsDark() {
  const body = outerBody();
  return body ? body.classList.contains("dark-mode") : matchMedia("(prefers-color-scheme: dark)").matches;
}

function outerBody() {
  try {
    return window.parent === window ? null : window.parent.document.body;
  } catch {
    return null; // the outer page belongs to another host
  }
}

// TensorBoard's own fonts, so that both pages look alike. Their addresses leave a path prefix out.
export function useOuterFonts() {
  const outer = outerBody()?.ownerDocument;
  if (!outer) return;
  const rules = [...outer.styleSheets].flatMap(rulesOf).map(({ cssText }) => cssText);
  const faces = rules.filter((text) => /^@font-face.*Roboto/.test(text)).join("\n");
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(faces.replaceAll('url("/', `url("${new URL(".", outer.baseURI).pathname}`));
  document.adoptedStyleSheets.push(sheet);
}

function rulesOf(sheet) {
  try {
    return [...sheet.cssRules];
  } catch {
    return []; // a style of another host, as notebooks have
  }
}

export const isDark = () => document.documentElement.dataset.theme === "dark";

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Colours of what was recorded early to late.
export function shadesOf(count) {
  const [early, late] = SHADES[isDark() ? "dark" : "light"].map(channels);
  return Array.from({ length: count }, (_, place) => {
    const share = count > 1 ? place / (count - 1) : 1;
    return `rgb(${early.map((from, channel) => Math.round(from + share * (late[channel] - from))).join(" ")})`;
  });
}

const channels = (hex) => [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
