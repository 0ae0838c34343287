// The page's core modules, which know neither DOM nor network. Run by test_core.py with `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";

const core = new URL("../../bridge/pixeltrail_bridge/web/static/core/", import.meta.url);
const load = (name) => import(new URL(`${name}.js`, core));
const { Clock, KEPT_MS, SPEEDS, trimIdle } = await load("clock");
const { Scale, rulerStep } = await load("scale");
const { Film, lastAtOrBefore, planReels } = await load("film");
const { parsePictures } = await load("pixels");
const marks = await load("marks");
const { commandOf, HELP } = await load("keys");
const { FIELDS, queryOf } = await load("query");
const text = await load("text");
const fleet = await load("fleet");

// --- clock ----------------------------------------------------------------------

test("time goes by at the speed that is set, and ends at the end", () => {
  const clock = new Clock(10_000);
  for (const speed of SPEEDS) {
    clock.seek(1_000);
    clock.setSpeed(speed);
    assert.equal(clock.after(100), 1_000 + 100 * speed);
  }
  clock.isPlaying = true;
  clock.goTo(clock.after(60_000));
  assert.equal(clock.position, 10_000);
  assert.equal(clock.isPlaying, false);
  clock.play();
  assert.equal(clock.position, 0, "playing at the end begins anew");
});

test("an unknown speed is 1, and the steps end at the ends of the list", () => {
  const clock = new Clock(1);
  clock.setSpeed(3);
  assert.equal(clock.speed, 1);
  for (let step = 0; step < 20; step += 1) clock.shift(1);
  assert.equal(clock.speed, 16);
  for (let step = 0; step < 20; step += 1) clock.shift(-1);
  assert.equal(clock.speed, 0.25);
});

test("idle stretches are jumped over but for their first moments", () => {
  const clock = new Clock(100_000, [[10_000, 50_000], [60_000, 60_400]]);
  clock.seek(9_000);
  assert.equal(clock.after(3_000), 12_000, "off by default");
  clock.skipsIdle = true;
  assert.equal(clock.after(1_000 + KEPT_MS), 10_000 + KEPT_MS);
  assert.equal(clock.after(1_000 + KEPT_MS + 10), 50_010);
  clock.seek(30_000);
  assert.equal(clock.after(1), 50_001);
  assert.deepEqual(trimIdle([[60_000, 60_400]]), [], "too short to jump");
});

test("an idle stretch up to the end ends the playing", () => {
  const clock = new Clock(20_000, [[10_000, 20_000]]);
  clock.skipsIdle = true;
  clock.seek(10_400);
  clock.isPlaying = true;
  clock.goTo(clock.after(10_000));
  assert.equal(clock.position, 20_000);
  assert.equal(clock.isPlaying, false);
});

test("a loop repeats, also one that lies within what is skipped", () => {
  const clock = new Clock(10_000, [[0, 9_000]]);
  clock.seek(2_000);
  clock.mark();
  clock.seek(1_000);
  clock.mark();
  assert.deepEqual(clock.loop, [1_000, Infinity], "an end before the start is a new start");
  clock.seek(3_000);
  clock.mark();
  assert.deepEqual(clock.loop, [1_000, 3_000]);
  assert.equal(clock.after(500), 1_500);
  clock.seek(2_000);
  assert.equal(clock.after(5_500), 1_500);
  clock.skipsIdle = true;
  assert.ok(clock.after(5_000) <= 10_000);
  clock.mark();
  assert.equal(clock.loop, null);
});

// --- scale ----------------------------------------------------------------------

test("places and moments are each other's inverse outside of cuts", () => {
  const scale = new Scale(100_000, [[10_000, 40_000], [50_000, 80_000]]);
  assert.equal(scale.playedMs, 40_000);
  for (const ms of [0, 5_000, 10_000, 40_001, 45_000, 80_001, 100_000]) assert.equal(scale.toReal(scale.toPlayed(ms)), ms);
  assert.equal(scale.toPlayed(25_000), 10_000, "a moment in a cut is where the cut is");
  assert.equal(scale.toShare(45_000), 15_000 / 40_000);
  assert.equal(scale.fromShare(1), 100_000);
  assert.equal(scale.fromShare(-1), 0);
  assert.equal(new Scale(0).toShare(0), 0);
});

test("a ruler has about as many steps as there is room for", () => {
  for (const span of [900, 5_000, 60_000, 3_600_000, 172_800_000]) {
    const steps = span / rulerStep(span, 10);
    assert.ok(steps <= 10, `${steps} steps in ${span} ms`);
  }
});

// --- film -----------------------------------------------------------------------

function message(at, { flags = 0, width = 2, height = 1, areas = [[0, 0, width, height]], value = 0 } = {}) {
  const bytes = 11 + areas.reduce((sum, [, , w, h]) => sum + 8 + w * h * 4, 0);
  const view = new DataView(new ArrayBuffer(4 + bytes));
  view.setUint32(0, bytes, true);
  view.setUint32(4, at, true);
  view.setUint8(8, flags);
  [width, height, areas.length].forEach((number, place) => view.setUint16(9 + 2 * place, number, true));
  let place = 15;
  for (const area of areas) {
    area.forEach((number, field) => view.setUint16(place + 2 * field, number, true));
    for (let byte = 0; byte < area[2] * area[3] * 4; byte += 1) view.setUint8(place + 8 + byte, value);
    place += 8 + area[2] * area[3] * 4;
  }
  return new Uint8Array(view.buffer);
}

function joined(...messages) {
  const all = new Uint8Array(messages.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of messages) {
    all.set(one, at);
    at += one.length;
  }
  return all.buffer;
}

test("pictures are read as they were written", () => {
  const [first, second] = parsePictures(joined(message(7, { flags: 5, value: 3 }), message(9, { flags: 2, areas: [[1, 0, 1, 1]] })));
  assert.deepEqual([first.atMs, first.isKey, first.isMixed, first.isWhole], [7, true, false, true]);
  assert.deepEqual([...first.areas[0].data], Array(8).fill(3));
  assert.deepEqual([second.atMs, second.isMixed, second.areas[0].x, second.width], [9, true, 1, 2]);
  assert.deepEqual(parsePictures(new ArrayBuffer(0)), []);
});

test("pictures that end early are refused", () => {
  const whole = joined(message(7));
  for (let size = 1; size < whole.byteLength; size += 1) {
    assert.throws(() => parsePictures(whole.slice(0, size)), /end early/, `${size} bytes`);
  }
});

test("reels are bounded in bytes, frames and time, and begin at frames", () => {
  const frames = Array.from({ length: 5_000 }, (_, at) => [at * 100, 0, 0.1]);
  const cuts = planReels(frames, 500_000, 320 * 240 * 4);
  assert.ok(cuts.length > 50);
  assert.ok(cuts.every((cut) => cut % 100 === 0));
  const still = planReels([[0, 1, 1]], 3_600_000, 1_000);
  assert.equal(still.length, 12, "an hour in which nothing happens");
  assert.ok(planReels(frames, 500_000, 1_000, true).length >= 24, "where not every frame is told, by time");
});

function filmOf(shown, { durationMs = 1_000, untilMs = () => Infinity, plan = null } = {}) {
  const asked = [];
  const film = new Film(async (from, to) => {
    const end = Math.min(to, untilMs(from));
    const standing = shown.filter((at) => at <= from).at(-1);
    const later = shown.filter((at) => at > from && at <= end);
    asked.push([from, to]);
    const first = standing === undefined ? [] : [message(standing, { flags: 4, value: standing % 251 })];
    return { buffer: joined(...first, ...later.map((at) => message(at, { value: at % 251 }))), untilMs: end };
  });
  film.plan(plan ?? shown.map((at) => [at, 0, 1]), { width: 2, height: 1, durationMs });
  return { film, asked };
}

test("steps lead on from what is painted, and from the start when going back", async () => {
  const { film } = filmOf([10, 20, 30, 40]);
  await film.load(25);
  const at = ({ pictures }) => pictures.map(({ atMs }) => atMs);
  assert.deepEqual(at(film.steps(5, null)), [], "nothing was shown yet");
  const there = film.steps(25, null);
  assert.deepEqual(at(there), [10, 20]);
  assert.deepEqual(at(film.steps(40, there.painted)), [30, 40]);
  assert.deepEqual(at(film.steps(39, there.painted)), [30]);
  assert.deepEqual(at(film.steps(25, there.painted)), []);
  assert.deepEqual(at(film.steps(12, there.painted)), [10]);
});

test("a still is asked for once, and a reel once for many who wait", async () => {
  const { film, asked } = filmOf([10, 20]);
  await Promise.all([film.load(1), film.load(15), film.load(20)]);
  assert.equal(asked.length, 1);
  await film.still(15.7);
  await film.still(15.2);
  assert.deepEqual(asked.slice(1), [[15, 15]]);
});

test("an answer that stops early is completed by another", async () => {
  const { film, asked } = filmOf([10, 400, 900], { untilMs: (from) => from + 499 });
  await film.load(0);
  assert.equal(film.has(499), true);
  assert.equal(film.has(900), false);
  await film.load(900);
  assert.deepEqual(film.steps(950, null).pictures.map(({ atMs }) => atMs), [400, 900]);
  assert.deepEqual(asked, [[0, 1_000], [500, 1_000]]);
});

test("frame steps cross reels and end at the ends", async () => {
  const shown = Array.from({ length: 950 }, (_, at) => 5 + at * 10);
  const { film, asked } = filmOf(shown, { durationMs: 10_000 });
  assert.equal(await film.step(4_004, 1), 4_005);
  assert.equal(await film.step(shown[399], 1), shown[400]);
  assert.equal(await film.step(shown[400], -1), shown[399]);
  assert.equal(await film.step(shown.at(-1), 1), null);
  assert.equal(await film.step(shown[0], -1), null);
  assert.ok(asked.length >= 2);
});

test("a reel that could not be had is asked for again", async () => {
  let fails = true;
  const film = new Film(async () => {
    if (fails) throw new Error("The bridge cannot be reached.");
    return { buffer: joined(message(0, { flags: 4 })), untilMs: Infinity };
  });
  await assert.rejects(film.load(0), /cannot be reached/);
  fails = false;
  await film.load(0);
  assert.equal(film.has(0), true);
});

test("the last picture at or before a moment", () => {
  const pictures = [10, 20, 20, 30].map((atMs) => ({ atMs }));
  assert.deepEqual([5, 10, 19, 20, 35].map((ms) => lastAtOrBefore(pictures, ms)), [-1, 0, 0, 2, 3]);
});

// --- marks ----------------------------------------------------------------------

const touch = (atMs, phase, x, y) => ({ at_ms: atMs, kind: "touch", values: { phase, x, y } });
const EMPTY = { marks: [], gaps: [] };

test("touches become what a finger did", () => {
  const items = marks.foldTouches([
    touch(0, "down", 5, 5), touch(80, "up", 5, 6),
    touch(1_000, "down", 1, 1), touch(1_100, "move", 30, 1), touch(1_200, "up", 60, 1),
    touch(2_000, "down", 9, 9), touch(2_900, "up", 9, 9),
    touch(3_000, "down", null, null), touch(3_050, "up", null, null),
    touch(4_000, "down", 7, 7),
  ]);
  assert.deepEqual(items.map(({ title, detail }) => [title, detail]), [
    ["Tap", "5, 5"], ["Drag", "1, 1 → 60, 1"], ["Hold", "9, 9"], ["Touch", "in a masked area"], ["Tap", "7, 7"],
  ]);
  assert.deepEqual(marks.touchesAt(items, 1_150).map(({ x, trail }) => [x, trail.length]), [[30, 2]]);
  assert.equal(marks.touchesAt(items, 400)[0].gone > 0, true);
  assert.deepEqual(marks.touchesAt(items, 3_650), [], "a masked touch has no place");
  assert.equal(marks.touchesAt(items, 9_000).length, 1, "a finger that never left");
});

test("events, marks and gaps are one list in the order of time", () => {
  const timeline = {
    marks: [
      { at_ms: 50, kind: "log", values: { level: 1, text: "boom" } }, { at_ms: 10, kind: "key", values: { name: "a", state: "down" } },
      { at_ms: 60, kind: "vitals", values: { heap: 1 } }, { at_ms: 70, kind: "masks", values: { rectangles: [] } },
      { at_ms: 71, kind: "opt_out", values: { opted_out: true } }, { at_ms: 72, kind: "unknown_area", values: { x: 1, y: 2, width: 3, height: 4 } },
      { at_ms: 73, kind: "something new", values: {} },
    ],
    gaps: [{ at_ms: 30, end_ms: 40, reason: "outbox full", frames: 1, inputs: 0, calls: 2 }],
  };
  const events = [{ id: 4, at_ms: 20, type: "screen", event: "Home", deliveries: [{ state: "dead" }] }];
  const items = marks.buildItems(timeline, events);
  assert.deepEqual(items.map(({ group, title }) => `${group}: ${title}`), [
    "inputs: Key a", "screens: Home", "notes: Gap", "logs: boom", "notes: Masks changed", "notes: Opted out",
    "notes: Part of the display cannot be seen",
  ]);
  assert.equal(items[2].detail, "outbox full: 1 frame, 2 calls");
  assert.equal(items[1].isBad, true);
  assert.deepEqual(marks.filterItems(items, new Set(["logs", "notes"]), "MASK").map(({ title }) => title), ["Masks changed"]);
  assert.equal(marks.neighbour(items, 20, 1).title, "Gap");
  assert.equal(marks.neighbour(items, 1_000, -1).atMs, 72);
  assert.equal(marks.neighbour(items, 1_000, 1), null);
  assert.deepEqual([5, 10, 45, 99].map((ms) => marks.currentIndex(items, ms)), [-1, 0, 2, 6]);
  assert.deepEqual(marks.buildItems(EMPTY), []);
});

test("vitals as they were at a moment", () => {
  const vitals = [{ at_ms: 1, values: { heap_free: 9, rssi: -60 } }, { at_ms: 5, values: { heap_free: 7 } }];
  assert.deepEqual(marks.vitalsAt(vitals, 4), { heap_free: 9, rssi: -60 });
  assert.deepEqual(marks.vitalsAt(vitals, 5), { heap_free: 7, rssi: -60 });
  assert.deepEqual(marks.vitalNames(vitals), ["heap_free", "rssi"]);
});

// --- the rest -------------------------------------------------------------------

test("every key that the help names does something, and others are left alone", () => {
  const press = (key, more = {}) => commandOf({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more });
  const keys = HELP.flatMap(([names]) => names.split(" ")).filter((key) => !["or", "to"].includes(key));
  const real = { Space: " ", "←": "ArrowLeft", "→": "ArrowRight", "−": "-" };
  for (const key of keys) assert.ok(press(real[key] ?? key), `${key} does nothing`);
  assert.equal(press("k", { ctrlKey: true }), null);
  assert.equal(press("x"), null);
  assert.deepEqual(press("7"), ["share", 0.7]);
  assert.deepEqual(press("ArrowLeft", { shiftKey: true }), ["by", -1_000]);
});

test("a form becomes a question", () => {
  const asked = new URLSearchParams({ q: "a&b", from: "2026-01-02T03:04", to: "nonsense", starred: "1", other: "x" });
  const query = queryOf(asked);
  assert.equal(query.get("from"), String(new Date(2026, 0, 2, 3, 4).getTime()));
  assert.deepEqual([...query.keys()].sort(), ["from", "q", "starred"]);
  assert.equal(new Set(FIELDS.map(({ name }) => name)).size, FIELDS.length);
});

test("numbers as words", () => {
  assert.deepEqual([0, 999, 65_432, 3_723_000].map((ms) => text.duration(ms)), ["0:00", "0:00", "1:05", "1:02:03"]);
  assert.deepEqual([text.duration(12_345, 1), text.duration(12_345, 3), text.duration(1_001, 3)], ["0:12.3", "0:12.345", "0:01.001"]);
  assert.deepEqual([0, 61_000, 3_600_000].map(text.spoken), ["0 seconds", "1 minute 1 second", "1 hour"]);
  assert.deepEqual([12, 1_234, 12_345_678].map(text.bytes), ["12 B", "1.2 KB", "12 MB"]);
  assert.deepEqual([99_000, 70_000, 0].map((ms) => text.ago(ms, 100_000)), ["just now", "30 s ago", "–"]);
  assert.equal(text.prettyJson("{broken"), "{broken");
});

// --- fleet ----------------------------------------------------------------------

const oven = { device_id: "oven-7", app: "Bake", app_version: "2", online: true, last_seen_ms: 5, frames: 200, mixed: 3 };
const lamp = { device_id: "lamp-10", board: "Pico W", online: false, last_seen_ms: 9, backlog: 4, dropped: { frames: 2, calls: 1 }, gaps: 1 };
const door = { device_id: "lamp-9", opted_out: true, online: true, last_seen_ms: 7, dead_letters: 2 };

test("a device of the fleet is a row, and what needs a person is told from what does not", () => {
  const rows = [oven, lamp, door].map(fleet.row);
  assert.deepEqual(rows.map(({ state }) => state), ["online", "offline", "opted out"]);
  assert.deepEqual([rows[0].mixed, rows[1].lost, rows[2].dead], [0.015, 4, 2]);
  assert.deepEqual(rows.map(fleet.isTroubled), [false, true, true]);
});

test("the fleet is found by any of its words and put into any order", () => {
  const rows = [oven, lamp, door].map(fleet.row);
  const ids = (options) => fleet.arrange(rows, options).map(({ id }) => id);
  assert.deepEqual(ids({}), ["lamp-9", "lamp-10", "oven-7"], "numbers in names count as numbers");
  assert.deepEqual(ids({ text: "BAKE on" }), ["oven-7"]);
  assert.deepEqual(ids({ text: "pico offline" }), ["lamp-10"]);
  assert.deepEqual(ids({ troubled: true }), ["lamp-9", "lamp-10"]);
  assert.deepEqual(ids({ by: "seen", down: true }), ["lamp-10", "lamp-9", "oven-7"]);
  assert.deepEqual(ids({ by: "frames", down: fleet.firstOrder("frames") })[0], "oven-7");
  assert.deepEqual(ids({ text: "nothing like it" }), []);
  for (const [name] of fleet.COLUMNS) assert.equal(ids({ by: name }).length, 3);
});
