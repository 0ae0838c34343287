// Draws the lanes of the timeline on a canvas. Everything it needs comes in; it knows no element.

import { rulerStep } from "../core/scale.js";
import { duration } from "../core/text.js";

export const LANES = [
  { name: "changes", label: "Picture", height: 34, small: 30 },
  { name: "events", label: "Events", height: 20, small: 18 },
  { name: "inputs", label: "Inputs", height: 18, small: 16 },
  { name: "logs", label: "Logs", height: 14, small: 14 },
  { name: "vitals", label: "Vitals", height: 26, small: 22 },
];
const RULER_PX = 20;
const LEVELS = ["bad", "bad", "warn", "log", "log"]; // of a log line, when it is a number: off, error, warn, ...
const WORDS = { error: "bad", critical: "bad", warn: "warn", warning: "warn" };

// Top and height of each lane that has something to show.
export function laneTops({ items, vitals, vital }, isSmall) {
  const groups = new Set(items.map((item) => item.group));
  const isShown = { changes: true, events: groups.has("events") || groups.has("screens") || groups.has("notes"),
    inputs: groups.has("inputs"), logs: groups.has("logs"), vitals: vitals.length > 1 && vital !== null };
  const tops = { height: RULER_PX };
  for (const { name, height, small } of LANES) {
    if (!isShown[name]) continue;
    tops[name] = { top: tops.height, height: isSmall ? small : height };
    tops.height += tops[name].height;
  }
  return tops;
}

export function drawTimeline(context, scene) {
  const { tops, width } = scene;
  context.clearRect(0, 0, width, tops.height);
  drawIdle(context, scene);
  drawRuler(context, scene);
  drawChanges(context, scene);
  if (tops.vitals) drawVitals(context, scene);
  for (const item of scene.items) drawItem(context, scene, item);
  drawGaps(context, scene);
  drawSeams(context, scene);
}

function drawIdle(context, { idle, x, tops, color }) {
  context.fillStyle = color.idle;
  for (const [from, to] of idle) {
    const left = x(from);
    const wide = x(to) - left;
    if (wide > 0.5) context.fillRect(left, RULER_PX, wide, tops.height - RULER_PX);
  }
}

function drawRuler(context, { x, ms, tops, color, width, spanMs }) {
  const step = rulerStep(spanMs, Math.max(2, width / 76));
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  const last = ms(width);
  let free = -Infinity;
  for (let at = Math.ceil(ms(0) / step) * step; at <= last; at += step) {
    const left = Math.round(x(at)) + 0.5;
    if (left < free) continue;
    context.fillStyle = color.line;
    context.fillRect(left - 0.5, RULER_PX - 4, 1, tops.height);
    const text = duration(at);
    const wide = context.measureText(text).width;
    if (left + wide > width) continue;
    context.fillStyle = color.soft;
    context.fillText(text, left + (at ? 4 : 0), RULER_PX / 2 - 1);
    free = left + wide + 12;
  }
}

function drawChanges(context, { frames, keyframes, x, tops, color, width }) {
  const { top, height } = tops.changes;
  const bottom = top + height - 1;
  context.fillStyle = color.line;
  context.fillRect(0, bottom, width, 1);
  const columns = new Map(); // x -> [height, is mixed]
  for (const [at, flags, share] of frames) {
    const left = Math.round(x(at));
    if (left < 0 || left > width) continue;
    const high = 3 + Math.sqrt(Math.min(1, share)) * (height - 9);
    const old = columns.get(left) ?? [0, false];
    columns.set(left, [Math.max(old[0], high), old[1] || (flags & 2) !== 0]);
  }
  for (const [left, [high, isMixed]] of columns) {
    context.fillStyle = isMixed ? color.warn : color.accent;
    context.globalAlpha = isMixed ? 1 : 0.72;
    context.fillRect(Math.min(left, width - 1.5), bottom - high, 1.5, high);
    if (isMixed) context.fillRect(left - 1, top, 3.5, 3.5);
  }
  context.globalAlpha = 1;
  context.fillStyle = color.ink;
  for (const at of keyframes) {
    const left = x(at);
    if (left >= -1 && left <= width) context.fillRect(Math.min(left, width - 1.5), bottom - 2, 1.5, 5);
  }
}

function drawVitals(context, { vitals, vital, x, tops, color, width }) {
  const { top, height } = tops.vitals;
  const points = vitals.filter(({ values }) => typeof values[vital] === "number").map(({ at_ms: at, values }) => [at, values[vital]]);
  if (points.length < 2) return;
  const all = points.map(([, value]) => value);
  const [low, high] = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
  const y = (value) => top + height - 5 - (high > low ? (value - low) / (high - low) : 0.5) * (height - 10);
  context.strokeStyle = color.vital;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const [at, value] of points) context.lineTo(x(at), y(value));
  context.lineTo(width, y(points.at(-1)[1]));
  context.stroke();
}

function drawItem(context, { x, tops, color, width }, item) {
  const left = x(item.atMs);
  if (left < -8 || left > width + 8 || item.kind === "gap") return;
  const at = Math.min(Math.max(left, 4), width - 4);
  const lane = tops[{ screens: "events", notes: "events" }[item.group] ?? item.group];
  if (!lane) return;
  const middle = lane.top + lane.height / 2;
  if (item.group === "inputs") {
    context.fillStyle = color.touch;
    const right = Math.min(x(item.endMs), width);
    if (item.kind === "key") context.fillRect(at - 2.5, middle - 4, 5, 8);
    else round(context, at - 2, middle - 2.5, Math.max(5, right - left + 4), 5);
  } else if (item.group === "logs") {
    context.fillStyle = color[WORDS[item.detail] ?? LEVELS[item.detail] ?? "log"];
    context.fillRect(at - 1.5, middle - 4, 3, 8);
  } else {
    context.fillStyle = item.isBad ? color.bad : item.group === "notes" ? color.soft : color.ink;
    context.strokeStyle = color.paper;
    drawSign(context, item.kind, at, middle);
  }
}

// A shape for each kind, so that colour is not all that tells them apart.
function drawSign(context, kind, x, y) {
  context.beginPath();
  if (kind === "screen" || kind === "page") context.rect(x - 4, y - 4, 8, 8);
  else if (kind === "track") context.arc(x, y, 4, 0, 2 * Math.PI);
  else {
    for (const [dx, dy] of [[0, -5], [5, 0], [0, 5], [-5, 0]]) context.lineTo(x + dx, y + dy);
    context.closePath();
  }
  context.lineWidth = 2;
  context.stroke(); // sets it off from its neighbours
  context.fill();
}

function round(context, x, y, width, height) {
  context.beginPath();
  context.roundRect(x, y, width, height, height / 2);
  context.fill();
}

function drawGaps(context, { gaps, x, tops, color }) {
  for (const { at_ms: from, end_ms: to } of gaps) {
    const left = x(from);
    const wide = Math.max(3, x(to ?? from) - left);
    context.fillStyle = color.bad;
    context.globalAlpha = 0.22;
    context.fillRect(left, RULER_PX, wide, tops.height - RULER_PX);
    context.globalAlpha = 1;
    context.fillRect(left, RULER_PX, wide, 3);
  }
}

function drawSeams(context, { seams, x, tops, color, width }) {
  context.strokeStyle = color.soft;
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  for (const at of seams) {
    const left = Math.round(x(at)) + 0.5;
    if (left < 0 || left > width) continue;
    context.beginPath();
    context.moveTo(left, RULER_PX);
    context.lineTo(left, tops.height);
    context.stroke();
  }
  context.setLineDash([]);
}
