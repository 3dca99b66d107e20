// The views, in the order of their tabs, and the sentence that says how to read each. The series of the names in `apart`
// have columns of their own and are compared apart; those of the kind `exponents` are lines.

export const VIEWS = [
  {
    id: "overview",
    title: "Overview",
    howTo: "One line per run: its most severe finding, its best validation figure, and how much of the last step's " +
      "error reached the first step in the course of training.",
  },
  {
    id: "time",
    title: "Time",
    kind: "error_flow",
    findings: [
      "vanishing", "exploding", "vanished earlier", "exploded earlier", "not finite", "no error", "does not cross",
    ],
    course: { first_to_last: "First to last", half_life: "Half-life" },
    courseOfPairs: { first_to_largest: "First to largest, of joined layers," },
    howTo: "Each row is a training step and each column a time step: colour that fades from right to left is an error " +
      "that vanishes on its way back to the first step.",
  },
  {
    id: "depth",
    title: "Depth",
    kind: "layer_gradients",
    findings: [
      "starving", "exploding over depth", "starved earlier", "exploded over depth earlier", "no gradient", "dead units",
      "clipped",
    ],
    course: { global_norm: "Norm of the whole gradient" },
    howTo: "Each column is a layer from input to loss: colour that fades to the left means that the first layers " +
      "hardly learn.",
  },
  {
    id: "depth_error",
    title: "Error over depth",
    kind: "depth_flow",
    findings: [
      "starving", "exploding over depth", "starved earlier", "exploded over depth earlier", "silent path", "no error",
      "not finite",
    ],
    apart: { layers: "Error over depth", paths: "Error by path" },
    course: { over_depth: "First layers to last" },
    howTo: "Each column is the output of a layer or block, from input to loss, and of a path the error that comes back " +
      "through it alone: colour that fades to the left is an error that vanishes over depth.",
  },
  {
    id: "gates",
    title: "Gates",
    kind: "gates",
    findings: ["saturated"],
    media: ["gates"],
    howTo: "Each row is an epoch: a forget gate near 1 keeps the cell's error alive, one near 0 cuts it off.",
  },
  {
    id: "matrix",
    title: "Error matrix",
    kind: "error_matrix",
    howTo: "Row i, column k is the error that the loss at step i sends back to the state at step k: a bright diagonal " +
      "that fades fast to its left is a short memory.",
  },
  {
    id: "horizon",
    title: "Horizon",
    kind: "horizon",
    exponents: "lyapunov",
    howTo: "The curve is how much the last state depends on each earlier one, whatever the loss: no error reaches " +
      "further back than this. Lyapunov exponents below 0 are directions in which an error fades, those above 0 " +
      "directions in which it grows.",
  },
  {
    id: "attention",
    title: "Attention",
    media: ["attention"],
    howTo: "Each row is a word that was predicted: bright places are where the decoder attended to.",
  },
  {
    id: "samples",
    title: "Samples",
    media: ["samples", "captioned_images"],
    howTo: "Predictions for the same validation examples as training goes on, beside what was expected.",
  },
  {
    id: "features",
    title: "Feature maps",
    media: ["feature_maps"],
    howTo: "Each small picture is what one filter answers to the same image: filters that stay dark are dead.",
  },
  {
    id: "warnings",
    title: "Warnings",
    media: ["warnings"],
    howTo: "What was noticed while the model trained, with the training step at which it was noticed.",
  },
  {
    id: "doctor",
    title: "Doctor",
    howTo: "Short trainings with and without each remedy: a cure is a remedy with which the finding is gone and the " +
      "validation figure is better, beyond the noise between seeds.",
  },
];

// The views for which some run has data; the overview always.
export function viewsOf(runs) {
  return VIEWS.filter((view) => view.id === "overview" || runs.some((run) => hasData(view, run)));
}

// Whether a view has something to show of a run.
export function hasData(view, run) {
  return seriesOf(view, run).length > 0 || exponentsOf(view, run).length > 0 || mediaOf(view, run).length > 0 || hasAnswer(view, run);
}

// Whether a view shows the doctor's answer about a run.
export const hasAnswer = (view, run) => view.id === "doctor" && run.doctor !== null;

// The view that compares trainings by what a kind of finding was drawn from; else the first one that shows them all.
export function comparisonOf(kind, trainings) {
  const views = VIEWS.filter((view) => view.id !== "overview" && trainings.every((run) => hasData(view, run)));
  return views.find(({ findings = [] }) => findings.includes(kind)) ?? views[0];
}

// The series of a run that a view shows.
export const seriesOf = (view, run) => (view.kind ? run.series.filter(({ kind }) => kind === view.kind) : []);

// The series of a run that a view shows as lines over epochs.
export const exponentsOf = (view, run) => (view.exponents ? run.series.filter(({ kind }) => kind === view.exponents) : []);

// The images and texts of a run that a view shows.
export const mediaOf = (view, run) => (view.media ? run.media.filter(({ kind }) => view.media.includes(kind)) : []);

// The page that explains the views, in the section of one of them.
export const guideOf = (view) => `./static/guide.html#${view.id}`;
