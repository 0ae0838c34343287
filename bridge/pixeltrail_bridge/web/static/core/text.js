// Numbers and states as words. No DOM, no network.

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

export function time(ms) {
  return ms ? clock.format(new Date(ms)) : "–";
}

export function dateTime(ms) {
  return ms ? day.format(new Date(ms)) : "–";
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

export function summarize(devices) {
  if (devices.length === 0) return "";
  const online = devices.filter((device) => device.online).length;
  return `${plural(devices.length, "device")}, ${online} online`;
}

// The state of a device in one word, for people and for the style sheet.
export function stateOf(device) {
  if (device.opted_out) return "opted out";
  if (device.online === false) return "offline";
  if (device.width === 0) return "no picture";
  if (!device.synced) return "waiting for a keyframe";
  return device.online ? "online" : "unknown";
}

// What was lost or left out, as [label, count, why] with the counts that matter to a person.
export function losses(device) {
  const vitals = device.vitals ?? {};
  return [
    ["mixed", device.mixed ?? 0, "Frames that hold parts of more than one refresh; a later frame makes them whole"],
    ["gaps", device.gaps ?? device.replay_gaps ?? 0, "Times a part of the recording is missing"],
    ["skipped", vitals.skipped ?? 0, "Refreshes that a later frame shows, because the link was busy"],
    ["refused", (vitals.refused ?? 0) + (vitals.refused_calls ?? 0), "Frames and calls the device had no room for"],
    ["dead letters", device.dead_letters ?? 0, "Messages or events that were given up on, kept with their reason"],
  ];
}

export function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
