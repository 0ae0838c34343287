// What happened, as a list that follows the picture. Only the rows in sight exist, so its length does not matter.

import { currentIndex, filterItems, GROUPS } from "../core/marks.js";
import { duration } from "../core/text.js";
import { element, setText } from "./dom.js";

const ROW_PX = 38;
const MORE_ROWS = 6; // above and below what is in sight
const HELD_MS = 3_000; // someone scrolls: the list stays where they look
const LABELS = { events: "Events", screens: "Screens", inputs: "Inputs", logs: "Logs", notes: "Notes" };
let lists = 0;

export class EventList {
  #all = [];
  #items = [];
  #groups = new Set(GROUPS);
  #text = "";
  #current = -1;
  #active = -1;
  #openId = null;
  #rows = new Map();
  #heldUntil = 0;
  #act;
  #observer;
  #prefix = `list${(lists += 1)}`;
  #inner = element("div", { class: "rows", role: "presentation" });
  #box;
  #note = element("p", { class: "quiet pad", hidden: true });
  #filters = new Map();
  #count = element("span", { class: "unseen", role: "status" });

  // `act` has pick(item) and filtered(items).
  constructor(act) {
    this.#act = act;
    this.#box = element("div", {
      class: "list", role: "listbox", tabIndex: 0, "aria-label": "What happened",
      on: { scroll: () => this.#render(), keydown: (event) => this.#key(event), pointerdown: () => this.#hold(),
        wheel: () => this.#hold(), touchmove: () => this.#hold(), focus: () => this.#focus() },
    }, this.#inner);
    this.#box.addEventListener("click", (event) => {
      const row = event.target.closest("[data-index]");
      if (row) this.#pick(Number(row.dataset.index));
    });
    const chips = GROUPS.map((group) => {
      const chip = element("button", { type: "button", class: "chip-button", "aria-pressed": "true",
        on: { click: () => this.#toggle(group) } }, LABELS[group]);
      this.#filters.set(group, chip);
      return chip;
    });
    const search = element("input", { type: "search", placeholder: "Filter", "aria-label": "Filter what happened",
      on: { input: () => { this.#text = search.value; this.#filter(); } } });
    this.element = element("div", { class: "happened" },
      element("div", { class: "filters", role: "group", "aria-label": "Kinds" }, ...chips, search), this.#count, this.#note, this.#box);
    this.#observer = new ResizeObserver(() => this.#render());
    this.#observer.observe(this.#box);
  }

  close() {
    this.#observer.disconnect();
  }

  setItems(items) {
    this.#all = items;
    for (const [group, chip] of this.#filters) {
      const count = items.filter((item) => item.group === group).length;
      chip.hidden = count === 0;
      setText(chip, `${LABELS[group]} ${count}`);
    }
    this.#filter();
  }

  setPosition(ms) {
    const index = currentIndex(this.#items, ms);
    if (index === this.#current) return;
    this.#current = index;
    this.#mark();
    if (performance.now() > this.#heldUntil) this.#reveal(index);
  }

  // The item whose details are open below; the list has less room then.
  setOpen(id) {
    this.#openId = id;
    this.#mark();
    if (id !== null) requestAnimationFrame(() => this.#reveal(this.#active));
  }

  #filter() {
    const active = this.#items[this.#active]?.id;
    this.#items = filterItems(this.#all, this.#groups, this.#text);
    this.#rows.forEach((row) => row.remove());
    this.#rows.clear();
    this.#current = -1;
    this.#active = active === undefined ? -1 : this.#items.findIndex((item) => item.id === active);
    this.#inner.style.height = `${this.#items.length * ROW_PX}px`;
    setText(this.#note, this.#all.length ? "Nothing matches the filter." : "Nothing was recorded beside the picture.");
    this.#note.hidden = this.#items.length > 0;
    setText(this.#count, this.#items.length === this.#all.length ? "" : `${this.#items.length} of ${this.#all.length} shown`);
    this.#box.hidden = this.#items.length === 0;
    this.#render();
    this.#act.filtered(this.#items);
  }

  #toggle(group) {
    if (!this.#groups.delete(group)) this.#groups.add(group);
    this.#filters.get(group).setAttribute("aria-pressed", String(this.#groups.has(group)));
    this.#filter();
  }

  #pick(index) {
    this.#active = index;
    this.#hold();
    this.#mark();
    this.#act.pick(this.#items[index]);
  }

  #hold() {
    this.#heldUntil = performance.now() + HELD_MS;
  }

  #focus() {
    if (this.#active < 0 && this.#items.length) this.#activate(Math.max(0, this.#current));
  }

  #activate(index) {
    this.#active = Math.min(Math.max(0, index), this.#items.length - 1);
    this.#hold();
    this.#reveal(this.#active);
    this.#render();
    this.#mark();
    this.#box.setAttribute("aria-activedescendant", `${this.#prefix}-${this.#active}`);
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.#box.clientHeight / ROW_PX) - 1);
    const last = this.#items.length - 1;
    const target = { ArrowDown: this.#active + 1, ArrowUp: this.#active - 1, PageDown: this.#active + page,
      PageUp: this.#active - page, Home: 0, End: last }[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (target !== undefined) this.#activate(target);
    else if ((event.key === "Enter" || event.key === " ") && this.#active >= 0) this.#pick(this.#active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #reveal(index) {
    if (index < 0) return;
    const top = index * ROW_PX;
    const { scrollTop, clientHeight } = this.#box;
    if (top < scrollTop) this.#box.scrollTop = top;
    else if (top + ROW_PX > scrollTop + clientHeight) this.#box.scrollTop = top + ROW_PX - clientHeight;
  }

  #render() {
    const first = Math.max(0, Math.floor(this.#box.scrollTop / ROW_PX) - MORE_ROWS);
    const last = Math.min(this.#items.length, Math.ceil((this.#box.scrollTop + this.#box.clientHeight) / ROW_PX) + MORE_ROWS);
    for (const [index, row] of this.#rows) {
      if (index < first || index >= last) {
        row.remove();
        this.#rows.delete(index);
      }
    }
    for (let index = first; index < last; index += 1) {
      if (this.#rows.has(index)) continue;
      const row = this.#makeRow(this.#items[index], index);
      this.#rows.set(index, row);
      this.#inner.append(row);
    }
    this.#mark();
  }

  #makeRow(item, index) {
    const row = element("div", { class: "row", role: "option", id: `${this.#prefix}-${index}`,
      data: { index, group: item.group, kind: item.kind, bad: item.isBad ? "1" : "" },
      "aria-setsize": String(this.#items.length), "aria-posinset": String(index + 1) },
    element("span", { class: "when" }, duration(item.atMs)),
    element("span", { class: "sign", "aria-hidden": "true" }),
    element("span", { class: "name" }, item.title),
    element("span", { class: "more" }, item.event ? deliveryText(item.event) : item.detail));
    row.style.transform = `translateY(${index * ROW_PX}px)`;
    row.title = [item.title, item.detail].filter(Boolean).join(" – ");
    return row;
  }

  #mark() {
    for (const [index, row] of this.#rows) {
      row.setAttribute("aria-selected", String(this.#items[index].id === this.#openId));
      row.classList.toggle("current", index === this.#current);
      row.classList.toggle("past", index <= this.#current);
      row.classList.toggle("active", index === this.#active);
    }
  }
}

function deliveryText({ type, deliveries = [] }) {
  const dead = deliveries.filter(({ state }) => state === "dead").length;
  const waiting = deliveries.filter(({ state }) => state === "waiting").length;
  if (dead) return "not delivered";
  return waiting ? "waiting" : type;
}
