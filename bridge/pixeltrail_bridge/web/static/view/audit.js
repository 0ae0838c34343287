// The audit log, for admins: who looked at what, and who changed what.

import { dateTime } from "../core/text.js";
import { button, element, setText } from "./dom.js";

const PAGE = 100;

export class AuditPage {
  #api;
  #rows = element("tbody", {});
  #note = element("p", { class: "quiet", role: "status" }, "Looking");
  #more = button("Earlier", () => this.#load(), { hidden: true });
  #person = element("input", { type: "search", maxLength: 64, autocomplete: "off" });
  #device = element("input", { type: "search", maxLength: 64, autocomplete: "off" });
  #before = null;
  #isClosed = false;

  constructor(api) {
    this.#api = api;
    this.title = "Audit log";
    const form = element("form", { class: "form-row", on: { submit: (event) => this.#search(event) } },
      element("label", {}, element("span", {}, "User"), this.#person),
      element("label", {}, element("span", {}, "Device"), this.#device),
      element("button", { type: "submit", class: "button" }, "Show"));
    const heads = ["When", "Who", "What", "Device", "From", "Answer"].map((text) => element("th", { scope: "col" }, text));
    this.element = element("div", {}, element("h1", {}, "Audit log"),
      element("p", { class: "quiet lead" }, "Who looked at what, and who changed what. Looking at the same thing again counts anew after ten minutes."),
      form,
      element("div", { class: "audit", role: "region", "aria-label": "Audit log", tabIndex: 0 },
        element("table", {}, element("thead", {}, element("tr", {}, ...heads)), this.#rows)),
      this.#note, this.#more);
    this.#load();
  }

  update() {}

  close() {
    this.#isClosed = true;
  }

  #search(event) {
    event.preventDefault();
    this.#before = null;
    this.#rows.replaceChildren();
    this.#load();
  }

  async #load() {
    try {
      const found = await this.#api.audit({ person: this.#person.value.trim(), device: this.#device.value.trim(), before: this.#before, limit: PAGE });
      if (this.#isClosed) return;
      this.#rows.append(...found.map((row) => this.#row(row)));
      this.#before = found.at(-1)?.id ?? this.#before;
      this.#more.hidden = found.length < PAGE;
      setText(this.#note, this.#rows.children.length ? "" : "Nothing yet.");
    } catch (error) {
      setText(this.#note, error.message);
    }
  }

  #row(row) {
    const { device, session_id: session } = row;
    const place = device && session !== null
      ? element("a", { href: `/sessions/${encodeURIComponent(device)}/${session}` }, device) : device;
    const cell = (...content) => element("td", {}, ...content);
    return element("tr", {}, element("td", { class: "when" }, element("time", { datetime: new Date(row.at_ms).toISOString() }, dateTime(row.at_ms))),
      cell(row.person, row.role && element("span", { class: "quiet" }, ` ${row.role}`)), cell(row.action, row.detail && element("span", { class: "quiet" }, ` ${row.detail}`)),
      cell(place || ""), cell(row.address), cell(row.status ? String(row.status) : ""));
  }
}
