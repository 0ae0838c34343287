// Puts the parts together: socket to model, model to views, address to page.

import { parseUpdate } from "./core/feed.js";
import { Model } from "./core/model.js";
import { summarize } from "./core/text.js";
import * as api from "./drivers/api.js";
import { connect } from "./drivers/socket.js";
import { DevicePage } from "./view/device.js";
import { Picture } from "./view/picture.js";
import { Wall } from "./view/wall.js";

const model = new Model();
const pictures = new Map(); // device index -> Picture; one canvas for each device, wherever it hangs
const page = document.getElementById("page");
const summary = document.getElementById("summary");
const link = document.getElementById("link");
let view = null;
let wasConnected = false;

function pictureOf(index) {
  if (!pictures.has(index)) pictures.set(index, new Picture());
  return pictures.get(index);
}

function route() {
  const [, place, id] = location.hash.split("/");
  view?.close();
  view = place === "device" ? new DevicePage(decodeURIComponent(id ?? ""), model, pictureOf, api)
    : new Wall(model, pictureOf);
  page.replaceChildren(view.element);
  document.title = view.title ? `${view.title} – Pixeltrail` : "Pixeltrail";
  if (place !== undefined) page.focus({ preventScroll: true });
}

const handlers = {
  open() {
    if (wasConnected) {
      // Perhaps another bridge: indexes mean nothing any more.
      model.clear();
      pictures.clear();
      route();
    }
    wasConnected = true;
  },
  status(text) {
    link.textContent = text;
    link.dataset.state = text;
  },
  pixels(buffer) {
    const update = parseUpdate(buffer);
    pictureOf(update.index).paint(update);
    model.shown(update);
  },
  devices(message) {
    model.setDevices(message.devices);
    summary.textContent = summarize(model.all());
    view?.update();
  },
  touch(message) {
    pictureOf(message.index).ripple(message);
  },
  committed(message) {
    view?.committed?.(message.index);
  },
};

addEventListener("hashchange", () => {
  route();
  scrollTo(0, 0);
});
route();
connect(handlers);

// For tests: the pixels of a device as its canvas holds them, {width, height, data}, or null.
globalThis.pixeltrail = {
  pixels(id) {
    const device = model.byId(id);
    return device && pictures.has(device.index) ? pictures.get(device.index).pixels() : null;
  },
};
