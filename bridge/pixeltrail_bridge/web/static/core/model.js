// What the page knows of the devices. No DOM, no network.

export class Model {
  #devices = new Map();

  clear() {
    this.#devices.clear();
  }

  setDevices(devices) {
    for (const device of devices) {
      this.#devices.set(device.index, { ...this.#devices.get(device.index), ...device });
    }
  }

  shown(update) {
    const device = this.#devices.get(update.index);
    if (device) Object.assign(device, { width: update.width, height: update.height, isMixed: update.isMixed });
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
