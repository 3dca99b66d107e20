// Colours of values, and the pixels of a heat map.

import { placeOf } from "./scale.js";
import { colour } from "./theme.js";

export class Painter {
  constructor(values, scale, colours) {
    Object.assign(this, { values, scale });
    this.table = scale.linear ? colours.shares : colours.errors;
    this.notFinite = colours.notFinite;
    this.read();
  }

  // Finds the number of each value's colour: 0 to 255 on the scale, 256 infinite, 257 no value.
  read() {
    const { values, scale } = this;
    this.numbers = new Uint16Array(values.length);
    Object.assign(this, { isBelow: false, least: -1, most: -1, isEmpty: false, isInfinite: false });
    const low = scale.linear ? scale.low : 10 ** scale.low;
    for (let place = 0; place < values.length; place++) {
      const value = values[place];
      if (Number.isNaN(value)) {
        this.numbers[place] = 257;
        this.isEmpty = true;
      } else if (value === Infinity) {
        this.numbers[place] = 256;
        this.isInfinite = true;
      } else {
        this.numbers[place] = value > 0 ? Math.round(255 * placeOf(value, scale)) : 0;
        if (value < low) this.isBelow = true;
        if (this.least < 0 || value < values[this.least]) this.least = place;
        if (this.most < 0 || value > values[this.most]) this.most = place;
      }
    }
  }

  // The places of the smallest and of the largest finite value; -1: there is none.
  extremes() {
    return [this.least, this.most];
  }

  // Colours that are not on the scale and occur.
  others() {
    return [
      ...(this.isInfinite ? [{ text: "∞", colour: this.notFinite }] : []),
      ...(this.isEmpty ? [{ text: "none", colour: colour("no-value") }] : []),
    ];
  }

  // The scale as a gradient: [place from 0 to 1, colour].
  stops() {
    return Array.from({ length: 52 }, (_, n) => [n / 51, `rgb(${this.table[n * 5].join(", ")})`]);
  }

  // Draws what is in view of a chart, each pixel with the value of its cell.
  draw(canvas, { x, y, columns, rows, inner, margin, width, height }) {
    const ratio = Math.min(window.devicePixelRatio || 1, 3);
    const [across, down] = [inner.width, inner.height].map((length) => Math.round(length * ratio));
    if (canvas.width !== across || canvas.height !== down) {
      Object.assign(canvas, { width: across, height: down });
      const share = (part, all) => `${(100 * part) / all}%`;
      Object.assign(canvas.style, {
        left: share(margin.left, width), top: share(margin.top, height),
        width: share(inner.width, width), height: share(inner.height, height),
      });
    }
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(across, down);
    const pixels = new Uint32Array(image.data.buffer);
    const cellsOf = (count, scale, cells) =>
      Array.from({ length: count }, (_, pixel) => cells.index(scale.invert((pixel + 0.5) / ratio)));
    const [columnOf, rowOf] = [cellsOf(across, x, columns), cellsOf(down, y, rows)];
    const palette = this.palette();
    for (let line = 0; line < down; line++) {
      const from = line * across;
      if (line && rowOf[line] === rowOf[line - 1]) {
        pixels.copyWithin(from, from - across, from);
        continue;
      }
      const row = rowOf[line] * columns.length;
      for (let pixel = 0; pixel < across; pixel++) pixels[from + pixel] = palette[this.numbers[row + columnOf[pixel]]];
    }
    pen.putImageData(image, 0, 0);
  }

  palette() {
    return Uint32Array.from([...this.table, hex(this.notFinite), hex(colour("no-value"))], opaque);
  }
}

// A pixel of ImageData.
const opaque = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

const hex = (text) => [1, 3, 5].map((place) => parseInt(text.slice(place, place + 2), 16));
