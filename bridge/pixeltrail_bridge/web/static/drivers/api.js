// The bridge's HTTP API. What it refuses becomes an Error with its own words.

const HEADER = "x-pixeltrail"; // no other site's page can send it
let mine = null;

// Whoever looks at this page: {user, role, csrf, login}. What csrf holds goes along with each change.
export const me = ({ again = false } = {}) => {
  if (again || !mine) {
    mine = getJson("/api/me");
    mine.catch(() => (mine = null));
  }
  return mine;
};

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The bridge cannot be reached.");
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && location.pathname !== "/login") {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`);
  }
  const told = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(told.error || `The bridge answered ${answer.status} to ${path}`), { status: answer.status });
}

export async function getJson(path) {
  return (await ask(path, { headers: { accept: "application/json" } })).json();
}

export async function getPixels(path, toMs) {
  const answer = await ask(path);
  const until = answer.headers.get("x-pixeltrail-until");
  return { buffer: await answer.arrayBuffer(), untilMs: until === null ? toMs : Number(until) };
}

export async function send(method, path, content) {
  const token = path === "/api/login" ? "1" : (await me()).csrf;
  const options = { method, headers: { [HEADER]: token } };
  if (content !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(content);
  }
  const answer = await ask(path, options);
  const text = await answer.text();
  return text ? JSON.parse(text) : {};
}

export const fleet = () => getJson("/api/fleet");

const device = (id) => `/api/devices/${encodeURIComponent(id)}`;
const session = (id, number) => `/api/sessions/${encodeURIComponent(id)}/${encodeURIComponent(number)}`;

export async function events(id, after, limit) {
  const query = new URLSearchParams({ limit });
  if (after !== null) query.set("after", after);
  return (await getJson(`${device(id)}/events?${query}`)).events;
}

export async function deadLetters(id) {
  return (await getJson(`${device(id)}/dead-letters`)).dead_letters;
}

export const allDeadLetters = async () => (await getJson("/api/dead-letters")).dead_letters;
export const retryDeadLetters = (ids) => send("POST", "/api/dead-letters/retry", { ids });
export const retryEvent = (id, sink) => send("POST", `/api/events/${encodeURIComponent(id)}/retry`, { sink });

export const sessions = (query) => getJson(`/api/sessions?${query}`);
export const setStar = (id, number, isStarred) => send(isStarred ? "PUT" : "DELETE", `${session(id, number)}/star`);

export const shares = async (id, number) => (await getJson(`${session(id, number)}/shares`)).shares;
export const makeShare = (id, number, expiresS) => send("POST", `${session(id, number)}/shares`, { expires_s: expiresS });
export const revokeShare = (share) => send("DELETE", `/api/shares/${encodeURIComponent(share)}`);

export const makeExport = (id, number, format, options) => send("POST", `${session(id, number)}/exports`, { format, options });
export const exportState = (id) => getJson(`/api/exports/${encodeURIComponent(id)}`);
export const endExport = (id) => send("DELETE", `/api/exports/${encodeURIComponent(id)}`);
export const exportFile = (id) => `/api/exports/${encodeURIComponent(id)}/file`;
export const frame = (id, number, ms, width) => `${session(id, number)}/frame?t=${Math.max(0, Math.floor(ms))}&width=${width}`;

export const logOut = () => send("POST", "/api/logout");

export async function audit(wanted) {
  const query = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value !== null && value !== ""));
  return (await getJson(`/api/audit?${query}`)).audit;
}
