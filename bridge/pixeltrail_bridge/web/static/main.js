// Puts the parts together: socket to model, model to views, address to page.

import { parseUpdate } from "./core/feed.js";
import { Model } from "./core/model.js";
import * as api from "./drivers/api.js";
import { Socket } from "./drivers/socket.js";
import { element, iconButton } from "./view/dom.js";
import { Picture } from "./view/picture.js";
import { startTheme, turnTheme } from "./view/theme.js";
import { Wall } from "./view/wall.js";

const model = new Model();
const pictures = new Map(); // device ID -> Picture; one canvas for each device, wherever it hangs
const page = document.getElementById("page");
const link = document.getElementById("link");
const places = [...document.querySelectorAll("#places a")];
let view = null;
let turn = 0;
let hasLogin = false;

function pictureOf(id) {
  if (!pictures.has(id)) pictures.set(id, new Picture());
  return pictures.get(id);
}

const socket = new Socket({
  open() {
    model.clear(); // perhaps another bridge: indexes mean nothing any more
  },
  closed() {
    if (hasLogin) api.me({ again: true }).catch(() => {}); // one that has ended leads to the login page
  },
  status(text) {
    link.textContent = text;
    link.dataset.state = text;
  },
  pixels(buffer) {
    const update = parseUpdate(buffer);
    const id = model.idOf(update.index);
    if (id === null) return;
    pictureOf(id).paint(update);
    model.shown(update);
    view?.shown?.(id, update);
  },
  devices(message) {
    for (const id of model.setDevices(message.devices)) pictures.get(id)?.clear();
    view?.update();
  },
  touch(message) {
    const id = model.idOf(message.index);
    model.touched(message, Date.now());
    pictureOf(id).ripple(message);
    view?.told?.(id, message);
  },
  ...Object.fromEntries(["key", "log", "vitals", "masks", "opt_out", "gap"].map((kind) =>
    [kind, (message) => view?.told?.(model.idOf(message.index), message)])),
  committed: (message) => view?.committed?.(model.idOf(message.index)),
});

// What the address asks for: [view, what to watch live]. Pages beyond the first are fetched when they are needed.
async function makeView() {
  const [, sessions, deviceId, sessionId] = location.pathname.split("/").map(decodeURIComponent);
  if (sessions === "sessions" && sessionId) {
    const { SessionPage } = await import("./view/session.js");
    return () => [new SessionPage(deviceId, sessionId, api), null];
  }
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [place, id] = path.split("/");
  if (place === "device") {
    const { DevicePage } = await import("./view/device.js");
    const device = decodeURIComponent(id ?? "");
    return () => [new DevicePage(device, model, pictureOf, api), device];
  }
  if (place === "search") {
    const { SearchPage } = await import("./view/search.js");
    return () => [new SearchPage(api, new URLSearchParams(query)), null];
  }
  if (place === "fleet") {
    const { FleetPage } = await import("./view/fleet.js");
    return () => [new FleetPage(api, new URLSearchParams(query)), null];
  }
  if (place === "audit") {
    const { AuditPage } = await import("./view/audit.js");
    return () => [new AuditPage(api), null];
  }
  if (place === "dead-letters") {
    const { LettersPage } = await import("./view/letters.js");
    return () => [new LettersPage(api), null];
  }
  return () => [new Wall(model, pictureOf), ""];
}

async function route({ isFirst = false } = {}) {
  const mine = (turn += 1);
  const make = await makeView();
  if (mine !== turn) return;
  view?.close();
  const [made, watched] = make();
  view = made;
  page.replaceChildren(view.element);
  document.title = view.title ? `${view.title} – Pixeltrail` : "Pixeltrail";
  link.hidden = watched === null;
  socket.watch(watched);
  const here = watched === null && view.player ? "/#/search" : `/#/${location.hash.replace(/^#\/?/, "").split(/[/?]/)[0]}`;
  for (const anchor of places) {
    const isHere = anchor.getAttribute("href") === (here.startsWith("/#/device") ? "/#/" : here);
    if (isHere) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  globalThis.pixeltrail.player = view.player ?? null;
  if (!isFirst) {
    page.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

// Links within the page change the view, not the document.
document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href]");
  const isPlain = anchor && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!isPlain || event.defaultPrevented || anchor.hasAttribute("download") || anchor.target) return;
  const address = new URL(anchor.href);
  const isOurs = address.origin === location.origin
    && (address.pathname === "/" || address.pathname.startsWith("/sessions/")) && address.hash !== "#page";
  if (!isOurs) return;
  event.preventDefault();
  history.pushState(null, "", address);
  route();
});
addEventListener("popstate", () => route());

// For tests: the pixels of a device as its canvas holds them, as ImageData or null; and the player shown.
globalThis.pixeltrail = {
  pixels: (id) => pictures.get(id)?.read() ?? null,
  player: null,
};

// Who is logged in, and the way out; nothing where nobody has to log in.
async function showPerson() {
  const person = await api.me().catch(() => null);
  if (!person?.user) return;
  hasLogin = true;
  document.documentElement.dataset.role = person.role; // the style hides what this role may not do; the bridge refuses it
  if (person.role === "admin") {
    const anchor = element("a", { href: "/#/audit", "aria-current": location.hash === "#/audit" ? "page" : null }, "Audit log");
    document.getElementById("places").append(anchor);
    places.push(anchor);
  }
  const name = element("span", { class: "person", title: person.role }, person.user);
  const end = async () => {
    await api.logOut();
    location.assign("/login");
  };
  link.after(name, ...(person.login ? [iconButton("out", "Log out", end)] : []));
}

startTheme();
link.after(iconButton("theme", "Light or dark", turnTheme));
route({ isFirst: true });
showPerson();
