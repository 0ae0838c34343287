// Where the player gets a session from: here the bridge. Anything with these methods will do, see docs/viewer.md.
//
//   session()               {device_id, session_id, start_ms, is_open, user_id, device, display, ...}
//   timeline()              frames, keyframes, marks, gaps, idle and vitals
//   events()                all events of the session, oldest first
//   event(id)               one event with its exact payload and what the sinks answered
//   pixels(from, to)        {buffer, untilMs}: pictures as core/pixels.js reads them, complete up to `untilMs`
//   frame(ms, width)        address of a picture for hovering, or null: the player then paints one itself

import { getJson, getPixels } from "./api.js";

const PAGE = 500;

export function remoteSource(base, deviceId, sessionId) {
  const here = `${base}/api/sessions/${encodeURIComponent(deviceId)}/${encodeURIComponent(sessionId)}`;
  return {
    session: () => getJson(here),
    timeline: () => getJson(`${here}/timeline`),
    async events() {
      const found = [];
      for (;;) {
        const after = found.length ? `&after=${encodeURIComponent(found.at(-1).id)}` : "";
        const { events } = await getJson(`${here}/events?limit=${PAGE}${after}`);
        found.push(...events);
        if (events.length < PAGE) return found;
      }
    },
    event: (id) => getJson(`${base}/api/events/${encodeURIComponent(id)}`),
    pixels: (from, to) => getPixels(`${here}/pixels?from=${Math.floor(from)}&to=${Math.ceil(to)}`, to),
    frame: (ms, width) => `${here}/frame?t=${Math.floor(ms)}&width=${width}`,
  };
}
