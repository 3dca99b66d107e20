// Draws a table as a heat map and, below it on the same axis, one of its rows as a curve.

import { marks, placeOf } from "./scale.js";
import { colour } from "./theme.js";

const LEFT = 78; // pixels of the margins and of the parts of the plot
const RIGHT = 62;
const TOP = 12;
const MAP = 220;
const GAP = 14;
const CURVE = 110;
const BELOW = 40;
const HEIGHT = TOP + MAP + GAP + CURVE + BELOW;
const FONT = "12px Roboto, system-ui, sans-serif";

export class Plot {
  constructor(canvas, table, scale, colours, titles) {
    Object.assign(this, { canvas, table, scale, titles });
    this.notFinite = hex(colours.notFinite);
    this.colours = scale.linear ? colours.shares : colours.errors;
    this.columns = table.columns.length;
    this.rows = table.steps.length;
    this.width = canvas.parentElement.clientWidth || 560;
    this.map = this.width - LEFT - RIGHT;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = this.width * ratio;
    canvas.height = HEIGHT * ratio;
    canvas.style.height = `${HEIGHT}px`;
    this.pen = canvas.getContext("2d");
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.image = this.picture();
  }

  // An image with one pixel for each value.
  picture() {
    const { values } = this.table;
    const picture = new OffscreenCanvas(this.columns, this.rows);
    const pen = picture.getContext("2d");
    const image = pen.createImageData(this.columns, this.rows);
    const pixels = new Uint32Array(image.data.buffer);
    const [noValue, notFinite, ...colours] = [hex(colour("no-value")), this.notFinite, ...this.colours].map(pixel);
    values.forEach((value, place) => {
      pixels[place] = Number.isNaN(value) ? noValue
        : value === Infinity ? notFinite
        : colours[Math.round(255 * (value > 0 ? placeOf(value, this.scale) : 0))];
    });
    pen.putImageData(image, 0, 0);
    return picture;
  }

  draw(row, cell) {
    const { pen } = this;
    pen.fillStyle = colour("paper");
    pen.fillRect(0, 0, this.width, HEIGHT);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.image, LEFT, TOP, this.map, MAP);
    pen.font = FONT;
    this.drawAxes();
    this.drawBar();
    this.drawCurve(row);
    pen.strokeStyle = colour("mark");
    pen.lineWidth = 1;
    const y = TOP + ((row + 0.5) / this.rows) * MAP;
    line(pen, [[LEFT - 6, y], [LEFT, y]]);
    line(pen, [[LEFT + this.map, y], [LEFT + this.map + 6, y]]);
    if (cell) {
      const [x, middle] = this.centre(cell);
      pen.strokeRect(x - 4, middle - 4, 8, 8);
    }
  }

  drawAxes() {
    const { pen } = this;
    pen.fillStyle = colour("ink");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const row of evenly(this.rows, 5)) {
      const y = TOP + ((row + 0.5) / this.rows) * MAP;
      pen.fillText(this.table.steps[row].toLocaleString("en"), LEFT - 9, y);
    }
    pen.textAlign = "center";
    const bottom = HEIGHT - BELOW;
    // Names of layers need more room than numbers.
    const room = typeof this.table.columns[0] === "number" ? 60 : 130;
    for (const column of evenly(this.columns, Math.max(2, Math.floor(this.map / room)))) {
      pen.fillText(fitted(pen, String(this.table.columns[column]), room), this.x(column), bottom + 12);
    }
    pen.fillStyle = colour("faint");
    pen.fillText(this.titles.column, LEFT + this.map / 2, bottom + 29);
    pen.save();
    pen.translate(10, TOP + MAP / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(this.titles.row, 0, 0);
    pen.restore();
  }

  drawBar() {
    const { pen, scale } = this;
    const x = LEFT + this.map + 12;
    for (let y = 0; y < MAP; y++) {
      const [r, g, b] = this.colours[Math.round(255 * (1 - y / (MAP - 1)))];
      pen.fillStyle = `rgb(${r} ${g} ${b})`;
      pen.fillRect(x, TOP + y, 10, 1);
    }
    pen.fillStyle = colour("ink");
    pen.textAlign = "left";
    for (const [place, text] of marks(scale)) {
      const y = TOP + MAP * (1 - place);
      pen.fillText(text, x + 14, Math.min(Math.max(y, TOP + 5), TOP + MAP - 5));
    }
  }

  drawCurve(row) {
    const { pen, scale } = this;
    const top = TOP + MAP + GAP;
    pen.strokeStyle = colour("grid");
    pen.strokeRect(LEFT + 0.5, top + 0.5, this.map - 1, CURVE - 1);
    const points = [];
    for (let column = 0; column < this.columns; column++) {
      const value = this.table.values[row * this.columns + column];
      if (scale.linear ? value >= 0 : value > 0 && value < Infinity) {
        points.push([this.x(column), top + CURVE * (1 - placeOf(value, scale))]);
      }
    }
    pen.strokeStyle = pen.fillStyle = colour("mark");
    pen.lineWidth = 1.5;
    line(pen, points);
    if (this.columns <= 40) for (const [x, y] of points) pen.fillRect(x - 2, y - 2, 4, 4);
    pen.fillStyle = colour("ink");
    pen.textAlign = "right";
    const [least, most] = [marks(scale).at(scale.linear ? 0 : -1), marks(scale).at(scale.linear ? -1 : 0)];
    pen.fillText(most[1], LEFT - 9, top + 6);
    pen.fillText(least[1], LEFT - 9, top + CURVE - 6);
    pen.textAlign = "left";
    pen.fillText(`${this.titles.row} ${this.table.steps[row].toLocaleString("en")}`, LEFT + 6, top + 10);
  }

  x(column) {
    return LEFT + ((column + 0.5) / this.columns) * this.map;
  }

  centre({ row, column }) {
    return [this.x(column), TOP + ((row + 0.5) / this.rows) * MAP];
  }

  // The cell at a pixel of the map; null outside the map.
  cellAt(x, y) {
    const column = Math.floor(((x - LEFT) / this.map) * this.columns);
    const row = Math.floor(((y - TOP) / MAP) * this.rows);
    const inside = column >= 0 && column < this.columns && row >= 0 && row < this.rows;
    return inside ? { row, column } : null;
  }
}

function line(pen, points) {
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.stroke();
}

function evenly(count, most) {
  const shown = Math.min(count, most);
  if (shown < 2) return count ? [0] : [];
  const places = Array.from({ length: shown }, (_, n) => Math.round((n * (count - 1)) / (shown - 1)));
  return [...new Set(places)];
}

function fitted(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let end = text;
  while (end.length > 3 && pen.measureText(`…${end}`).width > room) end = end.slice(1);
  return `…${end}`; // the end of a path is more specific than its start
}

// An opaque pixel of ImageData.
const pixel = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

const hex = (text) => [1, 3, 5].map((place) => parseInt(text.slice(place, place + 2), 16));
