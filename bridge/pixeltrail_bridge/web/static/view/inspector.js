// One thing that happened: what the user saw then, the exact payload, and what every sink made of it.

import { dateTime, duration, prettyJson, time } from "../core/text.js";
import { button, element, iconButton, setText } from "./dom.js";

const STATES = { sent: "Delivered", waiting: "Waiting", dead: "Not delivered" };

export class Inspector {
  #title = element("h2", { tabIndex: -1 });
  #when = element("p", { class: "quiet" });
  #canvas = element("canvas", { class: "display", role: "img" });
  #seen;
  #body = element("div", { class: "inspected" });
  #act;
  #item = null;

  // `act` has event(id), paint(canvas, ms), close(), seek(ms) and, where events may be sent again, retry(id, sink).
  constructor(act) {
    this.#act = act;
    this.#seen = element("figure", { class: "seen" }, element("div", { class: "glass" }, this.#canvas),
      element("figcaption", { class: "quiet" }, "What the user saw"));
    this.element = element("section", { class: "inspector", hidden: true, "aria-label": "Details" },
      element("div", { class: "head" }, element("div", {}, this.#title, this.#when),
        iconButton("close", "Close the details", () => this.close())),
      element("div", { class: "scroll" }, this.#seen, this.#body));
  }

  get item() {
    return this.#item;
  }

  async open(item, startMs) {
    this.#item = item;
    this.element.hidden = false;
    setText(this.#title, item.title);
    const clock = startMs ? `, ${dateTime(startMs + item.atMs)}` : "";
    setText(this.#when, `${item.event?.type ?? item.kind} at ${duration(item.atMs, 3)}${clock}`.replaceAll("_", " "));
    this.#canvas.setAttribute("aria-label", `The display at ${duration(item.atMs, 1)}`);
    this.#act.paint(this.#canvas, item.atMs).then((isPainted) => {
      if (this.#item === item) this.#seen.hidden = !isPainted;
    }, () => { this.#seen.hidden = true; });
    if (!item.event) {
      this.#body.replaceChildren(element("p", {}, item.detail || "Nothing more was recorded of it."));
      return;
    }
    if (this.#body.dataset.event !== String(item.event.id)) this.#body.replaceChildren(element("p", { class: "quiet" }, "Loading"));
    await this.#load(item);
  }

  close() {
    if (this.#item === null) return;
    this.#item = null;
    this.element.hidden = true;
    this.#act.close();
  }

  async #load(item) {
    try {
      const event = await this.#act.event(item.event.id);
      if (this.#item !== item) return;
      this.#body.dataset.event = event.id;
      this.#body.replaceChildren(...this.#parts(event, item));
    } catch (error) {
      if (this.#item === item) this.#body.replaceChildren(element("p", { class: "fault", role: "alert" }, error.message));
    }
  }

  #parts(event, item) {
    const deliveries = event.deliveries ?? [];
    const retry = this.#act.retry && (async (sink) => {
      await this.#act.retry(event.id, sink);
      await this.#load(item);
    });
    if (deliveries.length === 0 && !this.#act.retry) return payloadOf(event); // a shared session tells nothing of sinks
    return [
      element("h3", {}, "Deliveries"),
      deliveries.length ? element("ul", { class: "deliveries" }, ...deliveries.map((one) => deliveryOf(one, retry)))
        : element("p", { class: "quiet" }, "No sink takes this event."),
      ...payloadOf(event),
    ];
  }
}

export function deliveryOf({ sink, state, status, answer, attempts, settled_ms: settledMs, next_try_ms: nextMs, payload, requests }, retry) {
  const note = element("span", { class: "fault", role: "alert" });
  const again = state === "dead" && retry
    ? button("Send again", async () => {
      again.disabled = true;
      try {
        await retry(sink);
      } catch (error) {
        setText(note, error.message);
        again.disabled = false;
      }
    }, { class: "button small", data: { needs: "operator" } }) : null;
  const shown = state === "waiting" && attempts ? "retry" : state;
  const when = settledMs ? time(settledMs) : nextMs && state === "waiting" ? `next try ${time(nextMs)}` : "";
  return element("li", { data: { state: shown } },
    element("div", { class: "delivery" },
      element("strong", {}, sink), element("span", { class: "chip", data: { state: shown } }, STATES[state] ?? state),
      element("span", { class: "quiet" }, [`${attempts ?? 0} ${attempts === 1 ? "try" : "tries"}`, when].filter(Boolean).join(", ")), again),
    element("code", { class: "answer" }, [status, answer].filter(Boolean).join(" ") || (state === "sent" ? "accepted" : "no answer yet")), note,
    payload ? ownPayloadOf(sink, payload) : null,
    requests ? requestsOf(sink, requests) : null);
}

// What rules made for this sink alone.
function ownPayloadOf(sink, payload) {
  return element("details", {}, element("summary", {}, `Rules gave ${sink} its own payload`),
    element("pre", { tabIndex: 0, "aria-label": `Payload for ${sink}` }, prettyJson(payload)));
}

// What a sink makes of the event, where that is not the payload itself. Today's mappings make it, without the key.
function requestsOf(sink, requests) {
  if (requests.length === 0) return element("p", { class: "quiet" }, "Its mappings make nothing of this event.");
  const count = requests.length === 1 ? "1 request" : `${requests.length} requests`;
  return element("details", {}, element("summary", {}, `What ${sink} gets: ${count}`),
    ...requests.flatMap(({ url, body }) => [element("code", { class: "answer" }, `POST ${url}`),
      element("pre", { tabIndex: 0, "aria-label": `Request to ${sink}` }, prettyJson(body))]));
}

export function payloadOf(event) {
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(event.payload);
      setText(copy, "Copied");
    } catch {
      setText(copy, "Select and copy by hand");
    }
  }, { class: "button small" });
  return [
    element("div", { class: "head" }, element("h3", {}, event.deliveries?.length ? "Payload, exactly as sent" : "Payload"), copy),
    element("pre", { tabIndex: 0, "aria-label": `Payload of ${event.event || event.type}` }, prettyJson(event.payload ?? "")),
  ];
}
