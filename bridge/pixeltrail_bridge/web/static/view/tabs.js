// Tabs as the ARIA authoring practices describe them: arrows move between them, Tab leads into the page below.

import { element } from "./dom.js";

let groups = 0;

export class Tabs {
  #tabs;
  #pages;

  // `pages` are [label, element].
  constructor(pages) {
    const group = `tabs${(groups += 1)}`;
    this.#tabs = pages.map(([label], at) => element("button", { type: "button", role: "tab", id: `${group}-tab${at}`,
      "aria-controls": `${group}-page${at}`, on: { click: () => this.choose(at), keydown: (event) => this.#key(event, at) } }, label));
    this.#pages = pages.map(([, content], at) => element("div", { role: "tabpanel", id: `${group}-page${at}`,
      class: "tab-page", "aria-labelledby": `${group}-tab${at}` }, content));
    this.element = element("div", { class: "tabs" }, element("div", { role: "tablist", class: "tab-list" }, ...this.#tabs), ...this.#pages);
    this.choose(0);
  }

  choose(chosen) {
    this.#tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === chosen));
      tab.tabIndex = at === chosen ? 0 : -1;
      this.#pages[at].hidden = at !== chosen;
    });
  }

  #key(event, at) {
    const last = this.#tabs.length - 1;
    const next = { ArrowLeft: at ? at - 1 : last, ArrowRight: at < last ? at + 1 : 0, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.choose(next);
    this.#tabs[next].focus();
  }
}
