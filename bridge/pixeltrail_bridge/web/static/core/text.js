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
    ["refused", refused(device), "Frames, inputs and calls the device had no room for"],
    ["over quota", device.over_quota ?? 0, "Messages refused because the device sent more than it may; they come again"],
    ["not genuine", device.not_genuine ?? 0, "Messages refused because their signature is wrong or missing"],
    ["dead letters", device.dead_letters ?? 0, "Messages or events that were given up on, kept with their reason"],
  ];
}

function refused({ dropped, vitals = {} }) {
  if (dropped) return Object.values(dropped).reduce((sum, count) => sum + count, 0);
  return (vitals.refused ?? 0) + (vitals.refused_calls ?? 0);
}

export function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// 0:07, 12:34, 1:02:03; with tenths or thousandths of a second when asked for.
export function duration(ms, digits = 0) {
  const unit = 10 ** digits;
  const all = Math.floor((Math.max(0, ms) * unit) / 1000 + 1e-6);
  const seconds = Math.floor(all / unit);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(seconds / 3600);
  const text = hours ? `${hours}:${parts.join(":")}` : `${Number(parts[0])}:${parts[1]}`;
  return digits ? `${text}.${String(all % unit).padStart(digits, "0")}` : text;
}

// The same for a voice: "1 minute 5 seconds".
export function spoken(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  const parts = [[Math.floor(seconds / 3600), "hour"], [Math.floor(seconds / 60) % 60, "minute"], [seconds % 60, "second"]];
  return parts.filter(([count, unit], at) => count || (at === 2 && seconds === 0))
    .map(([count, unit]) => plural(count, unit)).join(" ");
}

export function bytes(count) {
  const units = ["B", "KB", "MB", "GB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

// "just now", "5 min ago", then the date.
export function ago(ms, nowMs) {
  if (!ms) return "–";
  const seconds = Math.max(0, (nowMs - ms) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return dateTime(ms);
}

// A name from the wire as words: "longest_step_us" is "longest step us".
export function words(name) {
  return String(name).replaceAll("_", " ");
}
