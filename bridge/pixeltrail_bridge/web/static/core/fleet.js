// The fleet as a table: which devices to show, and in which order. No DOM, no network.

import { losses } from "./text.js";

export const COLUMNS = [
  ["device", "Device"],
  ["state", "State"],
  ["seen", "Last heard"],
  ["app", "App"],
  ["sessions", "Sessions"],
  ["frames", "Frames"],
  ["mixed", "Mixed"],
  ["backlog", "Waiting"],
  ["lost", "Lost"],
  ["dead", "Dead letters"],
];
const HIGHEST_FIRST = new Set(["sessions", "frames", "mixed", "backlog", "lost", "dead"]);

// A device's row. `lost`: frames, inputs and calls it had no room for, and gaps.
export function row(device) {
  const found = Object.fromEntries(losses(device).map(([label, count]) => [label, count]));
  const frames = device.frames ?? 0;
  return {
    id: device.device_id,
    device: device.name || device.device_id,
    state: device.opted_out ? "opted out" : device.online ? "online" : "offline",
    seen: device.last_seen_ms ?? 0,
    app: [device.app, device.app_version].filter(Boolean).join(" "),
    board: device.board ?? "",
    sessions: device.sessions ?? 0,
    frames,
    mixed: frames ? (device.mixed ?? 0) / frames : 0,
    backlog: device.backlog ?? 0,
    lost: found.refused + found.gaps,
    dead: found["dead letters"],
    refused: found.refused,
    gaps: found.gaps,
    quota: found["over quota"] ?? 0,
  };
}

// Something a person may want to look at.
export function isTroubled({ state, backlog, lost, dead, quota }) {
  return state === "offline" || backlog > 0 || lost > 0 || dead > 0 || quota > 0;
}

export function arrange(rows, { text = "", troubled = false, by = "device", down = false } = {}) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (one) => {
    const all = `${one.device} ${one.id} ${one.state} ${one.app} ${one.board}`.toLowerCase();
    return words.every((word) => all.includes(word)) && (!troubled || isTroubled(one));
  };
  const sign = down ? -1 : 1;
  return rows.filter(fits).sort((a, b) => sign * compare(a[by], b[by]) || compare(a.device, b.device));
}

export function firstOrder(by) {
  return HIGHEST_FIRST.has(by);
}

function compare(a, b) {
  return typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
}
