// The player's picture: what was on the display, and on top of it what fingers did.

import { duration } from "../core/text.js";
import { element, setText } from "./dom.js";
import { Picture, Stage } from "./picture.js";

const RING_PX = 22;
const DOT_PX = 9;
const SPREAD_MS = 350;

export class Glass {
  #picture = new Picture();
  #stage;
  #fingers = element("canvas", { class: "fingers", "aria-hidden": "true" });
  #note = element("p", { class: "stage-note", role: "status", hidden: true });
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #isTouched = false;

  constructor(height) {
    this.#stage = new Stage(height);
    this.#stage.hold(this.#picture);
    this.#picture.element.append(this.#fingers);
    this.element = this.#stage.element;
    this.element.append(this.#note);
  }

  get picture() {
    return this.#picture;
  }

  paint(pictures) {
    for (const picture of pictures) this.#picture.paint(picture);
  }

  blank() {
    this.#picture.element.hidden = true;
  }

  describe(ms, mixed) {
    this.#picture.setLabel(`The display at ${duration(ms, 1)}${mixed ? ", a mixed frame" : ""}`);
  }

  note(text) {
    setText(this.#note, text);
    this.#note.hidden = !text;
  }

  setBusy(isBusy) {
    this.element.classList.toggle("busy", isBusy);
  }

  touches(found) {
    if (found.length === 0 && !this.#isTouched) return;
    this.#isTouched = found.length > 0;
    const { canvas } = this.#picture;
    const density = globalThis.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    this.#fingers.width = Math.round(width * density);
    this.#fingers.height = Math.round(height * density);
    const context = this.#fingers.getContext("2d");
    context.scale(density, density);
    const scale = width / (canvas.width || 1);
    const place = ([x, y]) => [(x + 0.5) * scale, (y + 0.5) * scale];
    for (const touch of found) this.#finger(context, touch, place);
  }

  close() {
    this.#stage.close();
  }

  #finger(context, { x, y, trail, ageMs, gone }, place) {
    context.strokeStyle = "#ff5d8f";
    context.fillStyle = "#ff5d8f";
    context.lineCap = context.lineJoin = "round";
    if (trail.length > 1) {
      context.globalAlpha = 0.55 * (1 - gone);
      context.lineWidth = 5;
      context.beginPath();
      for (const point of trail) context.lineTo(...place(point));
      context.stroke();
    }
    const [left, top] = place([x, y]);
    const spread = this.#calm.matches ? 1 : Math.min(1, ageMs / SPREAD_MS);
    circle(context, left, top, DOT_PX, 0.5 * (1 - gone), "fill");
    context.lineWidth = 3;
    circle(context, left, top, DOT_PX + (RING_PX - DOT_PX) * spread, 0.9 * (1 - gone), "stroke");
  }
}

function circle(context, x, y, radius, alpha, how) {
  context.globalAlpha = alpha;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context[how]();
}
