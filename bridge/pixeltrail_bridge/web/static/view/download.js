// The dialog that exports a session to a file: what it is good for, its options, progress, and the file at the end.

import { bytes, duration } from "../core/text.js";
import { openDialog } from "./dialog.js";
import { button, element, setText } from "./dom.js";

const WATCH_MS = 400;
const FORMATS = {
  png: ["Picture (PNG)", "The display at the moment that is shown now", ["scale", "frame", "touches"]],
  gif: ["Animation (GIF)", "Plays everywhere, also in a chat or an issue", ["range", "scale", "skip_idle", "frame", "touches", "captions"]],
  mp4: ["Video (MP4)", "For slides and messages", ["range", "scale", "skip_idle", "frame", "touches", "captions", "lossless"]],
  html: ["Page that plays by itself (HTML)", "One file with this player in it; needs no network", ["range"]],
  rrweb: ["rrweb events (JSON)", "For rrweb-player and tools that read its format", ["range"]],
  ptr: ["Recording (.ptr)", "What the device sent, byte for byte; pixeltrail play reads it", []],
  jsonl: ["Events (JSON lines)", "One event a line, as it was sent", []],
};

export function openDownload(api, session, { ms, durationMs, loop }) {
  const offered = (session.formats ?? Object.keys(FORMATS)).filter((format) => FORMATS[format]);
  const inputs = new Map();
  const options = element("div", { class: "options" });
  const progress = element("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const note = element("p", { role: "status" });
  const fault = element("p", { class: "fault", role: "alert" });
  const result = element("div", { class: "export-state", hidden: true }, progress, note);
  let format = offered[0];
  let isOpen = true;
  let running = null; // the ID of the export that is being made

  const choices = element("div", { class: "choices", role: "radiogroup", "aria-label": "Format" }, ...offered.map((name) => {
    const input = element("input", { type: "radio", name: "format", value: name, checked: name === format,
      on: { change: () => choose(name) } });
    return element("label", { class: "choice" }, input, element("span", {}, element("strong", {}, FORMATS[name][0]),
      element("span", { class: "quiet" }, FORMATS[name][1])));
  }));

  function choose(name) {
    format = name;
    inputs.clear();
    options.replaceChildren(...FORMATS[name][2].map((option) => optionRow(option, inputs, { durationMs, loop })));
  }

  const start = button("Export", async () => {
    start.disabled = true;
    setText(fault, "");
    result.hidden = false;
    progress.hidden = false;
    progress.removeAttribute("value");
    setText(note, "Starting");
    try {
      const { id } = await api.makeExport(session.device_id, session.session_id, format, read(inputs, format, ms));
      running = id;
      await watch(id);
    } catch (error) {
      result.hidden = true;
      setText(fault, error.message);
    }
    running = null;
    start.disabled = false;
  }, { class: "button primary" });

  async function watch(id) {
    while (isOpen) {
      const state = await api.exportState(id);
      if (state.error) throw new Error(state.error);
      progress.value = state.progress ?? 0;
      setText(note, `${Math.round((state.progress ?? 0) * 100)} %`);
      if (state.state === "done" || state.file && state.progress >= 1) {
        finish(id, state);
        return;
      }
      if (state.state === "failed") throw new Error("The export failed; the bridge's log says why.");
      await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    }
  }

  function finish(id, { file, size }) {
    progress.hidden = true;
    const name = String(file ?? "").split("/").at(-1) || `session.${format}`;
    note.replaceChildren("Ready: ", element("a", { href: api.exportFile(id), download: name }, name),
      ` ${size ? `(${bytes(size)})` : ""}`);
  }

  choose(format);
  const dialog = openDialog("Download", choices, options, fault,
    element("div", { class: "form-row" }, start, result));
  dialog.addEventListener("close", () => {
    isOpen = false;
    if (running !== null) api.endExport(running).catch(() => {}); // it may have ended by itself
  });
}

function optionRow(option, inputs, { durationMs, loop }) {
  if (option === "range") {
    const [from, to] = loop && loop[1] !== Infinity ? loop : [0, durationMs];
    const field = (name, label, value) => {
      const input = element("input", { type: "number", min: "0", step: "0.1", max: String(durationMs / 1000), value: (value / 1000).toFixed(1) });
      input.dataset.usual = loop ? "" : input.value;
      inputs.set(name, input);
      return element("label", {}, element("span", {}, label), input);
    };
    return element("div", { class: "form-row" }, field("from_ms", "From second", from), field("to_ms", `To second (of ${duration(durationMs)})`, to));
  }
  if (option === "scale") {
    const input = element("select", {}, element("option", { value: "0" }, "As usual"),
      ...["1", "2", "3", "4", "6", "8"].map((scale) => element("option", { value: scale }, `${scale}×`)));
    inputs.set(option, input);
    return element("label", {}, element("span", {}, "Scale"), input);
  }
  const labels = { frame: "A frame like a device around it", touches: "Show touches", captions: "Write what happened below it",
    skip_idle: "Leave out idle stretches", lossless: "Exact colours (larger, and not every player shows it)" };
  const input = element("input", { type: "checkbox", checked: option === "touches" });
  inputs.set(option, input);
  return element("label", { class: "check" }, input, labels[option]);
}

function read(inputs, format, ms) {
  const found = format === "png" ? { at_ms: Math.floor(ms) } : {};
  for (const [name, input] of inputs) {
    if (input.type === "checkbox") found[name] = input.checked;
    else if (input.value === input.dataset.usual) continue; // the whole session, to the ms
    else if (input.type === "number") found[name] = Math.round(Number(input.value) * 1000);
    else found[name] = Number(input.value);
  }
  return found;
}
