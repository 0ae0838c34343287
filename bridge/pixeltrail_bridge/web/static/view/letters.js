// Dead letters: what was given up on, why, and a button to try again.

import { dateTime, plural, prettyJson, words } from "../core/text.js";
import { button, element, setText } from "./dom.js";

export class LettersPage {
  #api;
  #list = element("ul", { class: "letters" });
  #note = element("p", { class: "quiet", role: "status" }, "Looking");
  #retry = button("Try the chosen again", () => this.#again(), { class: "button primary", disabled: true });
  #all = element("input", { type: "checkbox", on: { change: () => this.#chooseAll() } });
  #bar = element("div", { class: "letter-bar", hidden: true, data: { needs: "operator" } }, element("label", { class: "check" }, this.#all, "All"), this.#retry);
  #boxes = new Map();
  #isClosed = false;

  constructor(api) {
    this.#api = api;
    this.title = "Dead letters";
    this.element = element("div", {}, element("h1", {}, "Dead letters"),
      element("p", { class: "quiet lead" }, "Events a sink refused for good, and messages that could not be read. Nothing here is lost: each is kept with its reason."),
      this.#bar, this.#note, this.#list);
    this.#load();
  }

  update() {}

  close() {
    this.#isClosed = true;
  }

  async #load(told = "") {
    try {
      const letters = await this.#api.allDeadLetters();
      if (this.#isClosed) return;
      this.#boxes.clear();
      this.#list.replaceChildren(...letters.map((letter) => this.#row(letter)));
      this.#bar.hidden = this.#boxes.size === 0;
      setText(this.#note, told || (letters.length ? plural(letters.length, "dead letter") : "None: everything was read, and delivered or is on its way."));
      this.#count();
    } catch (error) {
      setText(this.#note, error.message);
    }
  }

  #row(letter) {
    const { id, event, kind, device_id: deviceId, count, reason, payload, content, time_ms: when } = letter;
    const what = event ?? `A message that cannot be read (${words(kind)})`;
    const box = element("input", { type: "checkbox", "aria-label": `Choose: ${what}`, on: { change: () => this.#count() }, data: { needs: "operator" } });
    this.#boxes.set(id, box);
    const facts = [event && `not taken by ${kind}`, count > 1 && `${count} times`].filter(Boolean).join(", ");
    const device = deviceId && element("a", { href: `/#/device/${encodeURIComponent(deviceId)}` }, deviceId);
    const moment = letter.session_id > 0 && letter.event_id
      ? button("What the user saw", () => this.#show(letter, moment), { class: "button small" }) : null;
    return element("li", { class: "card letter", data: { letter: id } },
      element("div", { class: "head" }, element("label", { class: "check" }, box, element("strong", {}, what)),
        element("time", { class: "quiet", datetime: new Date(when).toISOString() }, dateTime(when))),
      element("p", { class: "reason" }, reason),
      element("p", { class: "quiet" }, device, facts ? `, ${facts}` : ""),
      element("details", {}, element("summary", {}, "Content"), element("pre", { tabIndex: 0 }, prettyJson(payload ?? content ?? ""))),
      moment && element("p", {}, moment));
  }

  // The player at the moment of the event.
  async #show({ event_id: eventId, device_id: deviceId, session_id: sessionId }, pressed) {
    pressed.disabled = true;
    try {
      const { at_ms: ms } = await this.#api.getJson(`/api/events/${encodeURIComponent(eventId)}`);
      const link = element("a", { class: "unseen", href: `/sessions/${encodeURIComponent(deviceId)}/${sessionId}?t=${((ms ?? 0) / 1000).toFixed(3)}` });
      pressed.after(link);
      link.click(); // as any link of the page
    } catch (error) {
      setText(this.#note, error.message);
      pressed.disabled = false;
    }
  }

  #chosen() {
    return [...this.#boxes].filter(([, box]) => box.checked).map(([id]) => id);
  }

  #count() {
    const chosen = this.#chosen().length;
    this.#retry.disabled = chosen === 0;
    setText(this.#retry, chosen ? `Try ${chosen} again` : "Try the chosen again");
    this.#all.checked = chosen > 0 && chosen === this.#boxes.size;
    this.#all.indeterminate = chosen > 0 && chosen < this.#boxes.size;
  }

  #chooseAll() {
    for (const box of this.#boxes.values()) box.checked = this.#all.checked;
    this.#count();
  }

  async #again() {
    const ids = this.#chosen();
    this.#retry.disabled = true;
    try {
      await this.#load(told(await this.#api.retryDeadLetters(ids)));
    } catch (error) {
      setText(this.#note, error.message);
      this.#count();
    }
  }
}

function told({ queued = 0, read = 0, still_dead: stillDead = [] }) {
  return [queued && `${plural(queued, "event")} will be sent again`, read && `${plural(read, "message")} could be read now`,
    stillDead.length && `${plural(stillDead.length, "message")} still cannot be read`].filter(Boolean).join("; ") || "Nothing was left to do.";
}
