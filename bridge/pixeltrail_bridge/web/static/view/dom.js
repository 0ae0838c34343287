// Elements without markup: every string becomes text.

const ATTRIBUTES = new Set(["role", "href", "datetime", "for", "list", "colspan", "download", "target", "rel"]);

// Children that are null or false are left out.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key === "class") made.className = value;
    else if (key === "data") Object.assign(made.dataset, value);
    else if (key === "on") for (const [type, act] of Object.entries(value)) made.addEventListener(type, act);
    else if (key.startsWith("aria-") || ATTRIBUTES.has(key)) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
  return made;
}

// A button with an icon; `label` is its name for everyone who does not see the icon, and its tip for those who do.
export function iconButton(name, label, act, properties = {}) {
  return element("button", { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click: act }, ...properties },
    icon(name));
}

export function button(text, act, properties = {}) {
  return element("button", { type: "button", class: "button", on: { click: act }, ...properties }, text);
}

// Sets text only when it differs, so that a screen reader and a selection are left alone.
export function setText(target, text) {
  if (target.textContent !== String(text)) target.textContent = text;
}

export function setLabel(target, text) {
  if (target.getAttribute("aria-label") !== text) target.setAttribute("aria-label", text);
  if (target.title !== text) target.title = text;
}

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  back: "M17 5v14L7.5 12zM5 5h2v14H5z",
  on: "M7 5v14l9.500-7zM17 5h2v14h-2z",
  star: "M12 3.200l2.700 5.700 6.200.8-4.600 4.300 1.200 6.200L12 17.200l-5.500 3 1.200-6.200L3.100 9.700l6.200-.8z",
  share: "M14 4h6v6M20 4l-9 9M17 13.500V19a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1h5.500",
  download: "M12 4v11M7.500 11l4.500 4.500 4.500-4.500M5 19.500h14",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l1-1",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  help: "M9.200 9a2.800 2.800 0 1 1 4.200 2.400c-.9.5-1.400 1-1.400 2.100M12 17v.1",
  close: "M6 6l12 12M18 6L6 18",
  idle: "M4 12h3M10 7l5 5-5 5M15 7l5 5-5 5",
  loop: "M4.500 11V9a3 3 0 0 1 3-3H19M16 3l3 3-3 3M19.500 13v2a3 3 0 0 1-3 3H5M8 21l-3-3 3-3",
  theme: "M12 4a8 8 0 1 0 0 16z",
  live: "M12 9.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5zM7 7a7 7 0 0 0 0 10M17 7a7 7 0 0 1 0 10",
  retry: "M19 12a7 7 0 1 1-2-5M19 4v4h-4",
  out: "M13 4H6v16h7M10 12h10M16.500 8.500l3.500 3.500-3.500 3.500",
  previous: "M15 5l-7 7 7 7", next: "M9 5l7 7-7 7",
};
const FILLED = new Set(["play", "pause", "back", "on"]);

export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("class", FILLED.has(name) ? "icon filled" : "icon");
  drawing.setAttribute("aria-hidden", "true");
  drawing.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  drawing.append(path);
  if (name === "help" || name === "theme") {
    const ring = document.createElementNS(SVG, "circle");
    for (const [key, value] of [["cx", 12], ["cy", 12], ["r", 9]]) ring.setAttribute(key, value);
    if (name === "theme") ring.setAttribute("r", 8);
    drawing.prepend(ring);
  }
  if (name === "theme") path.setAttribute("class", "solid");
  return drawing;
}

export function setIcon(target, name) {
  if (target.dataset.icon === name) return;
  target.dataset.icon = name;
  target.replaceChildren(icon(name));
}

// A list of terms whose values can be set by name.
export class Terms {
  #values = new Map();

  constructor(...names) {
    this.element = element("dl", { class: "terms" });
    for (const name of names) this.#add(name);
  }

  set(name, text) {
    const value = this.#values.get(name) ?? this.#add(name);
    setText(value, text || "–");
    value.parentElement.hidden = !text;
  }

  #add(name) {
    const value = element("dd");
    this.#values.set(name, value);
    this.element.append(element("div", {}, element("dt", {}, name), value));
    return value;
  }
}
