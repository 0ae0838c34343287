// The pictures of a stretch of a session, as /api/.../pixels sends them. No DOM, no network.
//
// Repeated: length (u32), then a message of that length: time in ms since the session's start (u32), flags (u8), width,
// height and number of rectangles (u16 each), then for each rectangle x, y, width, height (u16) and its RGBA rows.
// Little-endian. The first message is the whole picture that stands at the stretch's start.

export const KEY = 1;
export const MIXED = 2;
export const WHOLE = 4;
const LENGTH_BYTES = 4;
const HEAD_BYTES = 11;
const BLOCK_BYTES = 8;

// Areas are views into the buffer: nothing is copied.
export function parsePictures(buffer) {
  const view = new DataView(buffer);
  const pictures = [];
  let at = 0;
  while (at < buffer.byteLength) {
    const end = at + LENGTH_BYTES + (at + LENGTH_BYTES <= buffer.byteLength ? view.getUint32(at, true) : Infinity);
    if (end > buffer.byteLength) throw new Error(`The pictures end early: ${buffer.byteLength} of ${end} bytes`);
    pictures.push(parsePicture(view, at + LENGTH_BYTES, end));
    at = end;
  }
  return pictures;
}

function parsePicture(view, start, end) {
  const flags = view.getUint8(start + 4);
  const picture = {
    atMs: view.getUint32(start, true),
    isKey: (flags & KEY) !== 0,
    isMixed: (flags & MIXED) !== 0,
    isWhole: (flags & WHOLE) !== 0,
    width: view.getUint16(start + 5, true),
    height: view.getUint16(start + 7, true),
    areas: [],
  };
  let count = view.getUint16(start + 9, true);
  for (let at = start + HEAD_BYTES; at < end && count > 0; count -= 1) {
    const [x, y, width, height] = [0, 2, 4, 6].map((field) => view.getUint16(at + field, true));
    const data = new Uint8ClampedArray(view.buffer, at + BLOCK_BYTES, width * height * 4);
    picture.areas.push({ x, y, width, height, data });
    at += BLOCK_BYTES + data.length;
  }
  return picture;
}
