// Beside the picture: what happened, the vitals of the moment, and what session this is.

import { vitalNames, vitalsAt } from "../core/marks.js";
import { dateTime, duration, words } from "../core/text.js";
import { element, setText, Terms } from "./dom.js";
import { Inspector } from "./inspector.js";
import { EventList } from "./list.js";
import { Tabs } from "./tabs.js";

export class Panel {
  #player;
  #list;
  #inspector;
  #vitals = new Vitals((name) => this.#player.showVital(name));
  #about = new Terms();
  #note = element("p", { class: "fault pad", role: "alert", hidden: true });
  #tabs;

  constructor(player) {
    this.#player = player;
    this.#inspector = new Inspector({
      event: (id) => player.source.event(id),
      paint: (canvas, ms) => player.paintOn(canvas, ms),
      close: () => this.#list.setOpen(null),
      retry: player.options.retry,
    });
    this.#list = new EventList({
      pick: (item) => this.#open(item),
      filtered: (items) => player.timeline && player.filtered(items),
    });
    this.#tabs = new Tabs([
      ["What happened", element("div", { class: "split" }, this.#note, this.#list.element, this.#inspector.element)],
      ["Vitals", this.#vitals.element],
      ["Session", element("div", { class: "pad" }, this.#about.element)],
    ]);
    this.element = element("section", { class: "panel", "aria-label": "Beside the picture" }, this.#tabs.element);
  }

  setItems(items) {
    this.#list.setItems(items);
    this.#vitals.setNames(vitalNames(this.#player.timeline.vitals), this.#player.vital);
    this.#describe();
  }

  setPosition(ms) {
    this.#list.setPosition(ms);
    if (this.#player.timeline) this.#vitals.set(vitalsAt(this.#player.timeline.vitals, ms));
  }

  say(text) {
    setText(this.#note, text);
    this.#note.hidden = !text;
  }

  close() {
    this.#list.close();
  }

  #open(item) {
    this.#player.pick(item);
    this.#list.setOpen(item.id);
    this.#inspector.open(item, this.#player.session.start_ms);
  }

  #describe() {
    const { session, timeline } = this.#player;
    const device = session.device ?? {};
    const { width, height, format } = session.display ?? {};
    const rows = {
      Device: device.name ? `${device.name} (${session.device_id})` : session.device_id,
      Session: String(session.session_id),
      User: session.user_id,
      Began: session.start_ms ? dateTime(session.start_ms) : "",
      Length: `${duration(timeline.duration_ms)}${session.is_open ? ", still going on" : ""}`,
      Board: device.board,
      App: [device.app, device.app_version].filter(Boolean).join(" "),
      System: device.os,
      Library: device.library,
      Display: [width && `${width} × ${height}`, format].filter(Boolean).join(", "),
      Frames: (session.frames ?? timeline.frames.length).toLocaleString(),
      Keyframes: timeline.keyframes.length.toLocaleString(),
      "Mixed frames": timeline.frames.filter(([, flags]) => flags & 2).length.toLocaleString(),
      Gaps: timeline.gaps.length.toLocaleString(),
    };
    for (const [name, text] of Object.entries(rows)) this.#about.set(name, text);
  }
}

// The vitals as they were at the moment shown; a press on one draws it in the timeline.
class Vitals {
  #rows = new Map();
  #list = element("ul", { class: "vitals" });
  #empty = element("p", { class: "quiet pad" }, "The device told nothing of its own state.");
  #pick;

  constructor(pick) {
    this.#pick = pick;
    this.element = element("div", {}, this.#empty, this.#list);
  }

  setNames(names, chosen) {
    this.#empty.hidden = names.length > 0;
    for (const name of names) {
      if (this.#rows.has(name)) continue;
      const value = element("strong", {}, "–");
      const choose = element("button", { type: "button", "aria-pressed": String(name === chosen), title: "Draw it in the timeline",
        on: { click: () => this.#choose(name) } }, element("span", {}, words(name)), value);
      this.#rows.set(name, { value, choose });
      this.#list.append(element("li", {}, choose));
    }
  }

  set(values) {
    for (const [name, { value }] of this.#rows) {
      const now = values[name];
      setText(value, typeof now === "number" ? now.toLocaleString() : now ?? "–");
    }
  }

  #choose(name) {
    for (const [other, { choose }] of this.#rows) choose.setAttribute("aria-pressed", String(other === name));
    this.#pick(name);
  }
}
