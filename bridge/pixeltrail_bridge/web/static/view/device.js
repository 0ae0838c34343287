// One device: its picture as large as it fits, its state, and the events that went out.

import { name } from "../core/model.js";
import { dateTime, losses } from "../core/text.js";
import { element, Terms } from "./dom.js";
import { Events } from "./events.js";
import { Stage } from "./picture.js";
import { setState } from "./wall.js";

const ROWS = ["Device ID", "Board", "System", "App", "Library", "Display", "Session", "User", "Last seen"];
const COUNTS = ["Frames/s", "Frames", "Keyframes", "Mixed", "Gaps", "Skipped", "Refused", "Dead letters"];

export class DevicePage {
  #id;
  #model;
  #pictureOf;
  #stage = new Stage(() => Math.max(160, innerHeight * 0.62));
  #state = element("span", { class: "state" });
  #facts = new Terms(...ROWS);
  #counts = new Terms(...COUNTS);
  #events;
  #missing = element("p", { class: "empty" }, "No device with this ID has reported to this bridge.");
  #body;

  constructor(id, model, pictureOf, api) {
    this.#id = id;
    this.#model = model;
    this.#pictureOf = pictureOf;
    this.#events = new Events(id, api);
    this.title = id;
    this.#body = element(
      "div",
      { class: "device", hidden: true },
      element("section", { class: "show", "aria-label": "Live picture" }, this.#stage.element,
        this.#counts.element, this.#facts.element),
      this.#events.element,
    );
    this.element = element(
      "div",
      {},
      element("nav", { class: "path", "aria-label": "Path" }, element("a", { href: "#/" }, "All devices")),
      element("div", { class: "head" }, element("h1", {}, id), this.#state),
      this.#missing,
      this.#body,
    );
    this.update();
  }

  update() {
    const device = this.#model.byId(this.#id);
    this.#missing.hidden = device !== null;
    this.#body.hidden = device === null;
    if (device === null) return;
    const picture = this.#pictureOf(device.index);
    this.#stage.hold(picture);
    picture.setLabel(`Live picture of ${name(device)}`);
    setState(this.#state, device);
    this.#setTerms(device);
  }

  committed(index) {
    if (this.#model.byId(this.#id)?.index === index) this.#events.refresh();
  }

  close() {
    this.#stage.close();
    this.#events.close();
  }

  #setTerms(device) {
    const size = device.width ? `${device.width} × ${device.height}` : "";
    this.#facts.set("Device ID", device.id);
    this.#facts.set("Board", device.board);
    this.#facts.set("System", device.os);
    this.#facts.set("App", [device.app, device.app_version].filter(Boolean).join(" "));
    this.#facts.set("Library", device.library);
    this.#facts.set("Display", [size, device.format].filter(Boolean).join(", "));
    this.#facts.set("Session", device.session_id);
    this.#facts.set("User", device.user_id);
    this.#facts.set("Last seen", device.last_seen_ms ? dateTime(device.last_seen_ms) : "");
    this.#counts.set("Frames/s", (device.fps ?? 0).toFixed(1));
    this.#counts.set("Frames", String(device.frames ?? 0));
    this.#counts.set("Keyframes", String(device.keyframes ?? 0));
    for (const [label, count] of losses(device)) {
      this.#counts.set(label[0].toUpperCase() + label.slice(1), String(count));
    }
  }
}
