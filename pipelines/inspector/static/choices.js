// The user's selection, kept in the address of TensorBoard's page, so that a link shows the same.

const PREFIX = "p.errorflow.";

const isText = (value) => typeof value === "string";
const isFlag = (value) => typeof value === "boolean";
const areNames = (value) => Array.isArray(value) && value.every(isText);
const orNull = (accepts) => (value) => value === null || accepts(value);

// By name: what is chosen if the address does not say it, and which values the address may have.
const CHOICES = {
  view: ["overview", isText],
  runs: [null, orNull(areNames)], // null: nothing was chosen, the latest are shown
  filter: ["", isText], // a regular expression of the runs
  trials: [false, isFlag], // whether the trials of the doctor are listed
  hidden: [[], areNames], // layers that are not shown
  statistic: ["", isText], // "": the first
  align: ["end", (value) => value === "end" || value === "start"],
  step: [null, orNull(Number.isFinite)], // null: the latest
  sort: ["begun", isText],
  ascending: [false, isFlag],
  auto: [true, isFlag],
};

// TensorBoard's page, which contains this one; this one if the other is not accessible (notebooks).
function place() {
  try {
    window.parent.location.hash.toString();
    return window.parent;
  } catch {
    return window;
  }
}

const parts = () => place().location.hash.slice(1).split("&").filter(Boolean);

// The text of a part of the address; empty if it cannot be decoded.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export function readChoices() {
  const choices = Object.fromEntries(Object.entries(CHOICES).map(([name, [usual]]) => [name, usual]));
  for (const part of parts()) {
    const [key, value] = part.split("=").map(decoded);
    const name = key.slice(PREFIX.length);
    if (!key.startsWith(PREFIX) || !Object.hasOwn(CHOICES, name)) continue;
    try {
      const choice = JSON.parse(value);
      if (CHOICES[name][1](choice)) choices[name] = choice;
    } catch {
      // ignore an invalid value in the address
    }
  }
  return choices;
}

export function writeChoices(choices) {
  const others = parts().filter((part) => !decoded(part).startsWith(PREFIX));
  const ours = Object.entries(choices)
    .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(CHOICES[name][0]))
    .map(([name, value]) => `${PREFIX}${name}=${encodeURIComponent(JSON.stringify(value))}`);
  const { history, location } = place();
  history.replaceState(history.state, "", `${location.pathname}${location.search}#${[...others, ...ours].join("&")}`);
}
