// Light, dark, or as the system is: the choice is kept in this browser.

const KEY = "pixeltrail-theme";
const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

export function startTheme() {
  try {
    apply(localStorage.getItem(KEY));
  } catch {
    // Storage may be forbidden: then it is as the system is.
  }
}

// To the other one; back to the system's choice where that is the same.
export function turnTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark();
  const next = isDark === dark() ? (isDark ? "light" : "dark") : null;
  apply(next);
  try {
    if (next) localStorage.setItem(KEY, next);
    else localStorage.removeItem(KEY);
  } catch {
    // It holds until the page is loaded again.
  }
}

function apply(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  dispatchEvent(new Event("themechange"));
}
