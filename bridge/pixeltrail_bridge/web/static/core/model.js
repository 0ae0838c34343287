// What the page knows of the devices. No DOM, no network.

export class Model {
  #devices = new Map(); // index on this connection -> device

  clear() {
    this.#devices.clear();
  }

  // Returns the IDs of those that have no picture, or none any more.
  setDevices(devices) {
    const blank = devices.filter((device) => device.is_gone || device.width === 0).map((device) => device.id ?? this.idOf(device.index));
    for (const { index } of devices.filter((device) => device.is_gone)) this.#devices.delete(index);
    for (const device of devices.filter((device) => !device.is_gone)) {
      this.#devices.set(device.index, { ...this.#devices.get(device.index), ...device });
    }
    return blank;
  }

  shown(update) {
    const device = this.#devices.get(update.index);
    if (device) Object.assign(device, { width: update.width, height: update.height, isMixed: update.isMixed });
  }

  touched({ index }, nowMs) {
    const device = this.#devices.get(index);
    if (device) device.touched_here_ms = nowMs;
  }

  idOf(index) {
    return this.#devices.get(index)?.id ?? null;
  }

  all() {
    return [...this.#devices.values()].sort((a, b) => name(a).localeCompare(name(b)));
  }

  byId(id) {
    return this.all().find((device) => device.id === id) ?? null;
  }
}

export function name(device) {
  return device.name || device.id;
}

// When someone last touched it, as far as the bridge or this page knows; 0 when neither does.
export function lastTouchMs(device) {
  return Math.max(device.last_touch_ms ?? 0, device.touched_here_ms ?? 0);
}
