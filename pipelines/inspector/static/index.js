// The Error Flow tab: TensorBoard imports this module into an empty page and calls render().

import { fetchColours, fetchDamaged, fetchSeries } from "./static/data.js";
import { Card, KINDS, runOf } from "./static/card.js";
import { commonScale, SHARES } from "./static/scale.js";
import { readChoices, writeChoices } from "./static/choices.js";
import { followTheme } from "./static/theme.js";

const RELOAD = 15_000; // milliseconds

export async function render() {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = "./static/style.css";
  document.head.append(style);
  document.documentElement.lang = "en";
  const page = new Page(readChoices(), await fetchColours());
  followTheme(() => page.draw());
  await page.reload();
  setInterval(() => document.hidden || !page.choices.auto || page.reload(), RELOAD);
}

class Page {
  constructor(choices, colours) {
    this.choices = choices;
    this.colours = colours;
    this.cards = new Map(); // by run, kind and name
    this.series = [];
    this.damaged = []; // records that cannot be shown
    document.body.innerHTML = `
      <aside aria-label="Selection">
        <div id="kinds" role="radiogroup" aria-label="Kind of plot"></div>
        <fieldset><legend>Runs</legend><input id="filter" type="search" placeholder="filter runs"
          aria-label="Filter runs"><div id="runs"></div></fieldset>
        <fieldset><legend>Layers</legend><div id="layers"></div></fieldset>
        <fieldset><legend>Statistic</legend><select id="statistic" aria-label="Statistic"></select>
        </fieldset>
        <fieldset id="axis"><legend>Time axis</legend>
          <label><input type="radio" name="align" value="end"> steps before the last</label>
          <label><input type="radio" name="align" value="start"> steps from the first</label>
        </fieldset>
        <label><input id="auto" type="checkbox"> update during training</label>
        <button id="reload" type="button">Reload</button>
      </aside>
      <main>
        <div id="bar"><label for="step" id="row"></label>
          <input id="step" type="range"><output id="at" for="step"></output></div>
        <p id="message" role="status"></p>
        <div id="cards"></div>
        <ul id="damaged" aria-label="Records that cannot be shown"></ul>
      </main>`;
    this.listen();
  }

  listen() {
    const choose = (choices) => (this.set(choices), this.show());
    element("filter").oninput = () => this.listRuns();
    element("statistic").onchange = (event) => choose({ statistic: event.target.value });
    for (const radio of document.getElementsByName("align")) {
      radio.onchange = () => choose({ align: radio.value });
    }
    element("auto").onchange = (event) => this.set({ auto: event.target.checked });
    element("reload").onclick = () => this.reload();
    element("step").oninput = (event) => {
      const at = Number(event.target.value);
      this.choose(at === Number(event.target.max) ? null : at); // at its right end it follows the training
    };
    window.addEventListener("resize", () => this.draw());
  }

  set(choices) {
    Object.assign(this.choices, choices);
    writeChoices(this.choices);
  }

  // Selects a training step; null: always the latest.
  choose(step) {
    this.set({ step });
    this.moveTo(step ?? Number(element("step").max));
  }

  moveTo(step) {
    element("at").textContent = step.toLocaleString("en");
    element("step").value = step;
    for (const card of this.cards.values()) card.moveTo(step);
  }

  async reload() {
    try {
      [this.series, this.damaged] = await Promise.all([fetchSeries(), fetchDamaged()]);
      await this.show();
    } catch (error) {
      element("message").textContent = `TensorBoard does not answer: ${error.message}`;
    }
  }

  // Shows what is selected, if it exists; otherwise the first kind and the latest runs.
  async show() {
    const kinds = Object.keys(KINDS).filter((kind) => this.series.some((s) => s.kind === kind));
    this.kind = kinds.includes(this.choices.kind) ? this.choices.kind : kinds[0];
    this.listKinds(kinds);
    const series = this.series.filter((s) => s.kind === this.kind);
    this.runs = [...new Set(series.map(runOf))];
    this.shown = this.runs.filter((run) => this.choices.runs.includes(run));
    if (!this.shown.length) this.shown = this.runs.slice(-FIRST_SHOWN);
    this.listRuns();
    const inRuns = series.filter((s) => this.shown.includes(runOf(s)));
    this.listLayers([...new Set(inRuns.map((s) => s.name))]);
    const statistics = [...new Set(inRuns.flatMap((s) => s.statistics))];
    const { statistic } = this.choices;
    this.statistic = statistics.includes(statistic) ? statistic : statistics[0];
    this.listStatistics(statistics, Object.assign({}, ...inRuns.map((s) => s.labels)));
    const { row, slider } = KINDS[this.kind] ?? {};
    element("row").textContent = slider ?? row ?? "";
    element("statistic").parentElement.hidden = Boolean(slider);
    element("axis").hidden = this.kind !== "error_flow";
    for (const radio of document.getElementsByName("align")) {
      radio.checked = radio.value === this.choices.align;
    }
    element("auto").checked = this.choices.auto;
    element("message").textContent = series.length ? "" : NOTHING_YET;
    this.listDamaged();
    const hidden = this.choices.hidden;
    await this.put(
      inRuns.filter((s) => !hidden.includes(s.name))
        .filter((s) => s.statistics.includes(this.statistic)),
    );
  }

  // Shows exactly these series; tables that are already loaded are not requested again.
  async put(series) {
    const before = this.cards;
    this.cards = new Map();
    for (const one of series) {
      const key = JSON.stringify([one.run, one.kind, one.name]);
      const card = before.get(key) ?? new Card(this, one);
      this.cards.set(key, card);
    }
    const cards = [...this.cards.values()];
    fill("cards", cards.map((card) => card.element), [...this.cards.keys()]);
    await Promise.all(
      series.map((one, place) => cards[place].load(one, this.statistic, this.choices.align)),
    );
    this.setRange();
    this.draw();
  }

  setRange() {
    const steps = [...this.cards.values()].flatMap((card) => card.range());
    element("bar").hidden = !steps.length;
    if (!steps.length) return;
    const [slider, last] = [element("step"), Math.max(...steps)];
    slider.min = Math.min(...steps);
    slider.max = last;
    this.moveTo(this.choices.step ?? last);
  }

  draw() {
    const tables = [...this.cards.values()].map((card) => card.table).filter(Boolean);
    const shares = KINDS[this.kind]?.shares || this.statistic === "dead";
    const scale = shares ? SHARES : commonScale(tables, this.colours.decades);
    for (const card of this.cards.values()) card.draw(scale);
  }

  listDamaged() {
    const items = this.damaged.map(({ run, record, reason }) => {
      const textContent = `${[run, record].filter(Boolean).join(" · ")} cannot be shown: ${reason}`;
      return Object.assign(document.createElement("li"), { textContent });
    });
    fill("damaged", items, this.damaged);
  }

  listKinds(kinds) {
    fill(
      "kinds",
      kinds.map((kind) =>
        choice("radio", "kind", KINDS[kind].title, kind === this.kind, () => {
          this.set({ kind, hidden: [], step: null });
          this.show();
        }),
      ),
      [kinds, this.kind],
    );
  }

  listRuns() {
    const filter = element("filter").value.toLowerCase();
    const rows = this.runs.filter((run) => run.toLowerCase().includes(filter)).map((run) =>
      choice("checkbox", "run", run || ".", this.shown.includes(run), (on) => {
        const others = this.shown.filter((other) => other !== run);
        this.set({ runs: on ? [...others, run] : others.length ? others : [run] });
        delete element("runs").dataset.key; // draw the list anew: the only run stays selected
        this.show();
      }),
    );
    fill("runs", rows, [filter, this.runs, this.shown]);
  }

  listLayers(layers) {
    element("layers").parentElement.hidden = layers.length < 2;
    fill(
      "layers",
      layers.map((layer) =>
        choice("checkbox", "layer", layer, !this.choices.hidden.includes(layer), (on) => {
          const others = this.choices.hidden.filter((other) => other !== layer);
          this.set({ hidden: on ? others : [...others, layer] });
          this.show();
        }),
      ),
      [layers, this.choices.hidden],
    );
  }

  listStatistics(statistics, labels) {
    const options = statistics.map((name) => {
      const option = new Option(labels[name], name);
      option.selected = name === this.statistic;
      return option;
    });
    fill("statistic", options, [this.kind, statistics, this.statistic]);
  }
}

const FIRST_SHOWN = 4; // runs, if none is selected
const NOTHING_YET =
  "Nothing has been recorded here yet. Train with errorflow, or pass " +
  "callbacks=[errorflow.callbacks.ErrorFlow(log_dir=…)] to your own model's fit.";

const element = (id) => document.getElementById(id);

// Replaces the children of an element, unless their data are unchanged, and keeps the keyboard
// focus, which would otherwise be lost whenever a training goes on.
function fill(id, children, data) {
  const key = JSON.stringify(data);
  if (element(id).dataset.key === key) return;
  element(id).dataset.key = key;
  const place = inputsOf(id).indexOf(document.activeElement);
  element(id).replaceChildren(...children);
  inputsOf(id)[place]?.focus();
}

const inputsOf = (id) => [...element(id).querySelectorAll("input")];

function choice(type, name, text, checked, change) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type, name, checked });
  input.onchange = () => change(input.checked);
  label.append(input, ` ${text}`);
  label.title = text;
  return label;
}
