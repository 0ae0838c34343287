// Dead letters: what was given up on, why, and a button to try again.

import { dateTime, plural, prettyJson } from "../core/text.js";
import { button, element, setText } from "./dom.js";

export class LettersPage {
  #api;
  #list = element("ul", { class: "letters" });
  #note = element("p", { class: "quiet", role: "status" }, "Looking");
  #retry = button("Send the chosen again", () => this.#again(), { class: "button primary", disabled: true });
  #all = element("input", { type: "checkbox", on: { change: () => this.#chooseAll() } });
  #bar = element("div", { class: "form-row", hidden: true }, element("label", { class: "check" }, this.#all, "All"), this.#retry);
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
    const isEvent = letter.event_id !== undefined && letter.event_id !== null || letter.can_retry;
    const box = isEvent ? element("input", { type: "checkbox", "aria-label": `Choose ${letter.event ?? letter.id}`, on: { change: () => this.#count() } }) : null;
    if (box) this.#boxes.set(letter.id, box);
    const what = letter.event ?? letter.kind ?? "Message";
    const facts = [letter.sink && `to ${letter.sink}`, letter.count > 1 && `${letter.count} times`, letter.attempts && plural(letter.attempts, "try", "tries")].filter(Boolean);
    const content = letter.payload ?? letter.content ?? letter.answer ?? "";
    const session = letter.session_id > 0 && letter.device_id
      ? element("a", { href: sessionAddress(letter) }, "The session") : null;
    return element("li", { class: "card letter" },
      element("div", { class: "head" }, element("label", { class: "check" }, box, element("strong", {}, what)),
        element("time", { class: "quiet" }, dateTime(letter.time_ms))),
      element("p", { class: "reason" }, [letter.status, letter.reason ?? letter.answer].filter(Boolean).join(" ")),
      element("p", { class: "quiet" }, letter.device_id && element("a", { href: `/#/device/${encodeURIComponent(letter.device_id)}` }, letter.device_id),
        facts.length ? ` ${facts.join(", ")} ` : " ", session),
      content ? element("details", {}, element("summary", {}, "Content"), element("pre", { tabIndex: 0 }, prettyJson(content))) : null);
  }

  #chosen() {
    return [...this.#boxes].filter(([, box]) => box.checked).map(([id]) => id);
  }

  #count() {
    const chosen = this.#chosen().length;
    this.#retry.disabled = chosen === 0;
    setText(this.#retry, chosen ? `Send ${chosen} again` : "Send the chosen again");
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
      await this.#api.retryDeadLetters(ids);
      await this.#load(`${plural(ids.length, "event")} will be sent again.`);
    } catch (error) {
      setText(this.#note, error.message);
      this.#count();
    }
  }
}

function sessionAddress({ device_id: id, session_id: number, at_ms: ms }) {
  const at = ms > 0 ? `?t=${(ms / 1000).toFixed(1)}` : "";
  return `/sessions/${encodeURIComponent(id)}/${number}${at}`;
}
