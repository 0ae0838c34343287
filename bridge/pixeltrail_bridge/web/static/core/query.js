// The search form's fields, and what they ask of /api/sessions. No DOM.

export const FIELDS = [
  { name: "q", label: "Search", type: "search", hint: "Device, user, event or property" },
  { name: "device", label: "Device", type: "search", hint: "ID" },
  { name: "user", label: "User", type: "search", hint: "ID" },
  { name: "event", label: "Event", type: "search", hint: "Name, as Setpoint Changed" },
  { name: "property", label: "Property", type: "search", hint: "name:value, as to:21.5" },
  { name: "from", label: "From", type: "datetime-local" },
  { name: "to", label: "Until", type: "datetime-local" },
  { name: "starred", label: "Kept ones only", type: "checkbox" },
];

// Local times of the form become ms since 1970.
export function queryOf(asked) {
  const query = new URLSearchParams();
  for (const { name, type } of FIELDS) {
    const value = asked.get(name);
    if (!value) continue;
    if (type !== "datetime-local") query.set(name, value);
    else if (!Number.isNaN(Date.parse(value))) query.set(name, Date.parse(value));
  }
  return query;
}
