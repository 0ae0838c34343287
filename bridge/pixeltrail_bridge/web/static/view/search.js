// All sessions, newest first, and a form that narrows them down. What is asked for stands in the address.

import { duration, dateTime, plural } from "../core/text.js";
import { FIELDS, queryOf } from "../core/query.js";
import { button, element, icon, setText } from "./dom.js";

const PAGE = 24;
const THUMB_PX = 240;

export class SearchPage {
  #api;
  #form;
  #inputs = new Map();
  #list = element("ul", { class: "found" });
  #note = element("p", { class: "quiet", role: "status" }, "Looking");
  #more = button("Show more", () => this.#load(this.#next), { hidden: true });
  #next = null;
  #turn = 0;
  #asked;

  constructor(api, asked) {
    this.#api = api;
    this.#asked = asked;
    this.title = "Sessions";
    const details = element("details", { class: "narrow", open: FIELDS.some(({ name }) => name !== "q" && asked.get(name)) },
      element("summary", {}, "More filters"), element("div", { class: "form-grid" },
        ...FIELDS.filter(({ name }) => name !== "q").map((field) => this.#field(field))));
    this.#form = element("form", { class: "search", role: "search", on: {
      submit: (event) => { event.preventDefault(); this.#submit(); },
    } },
    element("div", { class: "form-row" }, this.#field(FIELDS[0]), element("button", { type: "submit", class: "button primary" }, "Search"),
      button("Clear", () => this.#clear())), details);
    this.element = element("div", {}, element("h1", {}, "Sessions"), this.#form, this.#note, this.#list, this.#more);
    this.#load(null);
  }

  update() {}

  close() {
    this.#turn += 1;
  }

  #field({ name, label, type, hint }) {
    const value = this.#asked.get(name) ?? "";
    if (type === "checkbox") {
      const input = element("input", { type, name, checked: value === "1" });
      this.#inputs.set(name, input);
      return element("label", { class: "check" }, input, label);
    }
    const input = element("input", { type, name, value, placeholder: hint ?? "", autocomplete: "off" });
    this.#inputs.set(name, input);
    return element("label", { class: name === "q" ? "wide" : "" }, element("span", { class: name === "q" ? "unseen" : "" }, label), input);
  }

  #submit() {
    const asked = new URLSearchParams();
    for (const [name, input] of this.#inputs) {
      const value = input.type === "checkbox" ? (input.checked ? "1" : "") : input.value.trim();
      if (value) asked.set(name, value);
    }
    this.#asked = asked;
    const query = asked.toString();
    history.replaceState(history.state, "", `/#/search${query ? `?${query}` : ""}`);
    this.#load(null);
  }

  #clear() {
    for (const input of this.#inputs.values()) {
      if (input.type === "checkbox") input.checked = false;
      else input.value = "";
    }
    this.#submit();
  }

  async #load(cursor) {
    const turn = (this.#turn += 1);
    const query = queryOf(this.#asked);
    query.set("limit", PAGE);
    if (cursor) query.set("cursor", cursor);
    this.#more.disabled = true;
    try {
      const { sessions, next } = await this.#api.sessions(query);
      if (turn !== this.#turn) return;
      if (!cursor) this.#list.replaceChildren();
      this.#list.append(...sessions.map((session) => this.#row(session)));
      this.#next = next ?? null;
      this.#more.hidden = !this.#next;
      const count = this.#list.childElementCount;
      const isAll = this.#asked.size === 0;
      setText(this.#note, count ? `${plural(count, "session")}${this.#next ? " so far, newest first" : ""}`
        : isAll ? "Nothing has been recorded yet." : "No session matches. Fewer filters find more.");
    } catch (error) {
      if (turn === this.#turn) setText(this.#note, error.message);
    }
    this.#more.disabled = false;
  }

  #row(session) {
    const { device_id: id, session_id: number, duration_ms: length } = session;
    const image = element("img", { alt: "", loading: "lazy", decoding: "async", src: this.#api.frame(id, number, length / 2, THUMB_PX),
      on: { error: () => image.remove() } });
    const facts = [session.frames !== undefined && plural(session.frames, "frame"), session.events !== undefined && plural(session.events, "event"),
      session.gaps ? plural(session.gaps, "gap") : ""].filter(Boolean);
    return element("li", { class: "card session-card" },
      element("div", { class: "thumb" }, image, element("span", { class: "length" }, session.is_open ? "now" : duration(length))),
      element("div", { class: "session-words" },
        element("h2", {}, element("a", { href: `/sessions/${encodeURIComponent(id)}/${encodeURIComponent(number)}` }, session.name || id),
          session.starred && element("span", { class: "kept", title: "Kept" }, icon("star"), element("span", { class: "unseen" }, "kept"))),
        element("p", {}, dateTime(session.start_ms)),
        element("p", { class: "quiet" }, [session.user_id, ...facts].filter(Boolean).join(" · "))));
  }
}
