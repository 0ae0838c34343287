// The first page: all devices, each with its live picture.

import { name } from "../core/model.js";
import { losses, plural, stateOf } from "../core/text.js";
import { element, setText, Terms } from "./dom.js";
import { Stage } from "./picture.js";

const PICTURE_HEIGHT = 256;

export class Wall {
  #model;
  #pictureOf;
  #cards = new Map();
  #list = element("ul", { class: "wall", "aria-label": "Devices" });
  #empty = element(
    "p",
    { class: "empty" },
    "No device has reported yet. A device appears here by itself as soon as it connects.",
  );

  constructor(model, pictureOf) {
    this.#model = model;
    this.#pictureOf = pictureOf;
    this.title = "";
    this.element = element("div", {}, element("h1", { class: "unseen" }, "Devices"), this.#empty, this.#list);
    this.update();
  }

  update() {
    const devices = this.#model.all();
    this.#empty.hidden = devices.length > 0;
    devices.forEach((device, place) => {
      if (!this.#cards.has(device.index)) this.#cards.set(device.index, new Card(device));
      const card = this.#cards.get(device.index);
      card.update(device, this.#pictureOf(device.index));
      if (this.#list.children[place] !== card.element) {
        this.#list.insertBefore(card.element, this.#list.children[place] ?? null);
      }
    });
  }

  close() {
    for (const card of this.#cards.values()) card.close();
  }
}

class Card {
  #stage = new Stage(() => PICTURE_HEIGHT);
  #name = element("a");
  #state = element("span", { class: "state" });
  #terms = new Terms("Board", "App", "Session");
  #rate = element("span");
  #losses = new Losses();

  constructor(device) {
    this.#name.href = `#/device/${encodeURIComponent(device.id)}`;
    this.element = element(
      "li",
      { class: "card" },
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
    this.#terms.set("Session", device.session_id);
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

// What was lost, only where something was; the rest needs no words.
export class Losses {
  #shown = "";

  constructor() {
    this.element = element("span", { class: "losses" });
  }

  update(device) {
    const found = losses(device).filter(([, count]) => count > 0);
    const shown = JSON.stringify(found);
    if (shown === this.#shown) return;
    this.#shown = shown;
    if (found.length === 0) {
      this.element.replaceChildren(element("span", {}, "nothing lost"));
      return;
    }
    this.element.replaceChildren(
      ...found.map(([label, count, why]) =>
        element("span", { title: why, data: { loss: label } }, plural(count, label, label)),
      ),
    );
  }
}
