// The pictures of a session as far as they are here, and what to fetch next. No DOM; `fetchPixels` is the only way out.
//
// The session is cut into reels, short enough that each is a quick answer and that painting from its beginning takes
// no time one notices. A seek into a reel that is not here first asks for the one picture that stands at that moment.

import { parsePictures } from "./pixels.js";

const REEL_BYTES = 3_000_000; // of RGBA: an answer within a moment, repainted within a frame
const REEL_FRAMES = 400;
const REEL_MS = 300_000; // the bridge answers for ten minutes at most
const THINNED_REEL_MS = 20_000; // where the timeline does not name every frame
const BUDGET_BYTES = 96_000_000; // of reels kept
const MOST_STILLS = 48;
const MOST_REELS = 4_096;

export class Film {
  #fetch;
  #reels = [{ from: 0, to: 1 }];
  #stills = new Map(); // ms -> pictures, the one asked for longest ago first
  #loads = new Map(); // reel -> promise
  #clock = 0;

  constructor(fetchPixels) {
    this.#fetch = fetchPixels;
  }

  // Cuts the reels. What is here stays where the cuts are the same: of an open session all but the last.
  plan(frames, { width, height, durationMs, isThinned = false }) {
    const known = new Map(this.#reels.map((reel) => [reel.from, reel]));
    const cuts = planReels(frames, durationMs, width * height * 4, isThinned);
    this.#reels = cuts.map((from, at) => {
      const to = cuts[at + 1] ?? durationMs + 1;
      const old = known.get(from);
      return old?.pictures && old.to === to ? old : { from, to };
    });
    this.#loads.clear();
  }

  reelAt(ms) {
    let low = 0;
    let high = this.#reels.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#reels[middle].from <= ms) low = middle;
      else high = middle - 1;
    }
    return this.#reels[low];
  }

  has(ms) {
    return this.reelAt(ms).pictures !== undefined;
  }

  // The reel with this moment, once it is here.
  async load(ms) {
    const reel = this.reelAt(ms);
    reel.used = ++this.#clock;
    if (reel.pictures) return reel;
    if (!this.#loads.has(reel)) {
      this.#loads.set(reel, this.#load(reel).finally(() => this.#loads.delete(reel)));
    }
    return this.#loads.get(reel);
  }

  // The moment of the picture after (+1) or before (-1) the one at `ms`, null when there is none.
  async step(ms, direction) {
    let reel = await this.load(ms);
    for (;;) {
      const times = reel.pictures.map(({ atMs }) => atMs);
      const found = direction > 0 ? times.find((at) => at > ms) : times.findLast((at) => at < ms && at >= reel.from);
      if (found !== undefined) return found;
      if (direction > 0 ? reel === this.#reels.at(-1) : reel.from === 0) return null;
      reel = await this.load(direction > 0 ? reel.to : reel.from - 1);
    }
  }

  // Loads the reel after the one with this moment; quietly, it is only in advance.
  loadAfter(ms) {
    const reel = this.reelAt(ms);
    if (reel !== this.#reels.at(-1) && !this.has(reel.to)) this.load(reel.to).catch(() => {});
  }

  // What to paint for the picture that stands at a moment: as a rule one whole picture, nothing when none does.
  async still(ms) {
    const at = Math.floor(ms);
    if (!this.#stills.has(at)) {
      const pictures = parsePictures((await this.#fetch(at, at)).buffer);
      this.#stills.set(at, pictures.slice(0, lastAtOrBefore(pictures, at) + 1));
      if (this.#stills.size > MOST_STILLS) this.#stills.delete(this.#stills.keys().next().value);
    }
    return this.#stills.get(at);
  }

  // What to paint to get from what is painted ({reel, index}, or null) to a moment whose reel is here.
  steps(ms, painted) {
    const reel = this.reelAt(ms);
    const last = lastAtOrBefore(reel.pictures, ms);
    if (last < 0) return { pictures: [], painted: null }; // nothing was shown yet
    const goesOn = painted?.reel === reel && painted.index <= last;
    let first = goesOn ? painted.index + 1 : 0;
    for (let index = last; index > first; index -= 1) {
      if (reel.pictures[index].isWhole) first = index;
    }
    return { pictures: reel.pictures.slice(first, last + 1), painted: { reel, index: last } };
  }

  async #load(reel) {
    const last = Math.max(reel.from, reel.to - 1);
    const { buffer, untilMs } = await this.#fetch(reel.from, last);
    if (untilMs < last && this.#reels.includes(reel)) this.#split(reel, untilMs + 1);
    reel.pictures = parsePictures(buffer);
    reel.bytes = buffer.byteLength;
    this.#trim(reel);
    return reel;
  }

  // The answer stops before the reel does: the rest is a reel of its own.
  #split(reel, at) {
    const rest = { from: Math.max(at, reel.from + 1), to: reel.to };
    reel.to = rest.from;
    this.#reels.splice(this.#reels.indexOf(reel) + 1, 0, rest);
  }

  #trim(kept) {
    const here = this.#reels.filter((reel) => reel.pictures).sort((a, b) => a.used - b.used);
    let bytes = here.reduce((sum, reel) => sum + reel.bytes, 0);
    for (const reel of here) {
      if (bytes <= BUDGET_BYTES) return;
      if (reel === kept) continue;
      bytes -= reel.bytes;
      delete reel.pictures;
    }
  }
}

// Where reels begin, in ms. `frames` are [at, flags, changed share], `wholeBytes` a picture's size.
export function planReels(frames, durationMs, wholeBytes, isThinned = false) {
  const cuts = [0];
  let bytes = wholeBytes;
  let count = 0;
  const cutLong = (at) => {
    while (at - cuts.at(-1) > REEL_MS && cuts.length < MOST_REELS) {
      cuts.push(cuts.at(-1) + REEL_MS);
      bytes = wholeBytes;
      count = 0;
    }
  };
  for (const [at, , share] of frames) {
    cutLong(at);
    bytes += share * wholeBytes;
    count += 1;
    const isFull = bytes > REEL_BYTES || count > REEL_FRAMES || (isThinned && at - cuts.at(-1) > THINNED_REEL_MS);
    if (isFull && at > cuts.at(-1) && cuts.length < MOST_REELS) {
      cuts.push(at);
      bytes = wholeBytes;
      count = 1;
    }
  }
  cutLong(durationMs);
  return cuts;
}

// Index of the last picture at or before a moment, -1 when there is none.
export function lastAtOrBefore(pictures, ms) {
  let low = -1;
  let high = pictures.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pictures[middle].atMs <= ms) low = middle;
    else high = middle - 1;
  }
  return low;
}
