// The events of a device, newest first, each with the frame the user saw, the exact payload and what every sink answered.

import { dateTime, duration, time } from "../core/text.js";
import { element, setText } from "./dom.js";
import { deliveryOf, payloadOf } from "./inspector.js";

const FIRST = 100; // events shown at first, and most that are kept in the page
const REFRESH_MS = 1000; // at most this often
const WATCH_MS = 3000; // deliveries are settled without a sign to the page
const SEEN_PX = 240;

export class Events {
  #id;
  #api;
  #rows = new Map();
  #letters = new Map();
  #list = element("ol", { class: "events" });
  #lettersList = element("ol", { class: "events" });
  #lettersPart = element("section", { hidden: true }, element("h2", {}, "Dead letters"), this.#lettersList);
  #note = element("p", { class: "quiet pad", role: "status" }, "Loading events");
  #timer = null;
  #isBusy = false;
  #isAsked = false;
  #isClosed = false;
  #watch;
  #onNew;

  // `onNew(event)` hears of each event once.
  constructor(id, api, onNew = () => {}) {
    this.#id = id;
    this.#api = api;
    this.#onNew = onNew;
    this.element = element("section", { class: "log", "aria-label": "Events" }, this.#lettersPart, this.#note, this.#list);
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
    const row = new Row(event, this.#api);
    this.#rows.set(event.id, row);
    const next = [...this.#list.children].find((other) => Number(other.dataset.event) < event.id);
    this.#list.insertBefore(row.element, next ?? null);
    this.#onNew(event);
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
  #api;
  #event;
  #chips = element("span", { class: "chips" });
  #deliveries = element("ul", { class: "deliveries" });
  #seen = element("div", { class: "seen-at" });

  constructor(event, api) {
    this.id = event.id;
    this.#api = api;
    const summary = element(
      "summary",
      {},
      element("time", { class: "when", datetime: new Date(event.time_ms).toISOString(), title: dateTime(event.time_ms) },
        time(event.time_ms)),
      element("span", { class: "kind" }, event.type),
      element("span", { class: "name" }, event.event),
      this.#chips,
    );
    const details = element("details", {}, summary);
    details.addEventListener("toggle", () => {
      if (!details.open || details.childElementCount > 1) return;
      details.append(element("div", { class: "event-body" }, this.#seen, this.#deliveries, ...payloadOf(event)));
      this.#look();
    });
    this.element = element("li", { data: { event: event.id } }, details);
    this.update(event);
  }

  update(event) {
    this.#event = event;
    this.isSettled = event.deliveries.every(({ state }) => state === "sent" || state === "dead");
    this.#chips.replaceChildren(...event.deliveries.map(({ sink, state, status, attempts }) =>
      element("span", { class: "chip", data: { state: state === "waiting" && attempts ? "retry" : state } },
        state === "sent" || !status ? `${sink} ${state}` : `${sink} ${state} ${status}`)));
    const retry = async (sink) => {
      await this.#api.retryEvent(this.id, sink);
      this.isSettled = false;
    };
    this.#deliveries.replaceChildren(...event.deliveries.map((one) => deliveryOf(one, retry)));
  }

  // The frame the user saw, where the session has one.
  async #look() {
    const { session_id: sessionId } = this.#event;
    if (!(sessionId > 0) || !this.#event.device_id) return;
    const { at_ms: ms } = await this.#api.getJson(`/api/events/${this.id}`).catch(() => ({}));
    if (ms === undefined || ms === null) return;
    const address = `/sessions/${encodeURIComponent(this.#event.device_id)}/${sessionId}?t=${(ms / 1000).toFixed(3)}`;
    const image = element("img", { alt: "What the user saw", class: "display", decoding: "async",
      src: this.#api.frame(this.#event.device_id, sessionId, ms, SEEN_PX), on: { error: () => image.remove() } });
    this.#seen.replaceChildren(element("a", { href: address }, image), element("a", { href: address }, `Play from ${duration(ms, 1)}`));
  }
}
