// The timeline: what changed when, events, inputs, logs, gaps and vitals, and a slider over all of it.
//
// The drawing is made anew only when its data, size or colours change; the playhead is an element of its own.

import { Scale } from "../core/scale.js";
import { duration, spoken } from "../core/text.js";
import { element, setText } from "./dom.js";
import { drawTimeline, LANES, laneTops } from "./lanes.js";

const HIT_PX = 6;
const SMALL_WIDTH = 560;
const MOST_ZOOM = 64;
const KEY_STEPS = { ArrowUp: 1_000, ArrowDown: -1_000, PageUp: 30_000, PageDown: -30_000 };

export class Timeline {
  #canvas = element("canvas", { class: "lanes", "aria-hidden": "true" });
  #head = element("div", { class: "playhead" });
  #line = element("div", { class: "hover-line", hidden: true });
  #band = element("div", { class: "loop-band", hidden: true });
  #labels = element("div", { class: "lane-labels", "aria-hidden": "true" });
  #area;
  #data = { frames: [], keyframes: [], gaps: [], idle: [], vitals: [], items: [], vital: null };
  #scale = new Scale(0);
  #zoom = 1;
  #center = 0; // in played ms
  #position = 0;
  #loop = null;
  #act;
  #preview;
  #observer;
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #isDrawn = false;
  #isClosed = false;
  #drag = null;

  // `act` has seek(ms) and loop(from, to); `preview` shows a moment where the pointer hovers.
  constructor(act, preview) {
    this.#act = act;
    this.#preview = preview;
    this.#area = element("div", {
      class: "track", role: "slider", tabIndex: 0, "aria-label": "Position", "aria-valuemin": "0",
      on: {
        pointerdown: (event) => this.#press(event), pointermove: (event) => this.#move(event),
        pointerup: (event) => this.#release(event), pointercancel: () => this.#leave(),
        pointerleave: () => this.#leave(), wheel: (event) => this.#wheel(event), keydown: (event) => this.#key(event),
      },
    }, this.#canvas, this.#band, this.#line, this.#head);
    this.element = element("div", { class: "timeline" }, this.#labels, this.#area, preview.element);
    this.#observer = new ResizeObserver(() => this.redraw());
    this.#observer.observe(this.#area);
    this.#scheme.addEventListener("change", this.redraw);
    addEventListener("themechange", this.redraw);
  }

  setData(data) {
    Object.assign(this.#data, data);
    this.redraw();
  }

  setScale(scale) {
    this.#scale = scale;
    this.#area.setAttribute("aria-valuemax", (scale.durationMs / 1000).toFixed(1));
    this.redraw();
  }

  setLoop(loop) {
    this.#loop = loop;
    this.#place();
  }

  setPosition(ms) {
    this.#position = ms;
    if (this.#zoom > 1) this.#follow();
    this.#place();
    const seconds = (ms / 1000).toFixed(1);
    if (this.#area.getAttribute("aria-valuenow") !== seconds) {
      this.#area.setAttribute("aria-valuenow", seconds);
      this.#area.setAttribute("aria-valuetext", `${spoken(ms)} of ${spoken(this.#scale.durationMs)}`);
    }
  }

  // Twice as close (+1) or half (-1), around the playhead.
  zoomBy(step) {
    this.#zoom = Math.min(MOST_ZOOM, Math.max(1, this.#zoom * 2 ** step));
    this.#center = this.#scale.toPlayed(this.#position);
    this.redraw();
  }

  redraw = () => {
    if (this.#isDrawn || this.#isClosed) return;
    this.#isDrawn = true;
    requestAnimationFrame(() => {
      this.#isDrawn = false;
      if (!this.#isClosed) this.#draw();
    });
  };

  close() {
    this.#isClosed = true;
    this.#observer.disconnect();
    this.#scheme.removeEventListener("change", this.redraw);
    removeEventListener("themechange", this.redraw);
  }

  // --- places ---------------------------------------------------------------

  get #window() {
    const all = Math.max(1, this.#scale.playedMs);
    const span = all / this.#zoom;
    const from = Math.min(Math.max(0, this.#center - span / 2), all - span);
    return { from, span };
  }

  #x(ms) {
    const { from, span } = this.#window;
    return ((this.#scale.toPlayed(ms) - from) / span) * this.#area.clientWidth;
  }

  #ms(x) {
    const { from, span } = this.#window;
    return this.#scale.toReal(Math.min(Math.max(0, from + (x / this.#area.clientWidth) * span), this.#scale.playedMs));
  }

  #follow() {
    const { from, span } = this.#window;
    const at = this.#scale.toPlayed(this.#position);
    if (at >= from && at <= from + span) return;
    this.#center = at;
    this.redraw();
  }

  #place() {
    const x = this.#x(this.#position);
    this.#head.style.transform = `translateX(${x}px)`;
    this.#head.hidden = x < -1 || x > this.#area.clientWidth + 1;
    this.#band.hidden = this.#loop === null;
    if (this.#loop) {
      const from = this.#x(this.#loop[0]);
      const to = this.#loop[1] === Infinity ? Math.max(x, from + 1) : this.#x(this.#loop[1]);
      this.#band.style.transform = `translateX(${from}px)`;
      this.#band.style.width = `${Math.max(1, to - from)}px`;
    }
  }

  #draw() {
    const [width, density] = [this.#area.clientWidth, globalThis.devicePixelRatio || 1];
    if (!width) return;
    const isSmall = width < SMALL_WIDTH;
    const tops = laneTops(this.#data, isSmall);
    this.#canvas.width = Math.round(width * density);
    this.#canvas.height = Math.round(tops.height * density);
    this.#canvas.style.height = `${tops.height}px`;
    const context = this.#canvas.getContext("2d");
    context.scale(density, density);
    drawTimeline(context, { ...this.#data, tops, width, x: (ms) => this.#x(ms), ms: (x) => this.#ms(x),
      seams: this.#scale.seams, spanMs: this.#window.span, color: colorsOf(this.element) });
    this.#labels.replaceChildren(...LANES.filter(({ name }) => tops[name]).map(({ name, label }) => {
      const made = element("span", {}, name === "vitals" ? this.#data.vitalLabel ?? "" : label);
      made.style.top = `${tops[name].top}px`;
      made.style.height = `${tops[name].height}px`;
      return made;
    }));
    this.#place();
  }

  // --- pointer and keys -------------------------------------------------------

  #at(event) {
    return this.#ms(event.clientX - this.#area.getBoundingClientRect().left);
  }

  #press(event) {
    if (event.button !== 0) return;
    this.#area.setPointerCapture(event.pointerId);
    const at = this.#at(event);
    this.#drag = { from: at, isLoop: event.shiftKey };
    if (!event.shiftKey) this.#act.seek(at);
  }

  #move(event) {
    const at = this.#at(event);
    if (this.#drag?.isLoop) this.#act.loop(Math.min(this.#drag.from, at), Math.max(this.#drag.from, at));
    else if (this.#drag) this.#act.seek(at);
    this.#hover(event, at);
  }

  #release(event) {
    if (this.#drag?.isLoop && Math.abs(this.#at(event) - this.#drag.from) < 1) this.#act.loop(null);
    this.#drag = null;
    if (event.pointerType !== "mouse") this.#leave();
  }

  #leave() {
    this.#line.hidden = true;
    this.#preview.hide();
  }

  #hover(event, at) {
    const x = event.clientX - this.#area.getBoundingClientRect().left;
    this.#line.hidden = false;
    this.#line.style.transform = `translateX(${x}px)`;
    const near = this.#data.items.filter((item) => Math.abs(this.#x(item.atMs) - x) <= HIT_PX);
    this.#preview.show(at, x + this.#area.offsetLeft, this.element.clientWidth, near);
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    this.#position = this.#at(event);
    this.zoomBy(event.deltaY + event.deltaX < 0 ? 1 : -1);
  }

  #key(event) {
    const step = KEY_STEPS[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.#act.seek(this.#position + step);
  }
}

// What hovers above the timeline: a small picture, the time and what happened there.
export class Preview {
  #canvas = element("canvas", { class: "display" });
  #image = element("img", { alt: "", hidden: true });
  #time = element("strong");
  #names = element("span", { class: "names" });
  #paint;
  #timer = null;

  // `paint(canvas, ms)` paints at once, or gives the address of a picture, or null when there is none.
  constructor(paint) {
    this.#paint = paint;
    this.element = element("div", { class: "preview", hidden: true, "aria-hidden": "true" },
      this.#canvas, this.#image, this.#time, this.#names);
  }

  show(ms, x, width, items) {
    this.element.hidden = false;
    setText(this.#time, duration(ms, 1));
    const names = items.slice(0, 3).map((item) => item.title);
    setText(this.#names, names.join(", ") + (items.length > 3 ? ` and ${items.length - 3} more` : ""));
    const half = this.element.offsetWidth / 2;
    this.element.style.left = `${Math.min(Math.max(half, x), Math.max(half, width - half))}px`;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#picture(ms), 40);
  }

  hide() {
    clearTimeout(this.#timer);
    this.element.hidden = true;
  }

  #picture(ms) {
    const address = this.#paint(this.#canvas, ms);
    this.#canvas.hidden = address !== undefined;
    this.#image.hidden = !address;
    if (address && this.#image.getAttribute("src") !== address) this.#image.src = address;
  }
}

function colorsOf(place) {
  const probe = element("span", { hidden: true });
  place.append(probe);
  const style = getComputedStyle(probe);
  const found = {};
  for (const name of ["ink", "paper", "soft", "line", "accent", "good", "warn", "bad", "touch", "idle", "log", "vital"]) {
    probe.style.color = `var(--${name})`;
    found[name] = style.color;
  }
  probe.remove();
  return found;
}
