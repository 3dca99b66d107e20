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

export function readChoices() {
  const choices = structuredClone(DEFAULTS);
  for (const part of parts()) {
    const [key, value] = part.split("=").map(decodeURIComponent);
    const name = key.slice(PREFIX.length);
    if (!key.startsWith(PREFIX) || !(name in DEFAULTS)) continue;
    try {
      choices[name] = JSON.parse(value);
    } catch {
      // ignore an invalid value in the address
    }
  }
  return choices;
}

export function writeChoices(choices) {
  const others = parts().filter((part) => !decodeURIComponent(part).startsWith(PREFIX));
  const ours = Object.entries(choices)
    .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(DEFAULTS[name]))
    .map(([name, value]) => `${PREFIX}${name}=${encodeURIComponent(JSON.stringify(value))}`);
  const { history, location } = place();
  history.replaceState(history.state, "", `${location.pathname}${location.search}#${[...others, ...ours].join("&")}`);
}
