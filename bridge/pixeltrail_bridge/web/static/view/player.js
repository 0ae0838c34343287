// The player: a picture, a timeline, buttons and the list of what happened. It knows no network: all it shows comes
// from its source, see drivers/source.js for what that must offer.

import { Clock } from "../core/clock.js";
import { Film } from "../core/film.js";
import { commandOf } from "../core/keys.js";
import { buildItems, neighbour, touchesAt, vitalNames } from "../core/marks.js";
import { Scale } from "../core/scale.js";
import { Controls } from "./controls.js";
import { element } from "./dom.js";
import { Glass } from "./glass.js";
import { Panel } from "./panel.js";
import { paintAlone } from "./picture.js";
import { Preview, Timeline } from "./timeline.js";

const LONGEST_TICK_MS = 250; // a page that slept goes on from where it was
const REFRESH_MS = 4_000; // of a session that is still going on
const PREVIEW_PX = 160;
const NARROW_PX = 640; // below, the picture takes the room it needs; above, the stage has a height of its own
const EDITABLE = "input:not([type=checkbox]), textarea, select, [contenteditable]";

function pictureHeight(inner) {
  return innerWidth > NARROW_PX || document.fullscreenElement ? inner : Math.max(190, innerHeight * 0.5);
}

export class Player {
  #film;
  #glass;
  #line;
  #controls;
  #panel;
  #show;
  #painted = null;
  #showing = null;
  #items = [];
  #touches = [];
  #filtered = [];
  #events = [];
  #lastTick = null;
  #isClosed = false;
  #refresher = null;
  #pending = 0; // a seek before the session is known

  // Options: skipsIdle, hasPanel, moved(ms, isPlaying), copy(ms), help(), retry(id, sink).
  constructor(source, options = {}) {
    this.source = source;
    this.options = { hasPanel: true, skipsIdle: false, ...options };
    this.clock = new Clock();
    this.clock.skipsIdle = this.options.skipsIdle;
    this.session = null;
    this.timeline = null;
    this.#film = new Film((from, to) => source.pixels(from, to));
    this.#glass = new Glass(pictureHeight);
    this.#line = new Timeline(
      { seek: (ms) => this.seek(ms), loop: (from, to) => this.#setLoop(from, to) },
      new Preview((canvas, ms) => this.#preview(canvas, ms)),
    );
    this.#controls = new Controls((...command) => this.do(...command), { copy: options.copy, help: options.help });
    this.#panel = this.options.hasPanel ? new Panel(this) : null;
    this.#show = element("section", { class: "show", "aria-label": "Recording" },
      this.#glass.element, element("div", { class: "deck" }, this.#line.element, this.#controls.element));
    this.element = element("div", { class: this.#panel ? "player" : "player alone" }, this.#show, this.#panel?.element);
    document.addEventListener("keydown", this.#onKey);
  }

  // --- life -------------------------------------------------------------------

  // Shows the picture at a moment as soon as it is here, the rest as it comes. Without a moment, it begins at the first
  // picture there is.
  async open(atMs = null) {
    this.#pending = atMs ?? 0;
    this.#glass.setBusy(true);
    const first = atMs === null || atMs === Infinity ? null : this.#film.still(atMs).then((pictures) => {
      if (this.timeline === null) this.#glass.paint(pictures);
    }, () => {}); // told below, with the words of the session's own answer
    try {
      const [session, timeline] = await Promise.all([this.source.session(), this.source.timeline()]);
      this.session = session;
      await first;
      this.#take(timeline);
      this.clock.seek(this.#pending || (timeline.frames[0]?.[0] ?? 0));
      await this.#picture();
      this.#update();
      if (timeline.frames.length === 0) this.#glass.note("No pictures were recorded of this session.");
    } catch (error) {
      this.#glass.setBusy(false);
      this.#glass.note(error.message);
      throw error;
    }
    await this.#loadEvents();
    if (this.session.is_open) this.#refresher = setInterval(() => document.hidden || this.#refresh(), REFRESH_MS);
  }

  // The same at the newest moment, for a session that is still going on.
  openAtEnd() {
    return this.open(Infinity);
  }

  close() {
    this.#isClosed = true;
    clearInterval(this.#refresher);
    document.removeEventListener("keydown", this.#onKey);
    this.#line.close();
    this.#glass.close();
    this.#panel?.close();
  }

  #take(timeline) {
    this.timeline = timeline;
    const { width = 320, height = 240 } = this.session.display ?? {};
    this.#film.plan(timeline.frames, { width, height, durationMs: timeline.duration_ms, isThinned: Boolean(timeline.thinned) });
    this.#painted = null;
    this.clock.durationMs = timeline.duration_ms;
    this.clock.setIdle(timeline.idle);
    this.vital ??= vitalNames(timeline.vitals)[0] ?? null;
    this.#collect();
    this.#rescale();
  }

  #collect() {
    this.#items = buildItems(this.timeline, this.#events);
    this.#touches = this.#items.filter((item) => item.kind === "touch");
    this.#filtered = this.#items;
    this.#panel?.setItems(this.#items);
    this.#drawLine();
  }

  async #loadEvents() {
    try {
      const events = await this.source.events();
      if (this.#isClosed) return;
      const isNew = events.length !== this.#events.length;
      this.#events = events;
      if (isNew) this.#collect();
      this.#update();
    } catch (error) {
      this.#panel?.say(error.message);
    }
  }

  async #refresh() {
    try {
      const timeline = await this.source.timeline();
      if (this.#isClosed) return;
      const hasGrown = timeline.duration_ms !== this.timeline.duration_ms || timeline.frames.length !== this.timeline.frames.length;
      if (hasGrown) this.#take(timeline);
      await this.#loadEvents();
    } catch {
      // The next time may do: what is here stays.
    }
  }

  // --- commands ---------------------------------------------------------------

  // Goes to a moment; done when the canvas shows it.
  async seek(ms) {
    this.#pending = ms;
    if (this.timeline === null) return;
    this.clock.seek(ms);
    this.#lastTick = null;
    this.#update();
    await this.#picture();
    this.#update();
    this.options.moved?.(this.clock.position, this.clock.isPlaying);
  }

  do(command, argument) {
    const { clock } = this;
    if (this.timeline === null && command !== "help") return;
    switch (command) {
      case "toggle": return clock.isPlaying ? this.pause() : this.play();
      case "by": return this.seek(clock.position + argument);
      case "share": return this.seek(this.#scale().fromShare(argument));
      case "frame": return this.#step(argument);
      case "marker": return this.#toMarker(argument);
      case "speed": clock.shift(argument); break;
      case "setSpeed": clock.setSpeed(argument); break;
      case "idle": clock.skipsIdle = !clock.skipsIdle; this.#rescale(); break;
      case "loop": clock.mark(); break;
      case "zoom": this.#line.zoomBy(argument); break;
      case "fullscreen": return this.#fullscreen();
      case "copy": return this.options.copy?.(clock.position);
      case "help": return this.options.help?.();
    }
    this.#update();
  }

  play() {
    if (this.timeline === null || this.clock.isPlaying) return;
    this.clock.play();
    this.#run();
  }

  pause() {
    this.clock.pause();
    this.#update();
    this.options.moved?.(this.clock.position, false);
  }

  // What the list shows is what `[` and `]` go through, and what the timeline marks.
  filtered(items) {
    this.#filtered = items;
    this.#drawLine();
  }

  pick(item) {
    this.pause();
    this.seek(item.atMs);
  }

  showVital(name) {
    this.vital = name;
    this.#drawLine();
  }

  // Paints the picture of a moment on another canvas; false when none was shown then.
  async paintOn(canvas, ms) {
    await this.#film.load(ms);
    const { pictures } = this.#film.steps(ms, null);
    paintAlone(canvas, pictures);
    return pictures.length > 0;
  }

  // For tests: what the canvas holds, as ImageData.
  pixels() {
    return this.#glass.picture.read();
  }

  // --- inside -----------------------------------------------------------------

  #scale() {
    return new Scale(this.clock.durationMs, this.clock.cuts);
  }

  #rescale() {
    this.#line.setScale(this.#scale());
  }

  #drawLine() {
    const { frames, keyframes, gaps, idle, vitals } = this.timeline;
    this.#line.setData({ frames, keyframes, gaps, idle, vitals, vital: this.vital, items: this.#filtered,
      vitalLabel: this.vital?.replaceAll("_", " ") });
  }

  #setLoop(from, to) {
    this.clock.loop = from === null ? null : [from, to];
    this.#update();
  }

  async #step(direction) {
    this.pause();
    const at = await this.#film.step(Math.floor(this.clock.position), direction);
    if (at !== null) await this.seek(at);
  }

  #toMarker(step) {
    const item = neighbour(this.#filtered, this.clock.position, step);
    return item ? this.seek(item.atMs) : undefined;
  }

  #fullscreen() {
    return document.fullscreenElement ? document.exitFullscreen() : this.#show.requestFullscreen?.();
  }

  // Brings the canvas to the clock's position. One question is on the way at a time: while someone drags along the
  // timeline, what they have passed already is not asked for.
  #picture() {
    if (this.#film.has(this.clock.position)) {
      this.#paint(this.clock.position);
      return Promise.resolve();
    }
    this.#showing ??= this.#fetch().finally(() => { this.#showing = null; });
    return this.#showing;
  }

  async #fetch() {
    const slow = setTimeout(() => this.#glass.setBusy(true), 200);
    try {
      for (let ms = null; ms !== this.clock.position && !this.#isClosed;) {
        ms = this.clock.position;
        if (this.#film.has(ms)) {
          this.#paint(ms);
          continue;
        }
        const pictures = await this.#film.still(ms);
        if (ms !== this.clock.position && this.#film.has(this.clock.position)) continue; // it shows something newer
        this.#painted = null;
        this.#put(pictures);
      }
      this.#film.load(this.clock.position).then(() => this.#film.loadAfter(this.clock.position), () => {});
      this.#glass.note("");
    } catch (error) {
      this.#glass.note(error.message);
    } finally {
      clearTimeout(slow);
      this.#glass.setBusy(false);
    }
  }

  #paint(ms) {
    const { pictures, painted } = this.#film.steps(ms, this.#painted);
    if (painted === null || this.#painted === null || painted.index !== this.#painted.index || painted.reel !== this.#painted.reel) {
      if (painted === null || pictures.length) this.#put(pictures);
    }
    this.#painted = painted;
    this.#glass.setBusy(false);
  }

  #put(pictures) {
    if (pictures.length) this.#glass.paint(pictures);
    else this.#glass.blank();
    this.isMixed = pictures.at(-1)?.isMixed ?? false;
  }

  #run() {
    this.#lastTick = null;
    this.#update();
    requestAnimationFrame(this.#tick);
  }

  #tick = (now) => {
    if (!this.clock.isPlaying || this.#isClosed) return;
    const elapsed = this.#lastTick === null ? 0 : Math.min(now - this.#lastTick, LONGEST_TICK_MS);
    this.#lastTick = now;
    const target = this.clock.after(elapsed);
    if (this.#film.has(target)) {
      this.clock.goTo(target);
      this.#paint(target);
      this.#film.loadAfter(target);
      this.#update();
      if (!this.clock.isPlaying) this.options.moved?.(target, false);
    } else {
      this.#glass.setBusy(true);
      this.#film.load(target).catch((error) => {
        this.#glass.note(error.message);
        this.pause();
      });
    }
    requestAnimationFrame(this.#tick);
  };

  #update() {
    const { position, durationMs, isPlaying, speed, skipsIdle, loop } = this.clock;
    const idleMs = this.timeline ? durationMs - new Scale(durationMs, this.clock.idleCuts).playedMs : 0;
    this.#controls.update({ position, durationMs, isPlaying, speed, skipsIdle, loop, savedMs: idleMs });
    this.#line.setPosition(position);
    this.#line.setLoop(loop);
    this.#glass.touches(touchesAt(this.#touches, position));
    this.#glass.describe(position, this.isMixed);
    this.#panel?.setPosition(position);
  }

  #preview(canvas, ms) {
    if (this.#film.has(ms)) {
      paintAlone(canvas, this.#film.steps(ms, null).pictures);
      return undefined;
    }
    const address = this.source.frame(ms, PREVIEW_PX);
    if (address === null) this.paintOn(canvas, ms).catch(() => {});
    return address ?? undefined;
  }

  #onKey = (event) => {
    if (event.defaultPrevented || event.target.closest?.(EDITABLE) || document.querySelector("dialog[open]")) return;
    const command = commandOf(event);
    if (command === null) return;
    if (event.key === " " && event.target.closest?.("button, a, summary, [role=tab]")) return;
    event.preventDefault();
    this.do(...command);
  };
}
