// What comes in from a device just now, newest first: events, touches, keys, logs and changes of its vitals.

import { time, words } from "../core/text.js";
import { element } from "./dom.js";

const MOST_ROWS = 200;
const VITALS_MS = 10_000; // between two rows of vitals: they change all the time
const PHASES = ["down", "move", "up"];
const DRAG_PX = 6;
const LEVELS = ["", "error", "warning", "", "debug"];
const NOTES = { masks: "Masks changed", opt_out: "Opted out", gap: "Gap" };

export class Stream {
  #list = element("ol", { class: "stream", role: "log", "aria-live": "off", "aria-label": "What comes in" });
  #empty = element("p", { class: "quiet pad" }, "Waiting for touches, keys, events and logs.");
  #touch = null;
  #vitals = {};
  #vitalsAt = 0;

  constructor() {
    this.element = element("div", {}, this.#empty, this.#list);
  }

  // A notice of the live socket: a touch, key, log, vitals or something else beside the picture.
  told(message) {
    const { type, index, at_ms: at = Date.now(), ...values } = message;
    if (type === "touch") this.#touched(values, at);
    else if (type === "key") this.#add(at, "key", "inputs", `Key ${values.name}`, values.state ?? "");
    else if (type === "log") this.#add(at, "log", "logs", String(values.text), LEVELS[values.level] ?? String(values.level ?? ""));
    else if (type === "vitals") this.#vital(values, at);
    else this.#add(at, type, "notes", NOTES[type] ?? words(type), values.reason ?? "");
  }

  event({ time_ms: at, type, event }) {
    this.#add(at, type, type === "screen" ? "screens" : "events", event || type, type);
  }

  // What changed since the vitals before; not every time, they come all the time.
  #vital(values, at) {
    if (at - this.#vitalsAt < VITALS_MS) return;
    const changed = Object.entries(values).filter(([key, value]) => this.#vitals[key] !== value);
    this.#vitals = values;
    this.#vitalsAt = at;
    const text = changed.slice(0, 3).map(([key, value]) => `${words(key)} ${value.toLocaleString()}`).join(", ");
    if (text) this.#add(at, "vitals", "vitals", text, changed.length > 3 ? `and ${changed.length - 3} more` : "");
  }

  #touched({ x, y, phase }, at) {
    const word = PHASES[phase] ?? phase;
    if (word === "down" || this.#touch === null) this.#touch = { from: [x, y], to: [x, y], at };
    this.#touch.to = [x ?? this.#touch.to[0], y ?? this.#touch.to[1]];
    if (word !== "up") return;
    const { from, to } = this.#touch;
    this.#touch = null;
    if (from[0] === null) this.#add(at, "touch", "inputs", "Touch", "in a masked area");
    else if (Math.hypot(to[0] - from[0], to[1] - from[1]) > DRAG_PX) this.#add(at, "touch", "inputs", "Drag", `${from.join(", ")} → ${to.join(", ")}`);
    else this.#add(at, "touch", "inputs", "Tap", from.join(", "));
  }

  #add(at, kind, group, title, detail) {
    this.#empty.hidden = true;
    const row = element("li", { class: "row", data: { group, kind } },
      element("time", { class: "when", datetime: new Date(at).toISOString() }, time(at)),
      element("span", { class: "sign", "aria-hidden": "true" }),
      element("span", { class: "name" }, title), element("span", { class: "more" }, detail));
    row.dataset.at = at;
    const next = [...this.#list.children].find((other) => Number(other.dataset.at) <= at);
    this.#list.insertBefore(row, next ?? null);
    if (this.#list.childElementCount > MOST_ROWS) this.#list.lastElementChild.remove();
  }
}
