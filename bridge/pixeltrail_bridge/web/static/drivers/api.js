// The JSON API.

async function get(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`The bridge answered ${answer.status} to ${path}`);
  return answer.json();
}

export async function events(id, after, limit) {
  const query = new URLSearchParams({ limit });
  if (after !== null) query.set("after", after);
  return (await get(`/api/devices/${encodeURIComponent(id)}/events?${query}`)).events;
}

export async function deadLetters(id) {
  return (await get(`/api/devices/${encodeURIComponent(id)}/dead-letters`)).dead_letters;
}
