// The fleet: how the bridge is, what its sinks do, and a line for each device.

import { arrange, COLUMNS, firstOrder, isTroubled, row } from "../core/fleet.js";
import { ago, bytes, plural } from "../core/text.js";
import { button, element, setText } from "./dom.js";

const EVERY_MS = 5_000;
const PAGE = 200;
const NUMBERS = new Set(["sessions", "frames", "mixed", "backlog", "lost", "dead"]);

export class FleetPage {
  #api;
  #rows = [];
  #shown = PAGE;
  #order = { by: "device", down: false };
  #timer;
  #isClosed = false;
  #summary = element("p", { class: "quiet", role: "status" }, "Looking");
  #alerts = element("ul", { class: "alerts", "aria-label": "Alerts" });
  #parts = element("div", { class: "parts" });
  #text = element("input", { type: "search", maxLength: 80, autocomplete: "off", on: { input: () => this.#draw() } });
  #troubled = element("input", { type: "checkbox", on: { change: () => this.#draw() } });
  #heads = new Map();
  #body = element("tbody", {});
  #more = button("More", () => this.#showMore(), { hidden: true });
  #count = element("p", { class: "quiet", role: "status" });

  constructor(api, query) {
    this.#api = api;
    this.title = "Fleet";
    this.#text.value = query.get("text") ?? "";
    this.#troubled.checked = query.get("trouble") === "1";
    const heads = COLUMNS.map(([name, label]) => {
      const press = element("button", { type: "button", class: "sort", on: { click: () => this.#sort(name) } }, label);
      const head = element("th", { scope: "col", class: NUMBERS.has(name) ? "number" : "" }, press);
      this.#heads.set(name, head);
      return head;
    });
    this.element = element("div", {},
      element("div", { class: "head title" }, element("h1", {}, "Fleet"), this.#summary),
      this.#alerts, this.#parts,
      element("div", { class: "form-row" },
        element("label", { class: "wide" }, element("span", {}, "Device, app, board or state"), this.#text),
        element("label", { class: "check" }, this.#troubled, "Only with trouble")),
      element("div", { class: "audit fleet", role: "region", "aria-label": "Devices", tabIndex: 0 },
        element("table", {}, element("thead", {}, element("tr", {}, ...heads)), this.#body)),
      this.#count, this.#more);
    this.#load();
    this.#timer = setInterval(() => this.#load(), EVERY_MS);
  }

  update() {}

  close() {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  async #load() {
    try {
      const { bridge, devices } = await this.#api.fleet();
      if (this.#isClosed) return;
      this.#rows = devices.map(row);
      setText(this.#summary, `${plural(bridge.known, "device")}, ${bridge.online} online`);
      this.#tell(bridge);
      this.#draw();
    } catch (error) {
      setText(this.#summary, error.message);
    }
  }

  #tell(bridge) {
    this.#alerts.replaceChildren(...bridge.alerts.map(({ kind, text, since_ms: since }) =>
      element("li", { class: "alert", data: { alert: kind } }, text, element("span", { class: "quiet" }, ` ${ago(since, bridge.now_ms)}`))));
    const taking = bridge.role === "viewer" ? [["Accepting", "workers do, this is a viewer", true]] : [
      ["Accepting", bridge.ready ? "yes" : bridge.problem || "no", bridge.ready],
      ["Last commit", bridge.last_commit_ms ? ago(bridge.last_commit_ms, bridge.now_ms) : "none yet", true],
      ["Queue", plural(bridge.queued, "message"), bridge.queued < 1000],
    ];
    const facts = [
      ...taking,
      ["Replay behind", plural(bridge.lag_chunks, "chunk"), bridge.lag_chunks < 5000],
      ["Dead letters", String(bridge.dead_letters), bridge.dead_letters === 0],
      ["Database", bridge.database_bytes ? bytes(bridge.database_bytes) : "elsewhere", true],
      ["Room left", bridge.free_bytes === null ? "elsewhere" : bytes(bridge.free_bytes), bridge.free_bytes === null || bridge.free_bytes > 2 ** 28],
      ["Backup", bridge.backup_ms === null ? "not asked for" : bridge.backup_ms ? ago(bridge.backup_ms, bridge.now_ms) : "none yet", true],
    ];
    if (bridge.viewers_refused) facts.push(["Live views", `${bridge.viewers} open, ${bridge.viewers_refused.toLocaleString()} refused`, false]);
    this.#parts.replaceChildren(part("Bridge", facts),
      part("Sources", bridge.sources.map((source) => [source.name, describe(source), source.up])),
      ...bridge.sinks.map((sink) => part(sink.name, [
        ["Sink", sink.alarm || sink.state, !sink.alarm],
        ["Waiting", sink.waiting ? `${sink.waiting.toLocaleString()}, since ${ago(sink.oldest_ms, bridge.now_ms)}` : "nothing", sink.waiting < 1000],
        ["Sent", sink.sent.toLocaleString(), true],
        ["Refused", sink.dead.toLocaleString(), sink.dead === 0],
      ])));
  }

  #sort(by) {
    this.#order = this.#order.by === by ? { by, down: !this.#order.down } : { by, down: firstOrder(by) };
    this.#draw();
  }

  #showMore() {
    this.#shown += PAGE;
    this.#draw();
  }

  #draw() {
    const found = arrange(this.#rows, { text: this.#text.value, troubled: this.#troubled.checked, ...this.#order });
    for (const [name, head] of this.#heads) {
      if (name === this.#order.by) head.setAttribute("aria-sort", this.#order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const now = Date.now();
    this.#body.replaceChildren(...found.slice(0, this.#shown).map((one) => line(one, now)));
    this.#more.hidden = found.length <= this.#shown;
    const troubled = this.#rows.filter(isTroubled).length;
    setText(this.#count, this.#rows.length
      ? `${plural(found.length, "device")} shown, ${troubled} with trouble`
      : "No device has reported yet. A device appears here by itself as soon as it connects.");
  }
}

function describe({ up, detail, dropped = {} }) {
  const drops = Object.entries(dropped).map(([what, count]) => `${count.toLocaleString()} ${what}`);
  return [up ? "connected" : detail || "down", ...drops].join("; ");
}

function part(name, facts) {
  return element("section", { class: "card part", "aria-label": name }, element("h2", {}, name),
    element("dl", { class: "terms" }, ...facts.map(([term, value, isWell]) =>
      element("div", {}, element("dt", {}, term), element("dd", { class: isWell ? "" : "fault" }, value)))));
}

function line(one, now) {
  const number = (value, why = "", isBad = false) => element("td", { class: `number${isBad ? " fault" : ""}`, title: why }, value);
  const lost = one.lost ? `${one.refused.toLocaleString()} refused, ${plural(one.gaps, "gap")}` : "";
  return element("tr", { data: { device: one.id } },
    element("td", {}, element("a", { href: `/#/device/${encodeURIComponent(one.id)}` }, one.device)),
    element("td", {}, element("span", { class: "state", data: { state: one.state } }, one.state)),
    element("td", { class: "when" }, one.seen ? ago(one.seen, now) : "never"),
    element("td", { title: one.board }, one.app),
    number(one.sessions.toLocaleString()), number(one.frames.toLocaleString()),
    number(one.mixed ? `${(one.mixed * 100).toFixed(1)} %` : "0"),
    number(one.backlog.toLocaleString()), number(one.lost.toLocaleString(), lost), number(one.dead.toLocaleString(), "", one.dead > 0));
}
