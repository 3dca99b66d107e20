// Which runs are listed, in which order, and which of them are shown.

const NAMES = new Intl.Collator("en", { numeric: true }); // seed2 is before seed10
const LATEST = 4; // runs that are shown as long as nothing was chosen

// A test of run names by a regular expression, as TensorBoard's: {matches, problem}. An invalid
// expression matches every name.
export function matcher(filter) {
  try {
    const expression = new RegExp(filter, "i");
    return { matches: (name) => expression.test(name), problem: "" };
  } catch (error) {
    return { matches: () => true, problem: error.message };
  }
}

// The runs that match the filter, the newest first. The trials of the doctor, which are many, are listed
// if they are asked for, or chosen to be shown.
export function listed(runs, { filter, trials, runs: chosen }) {
  const { matches } = matcher(filter);
  return runs.filter(({ run, trial }) => matches(run) && (!trial || trials || chosen?.includes(run)));
}

// The runs with those of a group, NAME-seed1, NAME-seed2, …, side by side and in the order of their seeds,
// where the first of them was.
export function seedsTogether(runs) {
  const groups = new Map();
  for (const run of runs) {
    const group = run.run.replace(/-seed\d+$/, "-seed");
    groups.set(group, [...(groups.get(group) ?? []), run]);
  }
  return [...groups.values()].flatMap((group) => group.toSorted((a, b) => NAMES.compare(a.run, b.run)));
}

// The runs with the doctor's untreated trainings before all others, so that what was before is on the left.
export function untreatedFirst(runs) {
  const isTreated = ({ trial }) => !trial || trial.remedies.length > 0;
  return runs.toSorted((a, b) => isTreated(a) - isTreated(b));
}

// The runs with those whose trials are among them.
export function withTreated(shown, runs) {
  const treated = new Set(shown.map(({ trial }) => trial?.run));
  return runs.filter((run) => shown.includes(run) || treated.has(run.run));
}

// The runs that are shown: those chosen; the latest that have data for the view if none was chosen,
// or none of these exists.
export function shown(runs, choices, hasData = () => true) {
  const candidates = listed(runs, choices);
  const chosen = choices.runs && new Set(choices.runs);
  const exists = chosen && (!chosen.size || runs.some(({ run }) => chosen.has(run)));
  return exists ? candidates.filter(({ run }) => chosen.has(run)) : candidates.filter(hasData).slice(0, LATEST);
}

// The names that are chosen after one is switched on or off; `on` are the runs that are shown.
export function toggled(on, choices, name, isOn) {
  const others = chosenNames(on, choices).filter((other) => other !== name);
  return isOn ? [...others, name] : others;
}

// The names that are chosen after all that are listed are switched on or off.
export function switched(runs, on, choices, isOn) {
  const names = listed(runs, choices).map(({ run }) => run);
  const others = chosenNames(on, choices).filter((name) => !names.includes(name));
  return isOn ? [...others, ...names] : others;
}

// A choice that the filter hides remains.
export function chosenNames(on, choices) {
  return choices.runs ?? on.map(({ run }) => run);
}

// Sorts rows {run, summary} by a column, what has no value last.
export function sorted(rows, { sort, ascending }) {
  const value = COLUMNS[sort] ?? COLUMNS.begun;
  const sign = ascending ? 1 : -1;
  const order = (a, b) => (typeof a === "string" ? NAMES.compare(a, b) : a - b);
  return rows
    .map((row) => ({ row, by: value(row) }))
    .sort((a, b) => (isNothing(a.by) || isNothing(b.by) ? isNothing(a.by) - isNothing(b.by) : sign * order(a.by, b.by)))
    .map(({ row }) => row);
}

const isNothing = (value) => value === null || value === undefined;
const SEVERITY = { trouble: 2, unclear: 1, healthy: 0 };
const lastOf = (values) => values?.findLast((value) => value !== null);

// What each column of the overview is sorted by.
const COLUMNS = {
  run: ({ run }) => run.run,
  begun: ({ run }) => run.begun,
  finding: ({ summary }) => summary?.finding && SEVERITY[summary.finding.severity],
  best: ({ summary }) => summary?.best?.value,
  first_to_last: ({ summary }) => lastOf(summary?.first_to_last?.values),
};
