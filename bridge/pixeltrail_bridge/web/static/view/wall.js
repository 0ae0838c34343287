// The first page: all devices, each with its live picture.

import { lastTouchMs, name } from "../core/model.js";
import { ago, losses, plural, stateOf, summarize } from "../core/text.js";
import { element, setText, Terms } from "./dom.js";
import { Stage } from "./picture.js";

const PICTURE_HEIGHT = 256;
const CLOCK_MS = 5_000; // "2 min ago" goes on by itself

export class Wall {
  #model;
  #pictureOf;
  #cards = new Map();
  #list = element("ul", { class: "wall", "aria-label": "Devices" });
  #summary = element("p", { class: "quiet", role: "status" });
  #timer;
  #empty = element(
    "p",
    { class: "empty" },
    "No device has reported yet. A device appears here by itself as soon as it connects.",
  );

  constructor(model, pictureOf) {
    this.#model = model;
    this.#pictureOf = pictureOf;
    this.title = "";
    this.element = element("div", {}, element("div", { class: "head title" }, element("h1", {}, "Devices"), this.#summary), this.#empty, this.#list);
    this.#timer = setInterval(() => this.update(), CLOCK_MS);
    this.update();
  }

  update() {
    const devices = this.#model.all();
    for (const [id, card] of this.#cards) {
      if (this.#model.byId(id)) continue;
      card.close();
      card.element.remove();
      this.#cards.delete(id);
    }
    this.#empty.hidden = devices.length > 0;
    setText(this.#summary, summarize(devices));
    devices.forEach((device, place) => {
      if (!this.#cards.has(device.id)) this.#cards.set(device.id, new Card(device));
      const card = this.#cards.get(device.id);
      card.update(device, this.#pictureOf(device.id));
      if (this.#list.children[place] !== card.element) {
        this.#list.insertBefore(card.element, this.#list.children[place] ?? null);
      }
    });
  }

  shown(id) {
    if (!this.#cards.has(id)) this.update();
  }

  close() {
    clearInterval(this.#timer);
    for (const card of this.#cards.values()) card.close();
  }
}

class Card {
  #stage = new Stage(() => PICTURE_HEIGHT);
  #name = element("a");
  #state = element("span", { class: "state" });
  #terms = new Terms("Board", "App", "Last touch");
  #rate = element("span");
  #losses = new Losses();

  constructor(device) {
    this.#name.href = `/#/device/${encodeURIComponent(device.id)}`;
    this.element = element(
      "li",
      { class: "card device-card" },
      this.#stage.element,
      element("div", { class: "head" }, element("h2", {}, this.#name), this.#state),
      this.#terms.element,
      element("p", { class: "counts" }, this.#rate, this.#losses.element),
    );
  }

  update(device, picture) {
    this.#stage.hold(picture);
    picture.setLabel(`Live picture of ${name(device)}`);
    setText(this.#name, name(device));
    setState(this.#state, device);
    this.#terms.set("Board", device.board);
    this.#terms.set("App", [device.app, device.app_version].filter(Boolean).join(" "));
    const touchMs = lastTouchMs(device);
    this.#terms.set("Last touch", touchMs ? ago(touchMs, Date.now()) : "none yet");
    setText(this.#rate, `${(device.fps ?? 0).toFixed(1)} frames/s`);
    this.#losses.update(device);
  }

  close() {
    this.#stage.close();
  }
}

export function setState(target, device) {
  const state = stateOf(device);
  setText(target, state);
  target.dataset.state = state;
}

// What was lost and what waits, only where there is something; the rest needs no words.
class Losses {
  #shown = "";

  constructor() {
    this.element = element("span", { class: "losses" });
  }

  update(device) {
    const found = losses(device).filter(([, count]) => count > 0).map(([label, count, why]) => [plural(count, label, label), label, why]);
    if (device.backlog > 0) found.push([`${plural(device.backlog, "event")} waiting`, "backlog", "Events that no sink has taken yet"]);
    const shown = JSON.stringify(found);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.element.replaceChildren(...(found.length ? found : [["nothing lost", "", ""]])
      .map(([text, label, why]) => element("span", { title: why, data: { loss: label } }, text)));
  }
}
