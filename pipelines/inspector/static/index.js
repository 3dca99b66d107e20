// The Error Flow tab: TensorBoard imports this module into an empty page and calls render().

import { fetchColours, fetchSeries } from "./static/data.js";
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
    document.body.innerHTML = `
      <aside aria-label="What to show">
        <div id="kinds" role="radiogroup" aria-label="What of it"></div>
        <fieldset><legend>Runs</legend><input id="filter" type="search" placeholder="filter"
          aria-label="Filter runs"><div id="runs"></div></fieldset>
        <fieldset><legend>Layers</legend><div id="layers"></div></fieldset>
        <fieldset><legend>Statistic</legend><select id="statistic" aria-label="Statistic"></select>
        </fieldset>
        <fieldset id="axis"><legend>Time axis</legend>
          <label><input type="radio" name="align" value="end"> steps before the last</label>
          <label><input type="radio" name="align" value="start"> steps from the first</label>
        </fieldset>
        <label><input id="auto" type="checkbox"> follow the training</label>
        <button id="reload" type="button">Reload</button>
      </aside>
      <main>
        <div id="bar"><label for="step" id="row"></label>
          <input id="step" type="range"><output id="at" for="step"></output></div>
        <p id="message" role="status"></p>
        <div id="cards"></div>
      </main>`;
    this.listen();
  }

  listen() {
    const choose = (what) => (this.set(what), this.show());
    element("filter").oninput = () => this.listRuns();
    element("statistic").onchange = (event) => choose({ statistic: event.target.value });
    for (const radio of document.getElementsByName("align")) {
      radio.onchange = () => choose({ align: radio.value });
    }
    element("auto").onchange = (event) => this.set({ auto: event.target.checked });
    element("reload").onclick = () => this.reload();
    element("step").oninput = (event) => {
      const at = Number(event.target.value);
      this.choose(at === Number(event.target.max) ? null : at); // at its end it follows the training
    };
    window.addEventListener("resize", () => this.draw());
  }

  set(what) {
    Object.assign(this.choices, what);
    writeChoices(this.choices);
  }

  // A training step; null: the latest, whichever that will be.
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
      this.series = await fetchSeries();
      await this.show();
    } catch (error) {
      element("message").textContent = `TensorBoard does not answer: ${error.message}`;
    }
  }

  // What is chosen, as far as it is there; else the first there is, and the latest runs.
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
    this.listStatistics(statistics);
    const { row, look } = KINDS[this.kind] ?? {};
    element("row").textContent = look ?? row ?? "";
    element("statistic").parentElement.hidden = Boolean(look);
    element("axis").hidden = this.kind !== "error_flow";
    for (const radio of document.getElementsByName("align")) {
      radio.checked = radio.value === this.choices.align;
    }
    element("auto").checked = this.choices.auto;
    element("message").textContent = series.length ? "" : NOTHING_YET;
    const hidden = this.choices.hidden;
    await this.put(
      inRuns.filter((s) => !hidden.includes(s.name))
        .filter((s) => s.statistics.includes(this.statistic)),
    );
  }

  // Shows these series and no others; tables that are there already are not asked for again.
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
    const wanted = element("filter").value.toLowerCase();
    const rows = this.runs.filter((run) => run.toLowerCase().includes(wanted)).map((run) =>
      choice("checkbox", "run", run || ".", this.shown.includes(run), (on) => {
        const others = this.shown.filter((other) => other !== run);
        this.set({ runs: on ? [...others, run] : others.length ? others : [run] });
        delete element("runs").dataset.key; // the only run stays, and is ticked again
        this.show();
      }),
    );
    fill("runs", rows, [wanted, this.runs, this.shown]);
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

  listStatistics(statistics) {
    const options = statistics.map((name) => {
      const option = new Option(OF_KIND[this.kind]?.[name] ?? STATISTICS[name] ?? name, name);
      option.selected = name === this.statistic;
      return option;
    });
    fill("statistic", options, [this.kind, statistics, this.statistic]);
  }
}

const FIRST_SHOWN = 4; // runs, as long as none is chosen
const NOTHING_YET =
  "No error has been recorded here yet. Train with errorflow, or give your own model's fit " +
  "callbacks=[ErrorFlow(log_dir=…)] (errorflow.callbacks).";
const OF_KIND = { horizon: { hidden: "‖dh_T/dh_t‖", cell: "‖dh_T/dc_t‖" } };
const STATISTICS = {
  hidden: "dE/dh, rms over the batch",
  hidden_max: "dE/dh, largest in the batch",
  carried: "dE/dh from later steps alone",
  cell: "dE/dc, rms over the batch",
  cell_max: "dE/dc, largest in the batch",
  ...Object.fromEntries(
    ["input", "forget", "output", "update", "reset"].flatMap((gate) => [
      [gate, `${gate} gate, mean`],
      [`${gate}_closed`, `${gate} gate, share below 0.1`],
      [`${gate}_open`, `${gate} gate, share above 0.9`],
    ]),
  ),
  bound: "product of the single steps' norms",
  norm: "‖dE/dW‖",
  ratio: "‖dE/dW‖ / ‖W‖",
  dead: "share of dead units",
};

const element = (id) => document.getElementById(id);

// Puts these in an element, unless what they were made of is what it was. Nobody is to lose the
// keyboard's focus because a training went on, or by a choice.
function fill(id, children, madeOf) {
  const key = JSON.stringify(madeOf);
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
