// Elements without markup: every string becomes text.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key === "data") Object.assign(made.dataset, value);
    else if (key.startsWith("aria-") || key === "role" || key === "href" || key === "datetime") {
      made.setAttribute(key, value);
    } else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Sets text only when it differs, so that a screen reader and a selection are left alone.
export function setText(target, text) {
  if (target.textContent !== String(text)) target.textContent = text;
}

// A list of terms whose values can be set by name.
export class Terms {
  #values = new Map();

  constructor(...names) {
    this.element = element("dl", { class: "terms" });
    for (const name of names) {
      const value = element("dd");
      this.#values.set(name, value);
      this.element.append(element("div", {}, element("dt", {}, name), value));
    }
  }

  set(name, text) {
    const value = this.#values.get(name);
    setText(value, text || "–");
    value.parentElement.hidden = !text;
  }
}
