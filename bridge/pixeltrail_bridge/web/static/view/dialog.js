// A dialog of the page: closes with Escape, its button or a press beside it, and gives the focus back.

import { element, iconButton } from "./dom.js";

export function openDialog(title, ...content) {
  const name = element("h2", {}, title);
  const dialog = element("dialog", { class: "dialog", "aria-label": title },
    element("div", { class: "head" }, name, iconButton("close", "Close", () => dialog.close())),
    element("div", { class: "dialog-body" }, ...content));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// A line to copy: a field that selects itself, and a button.
export function copyLine(label, text) {
  const field = element("input", { type: "text", readOnly: true, value: text, "aria-label": label, on: { focus: () => field.select() } });
  const act = element("button", { type: "button", class: "button", on: {
    async click() {
      field.select();
      try {
        await navigator.clipboard.writeText(text);
        act.textContent = "Copied";
      } catch {
        act.textContent = "Press Ctrl+C";
      }
    },
  } }, "Copy");
  return element("label", { class: "copy-line" }, element("span", {}, label), element("span", { class: "joined" }, field, act));
}
