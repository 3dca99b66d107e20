// Findings: a badge with the headline, and the whole sentence with its numbers and remedies.

import { icon, make } from "./dom.js";
import { short } from "./numbers.js";

const ORDER = { trouble: 0, unclear: 1, healthy: 2 };
const IN_WORDS = { trouble: "needs attention", unclear: "unclear", healthy: "healthy" };

// The finding that a badge shows: the most severe one.
export function headlineOf(findings) {
  return [...findings].sort((a, b) => rank(a) - rank(b))[0] ?? null;
}

const rank = ({ severity }) => ORDER[severity] ?? ORDER.unclear;

// The icon and the tooltip say what the colour says.
export function badge({ headline, severity, text, sentence }) {
  const known = severity in ORDER ? severity : "unclear";
  const words = make("span", { class: "unseen" }, `${IN_WORDS[known]}: `);
  const label = make("span", { class: "badge-text" }, headline);
  return make("span", { class: `badge ${known}`, title: text ?? sentence ?? headline }, icon(known), words, label);
}

// The findings of a card: what was measured, what it means, and below it what it rests on.
// `call` is the command that tries the remedies; "" if there is none.
export function findingList(table, call) {
  const list = make("ul", { class: "findings" });
  list.append(...table.findings.map((finding) => item(finding, call)));
  if (table.missing) list.append(make("li", {}, gap(table.missing)));
  return list;
}

function item({ text, meaning, severity, evidence, confidence, remedies }, call) {
  const numbers = Object.entries({ ...evidence, ...(typeof confidence === "number" ? { confidence } : {}) });
  const rows = numbers.flatMap(([name, value]) =>
    [make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, typeof value === "number" ? short(value) : String(value))]);
  const more = make("details", {}, make("summary", {}, remedies.length ? "Numbers and remedies" : "Numbers"));
  if (rows.length) more.append(make("dl", {}, ...rows));
  if (remedies.length) more.append(make("ul", { class: "remedies" }, ...remedies.map((remedy) => make("li", {}, sentence(remedy)))));
  if (remedies.length && call) more.append(make("p", {}, "To find out which of them helps: ", make("code", {}, call)));
  return make("li", { "data-severity": severity }, make("p", {}, text), meaning ? make("p", { class: "meaning" }, `${meaning}.`) : null, rows.length || remedies.length ? more : null);
}

const sentence = ({ text, source }) => (source ? `${text} (${source})` : text);

// TensorBoard's slower loader keeps few blocks of a long run, unless a flag raises the limit.
const gap = (missing) =>
  `TensorBoard has left out ${missing.toLocaleString("en")} training steps in between. ` +
  "To see them, start it with errorflow tensorboard, or with --samples_per_plugin errorflow=1000.";
