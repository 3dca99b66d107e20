// The user's selection, kept in the address of TensorBoard's page, so that a link shows the same.

const PREFIX = "p.errorflow.";
const DEFAULTS = {
  kind: "error_flow",
  runs: [],
  hidden: [], // layers that are not shown
  statistic: "hidden",
  align: "end",
  step: null, // the latest
  auto: true,
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
  const choices = structuredClone(DEFAULTS);
  for (const part of parts()) {
    const [key, value] = part.split("=").map(decoded);
    const name = key.slice(PREFIX.length);
    if (!key.startsWith(PREFIX) || !Object.hasOwn(DEFAULTS, name)) continue;
    try {
      const choice = JSON.parse(value);
      if (isLike(choice, DEFAULTS[name])) choices[name] = choice;
    } catch {
      // ignore an invalid value in the address
    }
  }
  return choices;
}

// Whether a value from the address can take the place of a default; that of `step` is null.
function isLike(choice, usual) {
  if (usual === null) return choice === null || typeof choice === "number";
  if (Array.isArray(usual)) return Array.isArray(choice) && choice.every((one) => typeof one === "string");
  return typeof choice === typeof usual;
}

export function writeChoices(choices) {
  const others = parts().filter((part) => !decoded(part).startsWith(PREFIX));
  const ours = Object.entries(choices)
    .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(DEFAULTS[name]))
    .map(([name, value]) => `${PREFIX}${name}=${encodeURIComponent(JSON.stringify(value))}`);
  const { history, location } = place();
  history.replaceState(history.state, "", `${location.pathname}${location.search}#${[...others, ...ours].join("&")}`);
}
