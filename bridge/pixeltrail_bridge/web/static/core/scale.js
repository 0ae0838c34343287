// From moments of a session to places on the timeline and back, with stretches cut out. No DOM.

export class Scale {
  #cuts;
  #span;

  // `cuts` are [from, to] in ms, in order and apart; each takes no room.
  constructor(durationMs, cuts = []) {
    this.durationMs = durationMs;
    this.#cuts = cuts;
    this.#span = durationMs - cuts.reduce((sum, [from, to]) => sum + to - from, 0);
  }

  // ms that are left when the cuts are gone.
  get playedMs() {
    return this.#span;
  }

  // Moments at which something was cut out.
  get seams() {
    return this.#cuts.map(([from]) => from);
  }

  toPlayed(ms) {
    let played = ms;
    for (const [from, to] of this.#cuts) {
      if (ms <= from) break;
      played -= Math.min(ms, to) - from;
    }
    return played;
  }

  toReal(played) {
    let real = played;
    for (const [from, to] of this.#cuts) {
      if (real <= from) break;
      real += to - from;
    }
    return Math.min(Math.max(0, real), this.durationMs);
  }

  // Share of the timeline's width, 0 to 1.
  toShare(ms) {
    return this.#span > 0 ? this.toPlayed(ms) / this.#span : 0;
  }

  fromShare(share) {
    return this.toReal(Math.min(Math.max(0, share), 1) * this.#span);
  }
}

// Steps of a ruler in ms, so that about `most` of them fit into `spanMs`.
export function rulerStep(spanMs, most) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400];
  const step = steps.find((seconds) => (spanMs / 1000 / seconds) <= most) ?? 86400;
  return step * 1000;
}
