/* The settings form shows unsaved changes and keeps them when the session ends; the theme is applied at once. */
(() => {
  "use strict";

  const UNAUTHORIZED = 401;
  const NOT_TYPED = new Set(["csrf_token", "version", "seen"]);

  const typed = (form) => JSON.stringify([...new FormData(form)].filter(([name]) => !NOT_TYPED.has(name)));

  function watch(form) {
    form.dataset.started = "";
    const saved = "notSaved" in form.dataset ? null : typed(form); // Restored changes differ from what is saved.
    const look = () => {
      const changed = typed(form) !== saved;
      for (const it of form.querySelectorAll("[data-unsaved]")) it.hidden = !changed;
      form.querySelector("[data-save-bar]")?.toggleAttribute("data-dirty", changed); // A viewer has none.
    };
    form.addEventListener("input", look);
    form.addEventListener("change", look);
    look();
  }

  document.addEventListener("telemetry:content", () => {
    for (const form of document.querySelectorAll("form[data-settings]:not([data-started])")) watch(form);
  });

  /* The session has ended: the changes are kept through the login, except for the API key. The form is sent without its
     CSRF token, so the server keeps it and never saves it, whatever state the session is in. Under another name, the
     token shows the server whose form it is. */

  function keepForm(form) {
    const fields = new URLSearchParams(new FormData(form));
    if (fields.get("api_key")) fields.set("key_typed", "on");
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
    const form = document.querySelector("form[data-settings]:has([data-dirty])");
    if (!login || !form) return;
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
