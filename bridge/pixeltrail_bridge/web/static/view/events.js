// The list of events of a device, newest first, each with the exact payload and what every sink answered.

import { dateTime, prettyJson, time } from "../core/text.js";
import { element, setText } from "./dom.js";

const FIRST = 100; // events shown at first, and most that are kept in the page
const REFRESH_MS = 1000; // at most this often
const WATCH_MS = 3000; // deliveries are settled without a sign to the page

export class Events {
  #id;
  #api;
  #rows = new Map();
  #letters = new Map();
  #list = element("ol", { class: "events" });
  #lettersList = element("ol", { class: "events" });
  #lettersPart = element("section", { hidden: true }, element("h2", {}, "Dead letters"), this.#lettersList);
  #note = element("p", { class: "quiet", role: "status" }, "Loading events");
  #timer = null;
  #isBusy = false;
  #isAsked = false;
  #isClosed = false;
  #watch;

  constructor(id, api) {
    this.#id = id;
    this.#api = api;
    this.element = element(
      "section",
      { class: "log", "aria-label": "Events" },
      this.#lettersPart,
      element("h2", {}, "Events"),
      this.#note,
      this.#list,
    );
    this.#watch = setInterval(() => document.hidden || this.refresh(), WATCH_MS);
    this.refresh();
  }

  // Soon, and once for any number of calls.
  refresh() {
    if (this.#isClosed) return;
    if (this.#isBusy || this.#timer !== null) {
      this.#isAsked = true;
      return;
    }
    this.#isBusy = true;
    this.#load()
      .catch((error) => setText(this.#note, error.message))
      .finally(() => {
        this.#isBusy = false;
        this.#timer = setTimeout(() => this.#again(), REFRESH_MS);
      });
  }

  close() {
    clearInterval(this.#watch);
    clearTimeout(this.#timer);
    this.#isClosed = true;
  }

  #again() {
    this.#timer = null;
    if (this.#isAsked) {
      this.#isAsked = false;
      this.refresh();
    }
  }

  async #load() {
    const events = await this.#api.events(this.#id, this.#firstUnsettled(), FIRST);
    for (const event of events) this.#put(event);
    while (this.#rows.size > FIRST) {
      const oldest = Math.min(...this.#rows.keys());
      this.#rows.get(oldest).element.remove();
      this.#rows.delete(oldest);
    }
    const letters = await this.#api.deadLetters(this.#id);
    for (const letter of letters) this.#putLetter(letter);
    this.#lettersPart.hidden = this.#letters.size === 0;
    setText(this.#note, this.#rows.size ? "" : "No event has been recorded for this device yet.");
    this.#note.hidden = this.#rows.size > 0;
  }

  // The ID after which anything may be new, null to get the newest.
  #firstUnsettled() {
    if (this.#rows.size === 0) return null;
    const waiting = [...this.#rows.values()].filter((row) => !row.isSettled).map((row) => row.id - 1);
    return Math.min(Math.max(...this.#rows.keys()), ...waiting);
  }

  #put(event) {
    const known = this.#rows.get(event.id);
    if (known) {
      known.update(event);
      return;
    }
    const row = new Row(event);
    this.#rows.set(event.id, row);
    const next = [...this.#list.children].find((other) => Number(other.dataset.event) < event.id);
    this.#list.insertBefore(row.element, next ?? null);
  }

  #putLetter(letter) {
    if (this.#letters.has(letter.id)) return;
    this.#letters.set(letter.id, letter);
    const summary = element("summary", {}, element("span", { class: "when" }, time(letter.time_ms)),
      element("span", { class: "name wide" }, letter.reason));
    const details = element("details", {}, summary, element("pre", { tabIndex: 0 }, letter.content ?? ""));
    this.#lettersList.prepend(element("li", {}, details));
  }
}

class Row {
  #chips = element("span", { class: "chips" });
  #answers = element("tbody");

  constructor(event) {
    this.id = event.id;
    const summary = element(
      "summary",
      {},
      element("time", { class: "when", datetime: new Date(event.time_ms).toISOString(), title: dateTime(event.time_ms) },
        time(event.time_ms)),
      element("span", { class: "kind" }, event.type),
      element("span", { class: "name" }, event.event),
      this.#chips,
    );
    const heads = ["Sink", "State", "Answer", "Attempts", "When"].map((head) => element("th", { scope: "col" }, head));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), this.#answers);
    const details = element("details", {}, summary);
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) {
        details.append(element("div", { class: "answers" }, table), payload(event));
      }
    });
    this.element = element("li", { data: { event: event.id } }, details);
    this.update(event);
  }

  update(event) {
    this.isSettled = event.deliveries.every(({ state }) => state === "sent" || state === "dead");
    this.#chips.replaceChildren(
      ...event.deliveries.map(({ sink, state, status, attempts }) =>
        element("span", { class: "chip", data: { state: state === "waiting" && attempts ? "retry" : state } }, state === "sent" || !status ? `${sink} ${state}` : `${sink} ${state} ${status}`),
      ),
    );
    this.#answers.replaceChildren(
      ...event.deliveries.map(({ sink, state, status, answer, attempts, settled_ms: settledMs }) =>
        element(
          "tr",
          {},
          ...[sink, state, [status, answer].filter(Boolean).join(" ") || "–", String(attempts),
            settledMs ? time(settledMs) : "–"].map((text) => element("td", {}, text)),
        ),
      ),
    );
  }
}

function payload(event) {
  const label = `Payload of ${event.event}`;
  return element("pre", { tabIndex: 0, "aria-label": label }, prettyJson(event.payload));
}
