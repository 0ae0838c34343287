// The WebSocket with the live pictures: connects again by itself, and confirms what has been painted.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const TRY_AGAIN_LATER = 1013;

export class Socket {
  #handlers;
  #socket = null;
  #device = null;
  #wait = FIRST_WAIT_MS;
  #timer = null;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  // What to look at: a device's ID, "" for all of them, null for none.
  watch(device) {
    if (device === this.#device) return;
    this.#device = device;
    this.#wait = FIRST_WAIT_MS;
    this.#close();
    if (device !== null) this.#open();
  }

  #close() {
    clearTimeout(this.#timer);
    const old = this.#socket;
    this.#socket = null;
    old?.close();
  }

  #open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const query = this.#device ? `?device=${encodeURIComponent(this.#device)}` : "";
    const socket = new WebSocket(`${scheme}://${location.host}/live${query}`);
    let painted = 0;
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      if (this.#socket !== socket) return;
      this.#wait = FIRST_WAIT_MS;
      this.#handlers.open();
      this.#handlers.status("live");
    };
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      if (data instanceof ArrayBuffer) {
        this.#handlers.pixels(data);
        painted += 1;
        socket.send(JSON.stringify({ painted }));
      } else {
        const message = JSON.parse(data);
        this.#handlers[message.type]?.(message);
      }
    };
    socket.onclose = ({ code, reason }) => {
      if (this.#socket !== socket) return;
      this.#handlers.status(reason || "not connected");
      this.#handlers.closed();
      if (code === TRY_AGAIN_LATER) this.#wait = LONGEST_WAIT_MS;
      this.#timer = setTimeout(() => this.#open(), this.#wait);
      this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
    };
  }
}
