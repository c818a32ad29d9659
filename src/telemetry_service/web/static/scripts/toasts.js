/* Toasts: what was just done, and errors. */
(() => {
  "use strict";

  const MILLISECONDS = 8000;

  const region = () => document.getElementById("toasts");

  /* A message replaces an earlier copy of itself, and a success replaces the errors before it. */
  function replaces(toast, older) {
    const overcome = toast.dataset.tone === "good" && ["bad", "warn"].includes(older.dataset.tone);
    return overcome || older.textContent.trim() === toast.textContent.trim();
  }

  function removeOlder(toast) {
    for (const older of document.querySelectorAll("[data-toast]")) {
      if (older !== toast && replaces(toast, older)) older.remove();
    }
  }

  /* The toast disappears automatically, but not while the pointer or the focus is in it. */
  function leaveInTime(toast) {
    let timer = null;
    const wait = () => clearTimeout(timer);
    const leave = () => {
      wait();
      timer = setTimeout(() => toast.remove(), MILLISECONDS);
    };
    for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, wait);
    for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, leave);
    leave();
  }

  function start(toast) {
    toast.dataset.started = "";
    removeOlder(toast);
    if (toast.dataset.tone !== "bad") leaveInTime(toast); // An error stays until it is dismissed.
  }

  /* A modal dialog covers everything that was there before it, so the toasts move above it each time. */
  function raise() {
    const toasts = region();
    if (!toasts?.showPopover) return;
    toasts.setAttribute("popover", "manual");
    if (toasts.matches(":popover-open")) toasts.hidePopover();
    toasts.showPopover();
  }

  function element(name, properties, data = {}) {
    const made = Object.assign(document.createElement(name), properties);
    Object.assign(made.dataset, data);
    return made;
  }

  function say(text) {
    const toast = element("div", { className: "notice toast" }, { tone: "bad", toast: "" });
    const dismiss = { type: "button", textContent: "×", ariaLabel: "Dismiss this message" };
    toast.append(element("span"), element("p", { textContent: text }), element("button", dismiss, { dismiss: "" }));
    region()?.append(toast);
    start(toast);
    raise();
  }

  function problemOf(text) {
    try {
      return JSON.parse(text).detail;
    } catch {
      return null; // Not a problem document.
    }
  }

  document.addEventListener("telemetry:content", () => {
    raise();
    for (const toast of document.querySelectorAll("[data-toast]:not([data-started])")) start(toast);
  });
  document.addEventListener("click", (event) => {
    event.target.closest("[data-dismiss]")?.closest("[data-toast]").remove();
  });
  document.addEventListener("htmx:sendError", () => {
    say("The telemetry service did not respond. Check the connection and try again.");
  });
  document.addEventListener("htmx:timeout", () => {
    say("Still running. Reload to see the result.");
  });
  document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
    if (xhr.getResponseHeader("HX-Redirect")) return; // The login shows the reason.
    say(problemOf(xhr.responseText) ?? "The telemetry service could not complete this. Try again.");
  });
})();
