// The views, in the order of their tabs, and the sentence that says how to read each.

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
    course: { first_to_last: "First to last", half_life: "Half-life" },
    courseOfPairs: { first_to_largest: "First to largest, of joined layers," },
    howTo: "Each row is a training step and each column a time step: colour that fades from right to left is an error " +
      "that vanishes on its way back to the first step.",
  },
  {
    id: "depth",
    title: "Depth",
    kind: "layer_gradients",
    course: { global_norm: "Norm of the whole gradient" },
    howTo: "Each column is a layer from input to loss: colour that fades to the left means that the first layers " +
      "hardly learn.",
  },
  {
    id: "gates",
    title: "Gates",
    kind: "gates",
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
    howTo: "The curve is how much the last state depends on each earlier one, whatever the loss: no error reaches " +
      "further back than this.",
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
];

// The views for which some run has data; the overview always.
export function viewsOf(runs) {
  const hasData = (view) => runs.some((run) => seriesOf(view, run).length || mediaOf(view, run).length);
  return VIEWS.filter((view) => view.id === "overview" || hasData(view));
}

// The series of a run that a view shows.
export const seriesOf = (view, run) => (view.kind ? run.series.filter(({ kind }) => kind === view.kind) : []);

// The images and texts of a run that a view shows.
export const mediaOf = (view, run) => (view.media ? run.media.filter(({ kind }) => view.media.includes(kind)) : []);

// The page that explains the views, in the section of one of them.
export const guideOf = (view) => `./static/guide.html#${view.id}`;
