// One device's display: a canvas at the display's own resolution, shown at a whole number of screen pixels for each.

import { element } from "./dom.js";

const DOWN = 0;

export class Picture {
  #context;
  #limit = { width: 0, height: 0 };

  constructor() {
    this.canvas = element("canvas", { class: "display", width: 0, height: 0, role: "img" });
    this.#context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.element = element("div", { class: "glass", hidden: true }, this.canvas);
  }

  paint(update) {
    if (this.canvas.width !== update.width || this.canvas.height !== update.height) {
      this.canvas.width = update.width;
      this.canvas.height = update.height;
      this.#fit();
    }
    for (const { x, y, width, height, data } of update.areas) {
      this.#context.putImageData(new ImageData(data, width, height), x, y);
    }
    this.element.hidden = false;
  }

  // Of a device that was forgotten nothing stays on the page.
  clear() {
    this.canvas.width = this.canvas.height = 0;
    this.element.hidden = true;
  }

  // The room there is, in CSS pixels.
  fitInto(width, height) {
    this.#limit = { width, height };
    this.#fit();
  }

  setLabel(text) {
    if (this.canvas.getAttribute("aria-label") !== text) this.canvas.setAttribute("aria-label", text);
  }

  ripple({ x, y, phase }) {
    if (x === null || y === null || this.canvas.width === 0) return;
    const mark = element("span", { class: phase === DOWN ? "ripple" : "ripple small", "aria-hidden": "true" });
    mark.style.left = `${((x + 0.5) / this.canvas.width) * 100}%`;
    mark.style.top = `${((y + 0.5) / this.canvas.height) * 100}%`;
    mark.addEventListener("animationend", () => mark.remove());
    this.element.append(mark);
    const marks = this.element.getElementsByClassName("ripple");
    while (marks.length > 12) marks[0].remove();
  }

  // What the canvas holds, as ImageData; null before the first picture.
  read() {
    const { width, height } = this.canvas;
    return width === 0 || this.element.hidden ? null : this.#context.getImageData(0, 0, width, height);
  }

  #fit() {
    const { width, height } = this.canvas;
    if (!width || !this.#limit.width) return;
    const density = globalThis.devicePixelRatio || 1;
    const room = Math.min((this.#limit.width * density) / width, (this.#limit.height * density) / height);
    const scale = (room >= 1 ? Math.floor(room) : room) / density;
    this.canvas.style.width = `${width * scale}px`;
    this.canvas.style.height = `${height * scale}px`;
  }
}

// Paints pictures, the first of them whole, on a canvas that belongs to nothing else.
export function paintAlone(canvas, pictures) {
  const last = pictures.at(-1);
  if (!last) return;
  canvas.width = last.width;
  canvas.height = last.height;
  const context = canvas.getContext("2d");
  for (const { areas } of pictures) {
    for (const { x, y, width, height, data } of areas) context.putImageData(new ImageData(data, width, height), x, y);
  }
}

// A box that holds a picture and keeps it fitted to the room it has. `height(inner)` tells the room from the box's own
// inner height, in CSS pixels.
export class Stage {
  #observer;

  constructor(height) {
    this.element = element("div", { class: "stage" }, element("p", { class: "quiet" }, "No picture yet"));
    this.picture = null;
    this.height = height;
    this.#observer = new ResizeObserver(() => this.#fit());
    this.#observer.observe(this.element);
  }

  hold(picture) {
    if (this.picture !== picture || picture.element.parentElement !== this.element) {
      this.picture = picture;
      this.element.append(picture.element);
      this.#fit();
    }
  }

  close() {
    this.#observer.disconnect();
  }

  #fit() {
    const style = getComputedStyle(this.element);
    const width = this.element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = this.element.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    this.picture?.fitInto(width, this.height(height));
  }
}
