// The page that plays one recording by itself: everything it shows lies in the page, nothing is fetched.
//
// Pictures lie in reels, each gzipped and in base64 in an element of its own, beginning with a whole picture; they are
// unpacked when the player asks for them. The format within is that of core/pixels.js.

import { dateTime } from "./core/text.js";
import { element } from "./view/dom.js";
import { Player } from "./view/player.js";

const LENGTH_BYTES = 4;
const HEAD_BYTES = 11;
const BLOCK_BYTES = 8;
const WHOLE = 4;
const MOST_UNPACKED = 6;

class Reels {
  #reels;
  #unpacked = new Map(); // reel -> promise of its bytes, the one used longest ago first

  constructor(elements) {
    this.#reels = elements.map((text) => ({ from: Number(text.dataset.from), text }));
  }

  async pixels(from, to) {
    let at = this.#reels.findLastIndex((reel) => reel.from <= from);
    if (at < 0) at = 0;
    if (!this.#reels.length) return { buffer: new ArrayBuffer(0), untilMs: to };
    const buffer = cut(await this.#bytes(this.#reels[at]), from, to);
    const next = this.#reels[at + 1];
    return { buffer, untilMs: next && next.from <= to ? next.from - 1 : to };
  }

  #bytes(reel) {
    const found = this.#unpacked.get(reel) ?? unpack(reel.text.textContent);
    this.#unpacked.delete(reel);
    this.#unpacked.set(reel, found);
    if (this.#unpacked.size > MOST_UNPACKED) this.#unpacked.delete(this.#unpacked.keys().next().value);
    return found;
  }
}

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The messages after `from` up to `to`, behind the whole picture that stands at `from`.
function cut(reel, from, to) {
  const view = new DataView(reel.buffer, reel.byteOffset, reel.byteLength);
  const parts = [];
  let standing = null;
  for (let at = 0; at < reel.length;) {
    const end = at + LENGTH_BYTES + view.getUint32(at, true);
    const atMs = view.getUint32(at + LENGTH_BYTES, true);
    if (atMs > to && (standing || parts.length)) break;
    if (atMs <= from || !(standing || parts.length)) standing = paint(standing, view, at + LENGTH_BYTES, end);
    else parts.push(reel.subarray(at, end));
    at = end;
  }
  if (standing) parts.unshift(messageOf(standing));
  return join(parts);
}

function paint(before, view, start, end) {
  const head = { atMs: view.getUint32(start, true), flags: view.getUint8(start + 4),
    width: view.getUint16(start + 5, true), height: view.getUint16(start + 7, true) };
  const isSame = before?.width === head.width && before?.height === head.height;
  const pixels = isSame ? before.pixels : new Uint8Array(head.width * head.height * 4);
  for (let at = start + HEAD_BYTES; at < end;) {
    const [x, y, width, height] = [0, 2, 4, 6].map((field) => view.getUint16(at + field, true));
    at += BLOCK_BYTES;
    for (let row = 0; row < height; row += 1, at += width * 4) {
      pixels.set(new Uint8Array(view.buffer, view.byteOffset + at, width * 4), ((y + row) * head.width + x) * 4);
    }
  }
  return { ...head, pixels };
}

function messageOf({ atMs, flags, width, height, pixels }) {
  const message = new Uint8Array(LENGTH_BYTES + HEAD_BYTES + BLOCK_BYTES + pixels.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length - LENGTH_BYTES, true);
  view.setUint32(4, atMs, true);
  view.setUint8(8, flags | WHOLE);
  [width, height, 1, 0, 0, width, height].forEach((value, field) => view.setUint16(9 + 2 * field, value, true));
  message.set(pixels, LENGTH_BYTES + HEAD_BYTES + BLOCK_BYTES);
  return message;
}

function join(parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole.buffer;
}

function open() {
  const { session, timeline, events } = JSON.parse(document.getElementById("session").textContent);
  const reels = new Reels([...document.getElementsByClassName("reel")]);
  const player = new Player({
    session: async () => session,
    timeline: async () => timeline,
    events: async () => events,
    event: async (id) => events.find((event) => event.id === id),
    pixels: (from, to) => reels.pixels(from, to),
    frame: () => null,
  }, { hasPanel: true, help: undefined });
  globalThis.pixeltrail = { player };
  const page = document.getElementById("page");
  page.replaceChildren(
    element("div", { class: "head title" }, element("div", {}, element("h1", {}, session.device_id),
      element("p", { class: "quiet facts" }, dateTime(session.start_ms)))),
    player.element,
  );
  return player.open(null);
}

open();
