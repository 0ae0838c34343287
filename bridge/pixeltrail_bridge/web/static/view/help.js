import { HELP } from "../core/keys.js";
import { openDialog } from "./dialog.js";
import { element } from "./dom.js";

export function openHelp() {
  openDialog("Keys", element("dl", { class: "keys" }, ...HELP.map(([keys, what]) =>
    element("div", {}, element("dt", {}, ...keys.split(" ").map((key) => (/^(or|to)$/.test(key) ? ` ${key} ` : element("kbd", {}, key)))),
      element("dd", {}, what)))));
}
