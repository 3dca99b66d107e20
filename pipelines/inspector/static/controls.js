// Choices with a visible label: one of a few side by side, one of many in a list, or yes and no.

import { arrange, make } from "./dom.js";

let count = 0; // of the groups of radio buttons on the page

// One of a few options, [{value, text}], side by side.
export class Segments {
  constructor(label, change) {
    this.name = `segments-${(count += 1)}`;
    this.change = change;
    this.options = make("div", { class: "segments" });
    this.element = make("fieldset", { class: "control" }, make("legend", {}, label), this.options);
  }

  show(options, value) {
    const key = JSON.stringify(options);
    if (key !== this.key) this.options.replaceChildren(...options.map((option) => this.segment(option)));
    this.key = key;
    for (const input of this.options.querySelectorAll("input")) input.checked = input.value === value;
  }

  segment({ value, text }) {
    const input = make("input", { type: "radio", name: this.name, value });
    input.onchange = () => this.change(value);
    return make("label", {}, input, make("span", {}, text));
  }
}

// One of many options, [{value, text}].
export class Select {
  constructor(label, change) {
    this.select = make("select");
    this.select.onchange = () => change(this.select.value);
    this.element = make("label", { class: "control" }, make("span", {}, label), this.select);
  }

  show(options, value) {
    const key = JSON.stringify(options);
    if (key !== this.key) {
      this.select.replaceChildren(...options.map((option) => new Option(option.text, option.value)));
    }
    this.key = key;
    this.select.value = value;
  }
}

// Names that are each on or off.
export class Checks {
  constructor(label, change) {
    this.change = change;
    this.boxes = new Map(); // by name
    this.list = make("div", { class: "checks" });
    this.element = make("fieldset", {}, make("legend", {}, label), this.list);
  }

  show(names, isOn) {
    const kept = new Map(names.map((name) => [name, this.boxes.get(name) ?? this.check(name)]));
    this.boxes = kept;
    arrange(this.list, [...kept.values()]);
    for (const [name, label] of kept) label.firstChild.checked = isOn(name);
  }

  check(name) {
    const input = make("input", { type: "checkbox" });
    input.onchange = () => this.change(name, input.checked);
    return make("label", { title: name }, input, make("span", {}, name));
  }
}
