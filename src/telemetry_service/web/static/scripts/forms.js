/* The settings form shows unsaved changes and keeps them when the session ends; the theme is applied at once. */
(() => {
  "use strict";

  const UNAUTHORIZED = 401;
  const KEY = "#api_key";
  let leaving = false; // Whether the page may be left: what was typed is kept, or is to be discarded.

  /* What is chosen is compared with what is saved, and not with what the page has shown first: going back to a page, a
     browser may fill in what was chosen when it was left. */
  function differs(form, name, saved) {
    const field = form.elements[name];
    if (!field || field.disabled) return false;
    return typeof saved === "boolean" ? field.checked !== saved : field.value !== String(saved);
  }

  function changesIn(form) {
    const fields = form.querySelector("[data-saved]");
    if (!fields) return [];
    const names = JSON.parse(fields.dataset.names);
    const saved = Object.entries(JSON.parse(fields.dataset.saved));
    return saved.filter(([name, value]) => differs(form, name, value)).map(([name]) => names[name]);
  }

  const inWords = ({ length }, names) => `${length} unsaved change${length === 1 ? "" : "s"}: ${names}.`;

  function look(form) {
    const changes = changesIn(form);
    for (const it of form.querySelectorAll("[data-unsaved]")) it.hidden = changes.length === 0;
    const words = form.querySelector("[data-changes]");
    if (words) words.textContent = inWords(changes, changes.join(", "));
    form.querySelector("[data-save-bar]")?.toggleAttribute("data-dirty", changes.length > 0); // A viewer has none.
  }

  const theForm = () => document.querySelector("form[data-settings]");

  function lookAgain() {
    const form = theForm();
    if (form) look(form);
  }

  const isKeyTyped = () => Boolean(document.querySelector(KEY)?.value);
  const isUnsaved = () => Boolean(document.querySelector("[data-dirty]")) || isKeyTyped();

  /* An edited key is another key: what was said about the one before no longer holds. */
  function forgetKeyResults(field) {
    field.removeAttribute("aria-invalid");
    field.parentElement.querySelector(".wrong")?.remove();
    document.getElementById("connection-test")?.replaceChildren();
  }

  /* What is chosen while a save is under way is kept: its response shows what was sent. */

  const FIELDS = "settings-fields";
  let asked = new Map(); // From a choice to whether it was made when the request was.
  let since = []; // The choices that were made since.

  const choices = () => [...document.querySelectorAll(`#${FIELDS} :is([type="checkbox"], [type="radio"])`)];
  const nameOf = ({ name, value }) => `${name}=${value}`;

  function rememberChoices() {
    asked = new Map(choices().map((it) => [nameOf(it), it.checked]));
  }

  function findChanges({ detail: { target } }) {
    if (target.id !== FIELDS) return;
    const changed = choices().filter((it) => asked.has(nameOf(it)) && asked.get(nameOf(it)) !== it.checked);
    since = changed.filter((it) => it.checked || it.type === "checkbox").map((it) => [nameOf(it), it.checked]);
  }

  function makeThemAgain() {
    const again = new Map(since);
    for (const it of choices().filter((one) => again.has(nameOf(one)))) it.checked = again.get(nameOf(it));
    since = [];
  }

  document.addEventListener("htmx:beforeRequest", ({ detail: { target } }) => {
    if (target.id === FIELDS) rememberChoices();
  });
  document.addEventListener("htmx:beforeSwap", findChanges);
  document.addEventListener("htmx:afterSwap", makeThemAgain);

  document.addEventListener("telemetry:content", lookAgain);
  for (const name of ["input", "change"]) document.addEventListener(name, lookAgain);
  document.addEventListener("input", ({ target }) => {
    if (target.matches(KEY)) forgetKeyResults(target);
  });

  // In the field of the key, Enter tests the key that was typed.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches(KEY)) return;
    event.preventDefault();
    document.getElementById("test").click();
  });

  // A page that comes back as it was left may show what has been saved since by someone else.
  addEventListener("pageshow", ({ persisted }) => {
    leaving = false;
    lookAgain();
    if (persisted && theForm() && !isUnsaved()) location.reload();
  });

  addEventListener("beforeunload", (event) => {
    if (!leaving && isUnsaved()) event.preventDefault();
  });
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-discard]")) leaving = true;
  });
  document.addEventListener("submit", ({ defaultPrevented, target }) => {
    if (target === theForm() && !defaultPrevented) leaving = true; // Without htmx, the form leaves with the page.
  });

  // If the form has to come back after a login, the key has to be typed again.
  document.addEventListener("htmx:configRequest", ({ detail: { elt, parameters } }) => {
    if (elt === theForm() && isKeyTyped()) Object.assign(parameters, { key_typed: "on" });
  });

  /* The session has ended: the changes are kept through the login, except for the API key. The form is sent without its
     CSRF token, so the server keeps it and never saves it, whatever state the session is in. Under another name, the
     token shows the server whose form it is. */

  function keepForm(form) {
    const fields = new URLSearchParams(new FormData(form));
    if (isKeyTyped()) fields.set("key_typed", "on");
    fields.set("session_proof", fields.get("csrf_token"));
    for (const name of ["api_key", "csrf_token"]) fields.delete(name);
    return fetch(form.action, { method: "POST", body: fields, redirect: "manual" });
  }

  async function leaveFor(login, form) {
    try {
      await keepForm(form);
    } catch {
      // There is no response: the login will show that.
    }
    location.assign(login);
  }

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { xhr } = event.detail;
    const login = xhr.status === UNAUTHORIZED && xhr.getResponseHeader("HX-Redirect");
    if (xhr.getResponseHeader("HX-Redirect")) leaving = true; // The server has kept what the form has sent.
    const form = theForm();
    if (!login || !form || !isUnsaved()) return;
    event.preventDefault();
    leaveFor(login, form);
  });

  /* Appearance */

  function applyTheme(theme) {
    const { dataset } = document.documentElement;
    if (theme === "auto") delete dataset.theme;
    else dataset.theme = theme;
  }

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-appearance]");
    if (!form) return;
    const fields = new FormData(form);
    applyTheme(fields.get("theme"));
    fetch(form.action, { method: "POST", body: new URLSearchParams(fields), redirect: "manual" });
  });
})();
