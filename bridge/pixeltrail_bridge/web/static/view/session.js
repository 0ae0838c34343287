// The page of one session: the player, and what can be done with the recording.

import { dateTime } from "../core/text.js";
import { remoteSource } from "../drivers/source.js";
import { button, element, icon, iconButton, setText } from "./dom.js";
import { Player } from "./player.js";
import { toast } from "./toast.js";

const REMEMBER_MS = 250;

export class SessionPage {
  #deviceId;
  #sessionId;
  #api;
  #session = null;
  #player;
  #heading = element("h1", {});
  #facts = element("p", { class: "quiet facts" });
  #star = iconButton("star", "Keep this session", () => this.#toggleStar(), { "aria-pressed": "false" });
  #actions;
  #timer = null;

  constructor(deviceId, sessionId, api) {
    this.#deviceId = deviceId;
    this.#sessionId = sessionId;
    this.#api = api;
    this.title = deviceId;
    setText(this.#heading, deviceId);
    const source = remoteSource("", deviceId, sessionId);
    this.#player = new Player(source, {
      moved: (ms, isPlaying) => isPlaying || this.#rememberSoon(ms),
      copy: (ms) => this.#copy(ms),
      help: async () => (await import("./help.js")).openHelp(),
      retry: api.retryEvent,
    });
    this.#actions = element("div", { class: "actions", hidden: true, data: { needs: "operator" } }, this.#star,
      action("share", "Share", () => this.#share()), action("download", "Download", () => this.#download()));
    this.element = element("div", { class: "session" },
      element("div", { class: "head title" },
        element("div", {}, element("nav", { class: "path", "aria-label": "Path" },
          element("a", { href: "/#/search" }, "Sessions"), " / ",
          element("a", { href: `/#/device/${encodeURIComponent(deviceId)}` }, deviceId)), this.#heading, this.#facts),
        this.#actions),
      this.#player.element);
    this.#open();
  }

  get player() {
    return this.#player;
  }

  update() {}

  close() {
    clearTimeout(this.#timer);
    this.#player.close();
  }

  async #open() {
    const asked = Number(new URLSearchParams(location.search).get("t"));
    try {
      await this.#player.open(Number.isFinite(asked) && asked > 0 ? asked * 1000 : null);
    } catch {
      return; // the player says it
    } finally {
      this.#session = this.#player.session;
    }
    this.#describe();
  }

  #describe() {
    const session = this.#session;
    const device = session.device ?? {};
    setText(this.#heading, device.name || session.device_id);
    document.title = `${device.name || session.device_id} – Pixeltrail`;
    const app = [device.app, device.app_version].filter(Boolean).join(" ");
    setText(this.#facts, [dateTime(session.start_ms), session.user_id, app, device.board, session.is_open ? "still going on" : ""]
      .filter(Boolean).join(" · "));
    this.#star.setAttribute("aria-pressed", String(Boolean(session.starred)));
    this.#actions.hidden = false;
  }

  // Dialogs are fetched when they are asked for.
  async #share() {
    const { openShare } = await import("./share.js");
    openShare(this.#api, this.#session, this.#player.clock.position);
  }

  async #download() {
    const { openDownload } = await import("./download.js");
    const { position: ms, durationMs, loop } = this.#player.clock;
    openDownload(this.#api, this.#session, { ms, durationMs, loop });
  }

  // Browsers refuse an address that changes with every move of a finger.
  #rememberSoon(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#remember(ms), REMEMBER_MS);
  }

  #remember(ms) {
    const address = new URL(location.href);
    if (ms > 0) address.searchParams.set("t", (ms / 1000).toFixed(3).replace(/\.?0+$/, ""));
    else address.searchParams.delete("t");
    history.replaceState(history.state, "", address);
  }

  async #copy(ms) {
    this.#remember(ms);
    try {
      await navigator.clipboard.writeText(location.href);
      toast("Link to this moment copied");
    } catch {
      toast("The link is in the address line");
    }
  }

  async #toggleStar() {
    const isStarred = !this.#session.starred;
    try {
      await this.#api.setStar(this.#deviceId, this.#sessionId, isStarred);
      this.#session.starred = isStarred;
      this.#star.setAttribute("aria-pressed", String(isStarred));
      toast(isStarred ? "Kept: no retention rule deletes this session" : "No longer kept");
    } catch (error) {
      toast(error.message);
    }
  }
}

function action(name, label, act) {
  const made = button(label, act);
  made.prepend(icon(name));
  return made;
}
