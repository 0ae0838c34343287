// A message with pixels, as web/live.py describes it. No DOM, no network.

export const VERSION = 1;
export const FULL = 1;
export const KEY = 2;
export const MIXED = 4;
const HEAD_BYTES = 16;
const BLOCK_BYTES = 8;

export function parseUpdate(buffer) {
  const view = new DataView(buffer);
  if (view.getUint8(0) !== VERSION) throw new Error(`feed version ${view.getUint8(0)}: reload the page`);
  const flags = view.getUint8(1);
  const update = {
    isFull: (flags & FULL) !== 0,
    isKey: (flags & KEY) !== 0,
    isMixed: (flags & MIXED) !== 0,
    index: view.getUint16(2, true),
    width: view.getUint16(4, true),
    height: view.getUint16(6, true),
    timeMs: view.getFloat64(8, true),
    areas: [],
  };
  for (let at = HEAD_BYTES; at < buffer.byteLength; ) {
    const [x, y, width, height] = [0, 2, 4, 6].map((field) => view.getUint16(at + field, true));
    const data = new Uint8ClampedArray(buffer, at + BLOCK_BYTES, width * height * 4);
    update.areas.push({ x, y, width, height, data });
    at += BLOCK_BYTES + data.length;
  }
  return update;
}
