// Where playing stands, and where it stands after some time has gone by. No DOM, no timers: time is an argument.
//
// Positions are ms since the session's start. Idle stretches are jumped over while `skipsIdle`, all but their first
// moments: what led to the rest stays to be seen. A loop outdoes the end of the session.

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];
export const KEPT_MS = 500; // of an idle stretch, before the jump
const MOST_STEPS = 1_000; // of one advance: a loop that lies within a skipped stretch would never end

export class Clock {
  position = 0;
  speed = 1;
  isPlaying = false;
  skipsIdle = false;
  loop = null; // [from, to], or null
  durationMs;
  #idle = [];

  constructor(durationMs = 0, idle = []) {
    this.durationMs = durationMs;
    this.setIdle(idle);
  }

  setIdle(idle) {
    this.#idle = trimIdle(idle);
  }

  // Stretches that are jumped over, and those that would be.
  get cuts() {
    return this.skipsIdle ? this.#idle : [];
  }

  get idleCuts() {
    return this.#idle;
  }

  seek(ms) {
    this.position = Math.min(Math.max(0, ms), this.durationMs);
  }

  play() {
    if (this.position >= this.durationMs) this.position = this.loop ? this.loop[0] : 0;
    this.isPlaying = true;
  }

  pause() {
    this.isPlaying = false;
  }

  setSpeed(speed) {
    this.speed = SPEEDS.includes(speed) ? speed : 1;
  }

  // One step up (+1) or down (-1) the list of speeds.
  shift(step) {
    const at = SPEEDS.indexOf(this.speed) + step;
    this.speed = SPEEDS[Math.min(Math.max(0, at), SPEEDS.length - 1)];
  }

  // Sets the loop's start, then its end, then none again.
  mark() {
    if (this.loop === null) this.loop = [this.position, Infinity];
    else if (this.loop[1] !== Infinity) this.loop = null;
    else if (this.position > this.loop[0]) this.loop = [this.loop[0], this.position];
    else this.loop = [this.position, Infinity];
  }

  // The position after `elapsedMs` of the viewer's time, without going there.
  after(elapsedMs) {
    let position = this.position;
    let left = elapsedMs * this.speed;
    const [start, loopEnd] = this.loop ?? [0, Infinity];
    const end = Math.min(loopEnd, this.durationMs);
    for (let step = 0; left > 0 && step < MOST_STEPS; step += 1) {
      const cut = this.cuts.find(([, to]) => position < to);
      if (cut && position >= cut[0]) {
        position = Math.min(cut[1], end);
      } else if (position >= end && loopEnd !== Infinity && start < end) {
        position = start;
      } else {
        const next = Math.min(position + left, cut?.[0] ?? Infinity, Math.max(end, position));
        if (next === position) break;
        left -= next - position;
        position = next;
      }
    }
    return position;
  }

  // Goes there; ends playing at the end.
  goTo(position) {
    this.position = position;
    if (position >= this.durationMs && (this.loop?.[1] ?? Infinity) === Infinity) this.isPlaying = false;
  }
}

export function trimIdle(idle) {
  return idle.filter(([from, to]) => to - from > KEPT_MS).map(([from, to]) => [from + KEPT_MS, to]);
}
