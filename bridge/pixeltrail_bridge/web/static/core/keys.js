// Which key means what in the player. No DOM beyond the event's own fields.

const BY_KEY = {
  " ": ["toggle"], k: ["toggle"], ",": ["frame", -1], ".": ["frame", 1], "<": ["speed", -1], ">": ["speed", 1],
  "[": ["marker", -1], "]": ["marker", 1], Home: ["share", 0], End: ["share", 1], ArrowLeft: ["by", -5_000],
  ArrowRight: ["by", 5_000], j: ["by", -10_000], l: ["by", 10_000], i: ["idle"], r: ["loop"], f: ["fullscreen"],
  "?": ["help"], c: ["copy"], "+": ["zoom", 1], "=": ["zoom", 1], "-": ["zoom", -1],
};
const SHIFTED = { ArrowLeft: ["by", -1_000], ArrowRight: ["by", 1_000] };

export const HELP = [
  ["Space or k", "Play or pause"],
  ["← →", "5 seconds back or on; with Shift 1 second"],
  ["j l", "10 seconds back or on"],
  [", .", "One frame back or on"],
  ["< >", "Slower or faster"],
  ["[ ]", "To the event before or after"],
  ["0 to 9", "To that tenth of the session"],
  ["Home End", "To the start or the end"],
  ["i", "Skip idle stretches"],
  ["r", "Repeat a range: once for its start, once for its end, once more to stop"],
  ["+ −", "Look closer at the timeline, or further away"],
  ["c", "Copy a link to this moment"],
  ["f", "Full screen"],
  ["?", "This help"],
];

// [command, argument], or null when the key is not ours.
export function commandOf({ key, shiftKey, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey) return null;
  if (/^[0-9]$/.test(key)) return ["share", Number(key) / 10];
  return (shiftKey && SHIFTED[key]) || BY_KEY[key] || null;
}
