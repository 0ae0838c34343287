// A short word on what was done, told to a screen reader as well.

import { element } from "./dom.js";

const SHOWN_MS = 3_500;
let place = null;
let timer = null;

export function toast(text) {
  place ??= document.body.appendChild(element("p", { class: "toast", role: "status" }));
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(timer);
  timer = setTimeout(() => place.classList.remove("shown"), SHOWN_MS);
}
