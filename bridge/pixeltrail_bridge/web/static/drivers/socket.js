// The WebSocket with the live pictures: connects again by itself, and confirms what has been painted.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

export function connect(handlers) {
  let wait = FIRST_WAIT_MS;
  let painted = 0;

  function open() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      wait = FIRST_WAIT_MS;
      painted = 0;
      handlers.open();
      handlers.status("live");
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) {
        handlers.pixels(data);
        painted += 1;
        socket.send(JSON.stringify({ painted }));
      } else {
        const message = JSON.parse(data);
        handlers[message.type]?.(message);
      }
    };
    socket.onclose = () => {
      handlers.status("not connected");
      setTimeout(open, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    };
  }

  open();
}
