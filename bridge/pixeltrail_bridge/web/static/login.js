// Logging in. Afterwards on to where somebody wanted to go, on this site alone.

import { send } from "./drivers/api.js";
import { startTheme } from "./view/theme.js";

const form = document.getElementById("form");
const fault = document.getElementById("fault");
const user = document.getElementById("user");
const password = document.getElementById("password");
const submit = form.querySelector("button");

function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "/";
  try {
    const there = new URL(wanted, location.origin);
    const isPage = there.origin === location.origin && wanted.startsWith("/") && there.pathname !== "/login";
    // What follows # never reaches the server, so the browser has kept it here.
    return isPage ? there.pathname + there.search + (there.hash || location.hash) : "/";
  } catch {
    return "/";
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  fault.textContent = "";
  if (!user.value || !password.value) {
    fault.textContent = "User and password, please.";
    (user.value ? password : user).focus();
    return;
  }
  submit.disabled = true;
  try {
    await send("POST", "/api/login", { user: user.value, password: password.value });
    location.replace(next());
  } catch (error) {
    fault.textContent = error.message;
    password.select();
    password.focus();
  } finally {
    submit.disabled = false;
  }
});

startTheme();
