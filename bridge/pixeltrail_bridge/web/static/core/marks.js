// What happened in a session, as one list for the timeline and the list beside it. No DOM.
//
// An item: {id, atMs, endMs, group, kind, title, detail, event}. `group` is what a person filters by, `event` the row of
// the API for calls and null for everything else. Touches are folded into what a finger did: a tap, a hold or a drag.

export const GROUPS = ["events", "screens", "inputs", "logs", "notes"];
const CALLS = new Set(["track", "screen", "page", "identify", "group", "alias"]);
const HOLD_MS = 600;
const DRAG_PX = 6;
const TOUCH_KEPT_MS = 700; // a touch is still to be seen after the finger has left
const MOST_FINGERS = 12; // that are looked at for one picture

export function buildItems(timeline, events = []) {
  const items = events.map(eventItem);
  items.push(...foldTouches(timeline.marks));
  for (const [number, mark] of timeline.marks.entries()) {
    const item = markItem(mark, number);
    if (item) items.push(item);
  }
  for (const [number, gap] of timeline.gaps.entries()) items.push(gapItem(gap, number));
  return items.sort((a, b) => a.atMs - b.atMs || a.id.localeCompare(b.id));
}

export function eventItem(event) {
  const group = event.type === "screen" || event.type === "page" ? "screens" : "events";
  const states = event.deliveries ?? [];
  return {
    id: `event-${event.id}`, atMs: event.at_ms, endMs: event.at_ms, group,
    kind: CALLS.has(event.type) ? event.type : "track",
    title: event.event || event.type, detail: "", event,
    isBad: states.some(({ state }) => state === "dead"),
  };
}

function markItem({ at_ms: atMs, kind, values = {} }, number) {
  const make = (group, title, detail = "") =>
    ({ id: `mark-${number}`, atMs, endMs: atMs, group, kind, title, detail, event: null });
  switch (kind) {
    case "key": return make("inputs", `Key ${values.name ?? ""}`.trim(), String(values.state ?? ""));
    case "log": return { ...make("logs", String(values.text ?? ""), String(values.level ?? "")) };
    case "masks": return make("notes", "Masks changed");
    case "unknown_area": return make("notes", "Part of the display cannot be seen", areaText(values));
    case "opt_out": return make("notes", values.opted_out === false ? "Opt-out lifted" : "Opted out");
    case "display": return make("notes", "Display", [values.width, values.height].filter(Boolean).join(" × "));
    case "session_start": return make("notes", "Session started");
    case "session_end": return make("notes", "Session ended");
    default: return null; // touches and vitals are told elsewhere; gaps have a list of their own
  }
}

function areaText({ x, y, width, height }) {
  return width ? `${width} × ${height} at ${x}, ${y}` : "";
}

function gapItem(gap, number) {
  const counts = [["frames", "frame"], ["inputs", "input"], ["calls", "call"]]
    .filter(([name]) => gap[name]).map(([name, one]) => `${gap[name]} ${gap[name] === 1 ? one : name}`);
  return {
    id: `gap-${number}`, atMs: gap.at_ms, endMs: gap.end_ms ?? gap.at_ms, group: "notes", kind: "gap",
    title: "Gap", detail: [gap.reason, counts.join(", ")].filter(Boolean).join(": "), event: null, isBad: true,
  };
}

export function foldTouches(marks) {
  const items = [];
  let open = null;
  for (const [number, { at_ms: atMs, kind, values }] of marks.entries()) {
    if (kind !== "touch") continue;
    const { phase, x = null, y = null } = values;
    if (phase === "down" || open === null) {
      open = { id: `touch-${number}`, atMs, endMs: atMs, group: "inputs", kind: "touch", event: null, points: [] };
      items.push(open);
    }
    open.endMs = atMs;
    if (x !== null && y !== null) open.points.push([atMs, x, y]);
    open.isOver = phase === "up";
    if (open.isOver) open = null;
  }
  for (const item of items) Object.assign(item, touchWords(item));
  return items;
}

function touchWords({ points, atMs, endMs }) {
  if (points.length === 0) return { title: "Touch", detail: "in a masked area" };
  const [[, x, y], [, toX, toY]] = [points[0], points.at(-1)];
  if (Math.hypot(toX - x, toY - y) > DRAG_PX) return { title: "Drag", detail: `${x}, ${y} → ${toX}, ${toY}` };
  return { title: endMs - atMs > HOLD_MS ? "Hold" : "Tap", detail: `${x}, ${y}` };
}

// Touches to be seen at a moment, of touch items in order: where, the way they came, how long they have been there
// and how much of their fading is over (0 while the finger is down).
export function touchesAt(touches, ms) {
  const found = [];
  const last = currentIndex(touches, ms);
  for (const item of touches.slice(Math.max(0, last - MOST_FINGERS), last + 1)) {
    const trail = item.points.filter(([at]) => at <= ms).map(([, x, y]) => [x, y]);
    const gone = item.isOver ? Math.max(0, ms - item.endMs) / TOUCH_KEPT_MS : 0;
    if (trail.length === 0 || gone > 1) continue;
    const [x, y] = trail.at(-1);
    found.push({ x, y, trail, ageMs: ms - item.atMs, gone });
  }
  return found;
}

export function filterItems(items, groups, text = "") {
  const wanted = text.trim().toLowerCase();
  return items.filter((item) => groups.has(item.group)
    && (!wanted || `${item.title} ${item.detail} ${item.kind}`.toLowerCase().includes(wanted)));
}

// The item before or after a moment. Going back from just behind one leads to the one before it.
export function neighbour(items, ms, step) {
  const slack = step < 0 ? 250 : 0;
  if (step > 0) return items.find((item) => item.atMs > ms) ?? null;
  return items.findLast((item) => item.atMs < ms - slack) ?? null;
}

// Index of the last item at or before a moment, -1 before the first.
export function currentIndex(items, ms) {
  let low = -1;
  let high = items.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (items[middle].atMs <= ms) low = middle;
    else high = middle - 1;
  }
  return low;
}

// The values of the vitals that were the newest at a moment, each by its name.
export function vitalsAt(vitals, ms) {
  const found = {};
  for (const { at_ms: at, values } of vitals) {
    if (at > ms) break;
    Object.assign(found, values);
  }
  return found;
}

// Names of vitals that changed at least once, the telling ones first.
export function vitalNames(vitals) {
  const first = ["heap_free", "free_heap", "rssi", "battery", "longest_step_us", "longest_step"];
  const seen = new Map();
  for (const { values } of vitals) {
    for (const [name, value] of Object.entries(values)) {
      if (typeof value === "number") seen.set(name, (seen.get(name) ?? new Set()).add(value));
    }
  }
  const rank = (name) => (first.includes(name) ? first.indexOf(name) : first.length);
  return [...seen].sort((a, b) => rank(a[0]) - rank(b[0]) || b[1].size - a[1].size).map(([name]) => name);
}
