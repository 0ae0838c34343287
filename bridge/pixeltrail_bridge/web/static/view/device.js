// One device: its picture as large as it fits, what streams in beside it, and a way back into the last minutes.

import { commandOf } from "../core/keys.js";
import { lastTouchMs, name } from "../core/model.js";
import { ago, dateTime, losses, plural, words } from "../core/text.js";
import { remoteSource } from "../drivers/source.js";
import { button, element, icon, setText, Terms } from "./dom.js";
import { Events } from "./events.js";
import { Stage } from "./picture.js";
import { Player } from "./player.js";
import { Stream } from "./stream.js";
import { Tabs } from "./tabs.js";
import { setState } from "./wall.js";

const ROWS = ["Device ID", "Board", "System", "App", "Library", "Display", "Session", "User", "Last touch", "Last seen"];
const COUNTS = ["Frames/s", "Frames", "Keyframes", "Mixed", "Gaps", "Skipped", "Refused", "Backlog", "Dead letters"];
const BACK_KEYS = new Set(["toggle", "by", "frame"]);

export class DevicePage {
  #id;
  #model;
  #pictureOf;
  #stage = new Stage(() => Math.max(160, innerHeight * 0.62));
  #heading;
  #state = element("span", { class: "state" });
  #facts = new Terms(...ROWS);
  #counts = new Terms(...COUNTS);
  #vitals = new Terms();
  #stream = new Stream();
  #events;
  #missing = element("p", { class: "empty" }, "No device with this ID has reported to this bridge.");
  #body;
  #pause;
  #live;
  #whole;
  #note = element("p", { class: "fault", role: "alert", hidden: true });
  #deck;
  #player = null;

  constructor(id, model, pictureOf, api) {
    this.#id = id;
    this.#model = model;
    this.#pictureOf = pictureOf;
    this.#events = new Events(id, api, (event) => this.#stream.event(event));
    this.title = id;
    this.#heading = element("h1", {}, id);
    this.#pause = withIcon("pause", button("Pause and look back", () => this.#stop()));
    this.#live = withIcon("live", button("Jump to live", () => this.#resume(), { class: "button primary", hidden: true }));
    this.#whole = element("a", { class: "button", href: "#", hidden: true }, "Open the whole session");
    this.#deck = element("div", { class: "live-deck" }, this.#pause, this.#live, this.#whole, this.#note);
    this.#body = element(
      "div",
      { class: "device", hidden: true },
      element("section", { class: "show", "aria-label": "Picture" }, this.#stage.element, this.#deck, this.#counts.element),
      element("section", { class: "panel", "aria-label": "Beside the picture" }, new Tabs([
        ["Now", this.#stream.element],
        ["Events", this.#events.element],
        ["Vitals", element("div", { class: "pad" }, this.#vitals.element)],
        ["Device", element("div", { class: "pad" }, this.#facts.element)],
      ]).element),
    );
    this.element = element(
      "div",
      {},
      element("div", { class: "head title" }, element("div", {},
        element("nav", { class: "path", "aria-label": "Path" }, element("a", { href: "/#/" }, "Devices")), this.#heading), this.#state),
      this.#missing,
      this.#body,
    );
    document.addEventListener("keydown", this.#onKey);
    this.update();
  }

  get player() {
    return this.#player;
  }

  update() {
    const device = this.#model.byId(this.#id);
    this.#missing.hidden = device !== null;
    this.#body.hidden = device === null;
    if (device === null) return setText(this.#state, "");
    const picture = this.#pictureOf(this.#id);
    this.#stage.hold(picture);
    picture.setLabel(`Live picture of ${name(device)}`);
    setText(this.#heading, name(device));
    setState(this.#state, device);
    const isRecorded = Boolean(device.session_id);
    this.#pause.disabled = !isRecorded;
    this.#pause.title = isRecorded ? "" : "Nothing is being recorded";
    this.#whole.hidden = !isRecorded;
    this.#whole.href = `/sessions/${encodeURIComponent(this.#id)}/${device.session_id}`;
    this.#setTerms(device);
  }

  shown(id) {
    if (id === this.#id && this.#body.hidden) this.update();
  }

  told(id, message) {
    if (id === this.#id) this.#stream.told(message);
  }

  committed(id) {
    if (id === this.#id) this.#events.refresh();
  }

  close() {
    document.removeEventListener("keydown", this.#onKey);
    this.#player?.close();
    this.#stage.close();
    this.#events.close();
  }

  // The player over the session so far takes the live picture's place, and stands at its end.
  async #stop(command = null) {
    const device = this.#model.byId(this.#id);
    if (this.#player || !device?.session_id) return;
    const player = new Player(remoteSource("", this.#id, device.session_id), { hasPanel: false });
    this.#player = globalThis.pixeltrail.player = player;
    this.#pause.hidden = true;
    this.#live.hidden = false;
    this.#note.hidden = true;
    this.#live.focus();
    try {
      await player.openAtEnd();
      if (this.#player !== player) return;
      this.#stage.element.replaceWith(player.element);
      if (command && command[0] !== "toggle") player.do(...command);
    } catch (error) {
      this.#resume();
      setText(this.#note, error.message);
      this.#note.hidden = false;
    }
  }

  #resume() {
    const player = this.#player;
    if (!player) return;
    this.#player = globalThis.pixeltrail.player = null;
    player.close();
    if (player.element.isConnected) player.element.replaceWith(this.#stage.element);
    this.#pause.hidden = false;
    this.#live.hidden = true;
    this.#pause.focus();
  }

  #onKey = (event) => {
    if (event.defaultPrevented) return;
    if (event.key === "Escape" && this.#player && !document.fullscreenElement) this.#resume();
    if (event.target.closest?.("input, select, button, a, summary, [role=tab]")) return;
    const command = commandOf(event);
    if (this.#player || !command || !BACK_KEYS.has(command[0])) return;
    event.preventDefault();
    this.#stop(command);
  };

  #setTerms(device) {
    const size = device.width ? `${device.width} × ${device.height}` : "";
    const facts = this.#facts;
    facts.set("Device ID", device.id);
    facts.set("Board", device.board);
    facts.set("System", device.os);
    facts.set("App", [device.app, device.app_version].filter(Boolean).join(" "));
    facts.set("Library", device.library);
    facts.set("Display", [size, device.format].filter(Boolean).join(", "));
    facts.set("Session", device.session_id ? String(device.session_id) : "");
    facts.set("User", device.user_id);
    facts.set("Last touch", lastTouchMs(device) ? ago(lastTouchMs(device), Date.now()) : "");
    facts.set("Last seen", device.last_seen_ms ? dateTime(device.last_seen_ms) : "");
    const counts = this.#counts;
    counts.set("Frames/s", (device.fps ?? 0).toFixed(1));
    counts.set("Frames", (device.frames ?? 0).toLocaleString());
    counts.set("Keyframes", (device.keyframes ?? 0).toLocaleString());
    counts.set("Backlog", device.backlog === undefined ? "" : plural(device.backlog, "event"));
    for (const [label, count] of losses(device)) {
      counts.set(label[0].toUpperCase() + label.slice(1), count.toLocaleString());
    }
    for (const [label, value] of Object.entries(device.vitals ?? {})) {
      this.#vitals.set(words(label), typeof value === "number" ? value.toLocaleString() : String(value));
    }
  }
}

function withIcon(drawing, made) {
  made.prepend(icon(drawing));
  return made;
}
