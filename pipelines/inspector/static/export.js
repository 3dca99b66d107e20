// Charts as files: SVG, PNG and CSV.

import { fitted } from "./axes.js";
import { colour } from "./theme.js";

const SVG = "http://www.w3.org/2000/svg";
const STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-linejoin", "opacity",
  "font-family", "font-size", "font-weight", "text-anchor"];
const LINE = 18; // pixels of a line of the title and of the legend
const PNG_SCALE = 2;

// A chart as the text of an SVG file that needs no other: with its colours, its fonts and, of a heat map, its pixels.
export function standalone(chart) {
  const { figure, canvas, margin, inner, width, height } = chart;
  const curves = chart.curves?.length > 1 ? chart.curves : [];
  const copy = styledCopy(figure.node());
  copy.querySelectorAll(".cross, .pointer").forEach((part) => part.remove());
  if (canvas.node().width && chart.painter) {
    const { left, top } = margin;
    const picture = { href: canvas.node().toDataURL(), x: left, y: top, ...inner, preserveAspectRatio: "none", "image-rendering": "pixelated" };
    copy.prepend(element("image", picture));
  }
  const whole = height + LINE * (2 + curves.length);
  const page = element("svg", { xmlns: SVG, width, height: whole, viewBox: `0 0 ${width} ${whole}`, role: "img" });
  const text = { fill: colour("ink"), "font-family": "Roboto, system-ui, sans-serif", "font-size": 13 };
  Object.entries({ y: LINE, height, width }).forEach(([name, value]) => copy.setAttribute(name, value));
  ["tabindex", "class", "role", "style", "aria-roledescription", "aria-describedby", "aria-label"].forEach((name) => copy.removeAttribute(name));
  page.append(
    element("title", {}, chart.label),
    element("desc", {}, chart.description()),
    element("rect", { width, height: whole, fill: colour("paper") }),
    element("text", { ...text, x: 8, y: LINE - 2 }, fitted(chart.label, 0.84 * (width - 16))), // of 13 pixels, not 11
    copy,
    ...curves.flatMap(({ name, colour: stroke, dashed }, n) => {
      const y = height + LINE * (n + 1.5);
      return [
        element("path", { d: `M${margin.left},${y}h18`, stroke, "stroke-width": 2, ...(dashed ? { "stroke-dasharray": "5 3" } : {}) }),
        element("text", { ...text, "font-size": 12, x: margin.left + 26, y: y + 4 }, fitted(name, 0.91 * (width - margin.left - 34))),
      ];
    }),
  );
  return new XMLSerializer().serializeToString(page);
}

function element(name, attributes, text = "") {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  one.textContent = text;
  return one;
}

// A copy whose elements have what style sheets say as attributes.
function styledCopy(original) {
  const copy = original.cloneNode(true);
  const copies = copy.querySelectorAll("*");
  original.querySelectorAll("*").forEach((from, place) => {
    const style = getComputedStyle(from);
    for (const name of STYLES) copies[place].setAttribute(name, style.getPropertyValue(name));
    copies[place].removeAttribute("class");
  });
  return copy;
}

// An SVG file as a PNG file.
export async function asPng(svg) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await picture.decode();
  const canvas = new OffscreenCanvas(picture.width * PNG_SCALE, picture.height * PNG_SCALE);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/png" });
}

// Rows of texts and numbers as the text of a CSV file.
export const table = (rows) => rows.map((row) => `${row.map(quoted).join(",")}\n`).join("");

const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell);
