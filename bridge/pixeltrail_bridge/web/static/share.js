// The page behind a share link, and the same in another site's frame: one session, nothing else of the bridge.

import { dateTime } from "./core/text.js";
import { getJson } from "./drivers/api.js";
import { remoteSource } from "./drivers/source.js";
import { element } from "./view/dom.js";
import { openHelp } from "./view/help.js";
import { Player } from "./view/player.js";

const page = document.getElementById("page");
const [, place, token] = location.pathname.split("/");
const isEmbedded = place === "embed";
document.body.classList.add(isEmbedded ? "embedded" : "shared");

async function open() {
  const base = `/${place}/${token}`;
  const session = await getJson(`${base}/api/session`);
  const source = { ...remoteSource(base, session.device_id, session.session_id), session: async () => session };
  const player = new Player(source, { hasPanel: !isEmbedded, help: isEmbedded ? undefined : openHelp });
  const name = session.device?.name || session.device_id;
  const facts = [dateTime(session.start_ms), session.device?.board].filter(Boolean).join(" · ");
  const until = session.expires_ms ? `This link works until ${dateTime(session.expires_ms)}.` : "";
  document.title = `${name} – Pixeltrail`;
  globalThis.pixeltrail = { player };
  page.replaceChildren(
    isEmbedded ? element("h1", { class: "unseen" }, name)
      : element("div", { class: "head title" }, element("div", {}, element("h1", {}, name), element("p", { class: "quiet facts" }, facts)),
        element("p", { class: "quiet" }, until)),
    player.element,
  );
  const asked = Number(new URLSearchParams(location.search).get("t"));
  await player.open(Number.isFinite(asked) && asked > 0 ? asked * 1000 : null).catch(() => {}); // the player says it
}

open().catch((error) => {
  const text = error.status === 404 || error.status === 410 || error.status === 403
    ? "This link leads nowhere: it has expired or was taken back." : error.message;
  page.replaceChildren(element("p", { class: "empty", role: "alert" }, text));
});
