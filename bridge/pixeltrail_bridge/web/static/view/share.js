// The dialog that makes links to a session for people without access, and takes them back.

import { dateTime } from "../core/text.js";
import { copyLine, openDialog } from "./dialog.js";
import { button, element, setText } from "./dom.js";

const HOUR_S = 3_600;
const TIMES = [["1 hour", HOUR_S], ["1 day", 24 * HOUR_S], ["7 days", 168 * HOUR_S], ["30 days", 720 * HOUR_S]];

export function openShare(api, { device_id: deviceId, session_id: sessionId }, ms) {
  const times = element("select", { "aria-label": "The link works for" },
    ...TIMES.map(([label, seconds]) => element("option", { value: String(seconds) }, label)));
  times.value = String(TIMES[2][1]);
  const isAt = element("input", { type: "checkbox", checked: ms > 1_000 });
  const made = element("div", { class: "made", role: "status" });
  const fault = element("p", { class: "fault", role: "alert" });
  const list = element("ul", { class: "shares" });
  const none = element("p", { class: "quiet" }, "No link leads here.");

  async function refresh() {
    const shares = (await api.shares(deviceId, sessionId)).filter(({ holds }) => holds !== false);
    none.hidden = shares.length > 0;
    list.replaceChildren(...shares.map((share) => shareRow(share)));
  }

  function shareRow(share) {
    const revoke = button("Revoke", guarded(async () => {
      await api.revokeShare(share.id);
      made.replaceChildren();
      await refresh();
    }), { class: "button small danger" });
    const until = share.expires_ms ? `Until ${dateTime(share.expires_ms)}` : "Does not expire";
    return element("li", {}, element("span", {}, until), revoke);
  }

  function guarded(act) {
    return async () => {
      setText(fault, "");
      try {
        await act();
      } catch (error) {
        setText(fault, error.message);
      }
    };
  }

  const make = button("Make a link", guarded(async () => {
    const share = await api.makeShare(deviceId, sessionId, Number(times.value));
    const at = isAt.checked ? `?t=${(ms / 1000).toFixed(1)}` : "";
    const [url, embed] = [share.url, share.embed_url].map((address) => new URL(address, location.href).href + at);
    made.replaceChildren(copyLine("Link", url), copyLine("To embed in a page",
      `<iframe src="${embed}" width="720" height="560" style="max-width:100%;border:0" allow="fullscreen" title="Recording"></iframe>`));
    await refresh();
  }), { class: "button primary" });

  openDialog("Share this session",
    element("p", { class: "quiet" }, "Whoever has the link sees this one session: the picture, and what happened in it."),
    element("div", { class: "form-row" }, element("label", {}, element("span", {}, "The link works for"), times), make),
    element("label", { class: "check" }, isAt, "Begin at the moment that is shown now"),
    fault, made, element("h3", {}, "Links that work"), none, list);
  guarded(refresh)();
}
