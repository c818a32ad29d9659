/* Toasts: what was just done, and errors. */
(() => {
  "use strict";

  const MILLISECONDS = 8000;

  let replacing = false; // Whether the dialog that shows the toasts is being replaced: they must not return to it.

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

  function startAll() {
    for (const toast of document.querySelectorAll("[data-toast]:not([data-started])")) start(toast);
  }

  /* What lies outside of a modal dialog is inert: nobody hears it and nobody can click it. So the toasts are shown in the
     dialog, and what arrives is added once they are there, so that it is announced. */
  function wantedParent() {
    const dialog = [...document.querySelectorAll("dialog:modal")].at(-1);
    return dialog?.querySelector(".dialog-head").parentElement ?? document.getElementById("telemetry");
  }

  function moveTo(place, toasts) {
    const head = place.querySelector(":scope > .dialog-head");
    if (head) head.after(toasts);
    else place.prepend(toasts);
  }

  function settle() {
    const toasts = region();
    const place = wantedParent();
    if (replacing || !toasts || !place || toasts.parentElement === place) return;
    const shown = [...toasts.children];
    moveTo(place, toasts);
    toasts.replaceChildren();
    setTimeout(() => {
      const arrived = toasts.lastElementChild;
      toasts.prepend(...shown);
      if (arrived) removeOlder(arrived);
      startAll();
    }, 0);
  }

  const isWithin = (toasts, it) => it instanceof Element && it !== toasts && it.contains(toasts);

  /* Before the dialog that shows them is replaced. */
  function goHome({ detail: { target } }) {
    const toasts = region();
    const home = document.getElementById("telemetry");
    if (!home || !toasts?.closest("dialog") || !isWithin(toasts, target)) return;
    home.prepend(toasts);
    replacing = true;
  }

  function settleAgain() {
    replacing = false;
    settle();
  }

  /* The dialog that shows them has left the page. */
  function bringHome({ detail }) {
    const toasts = detail.querySelector("#toasts");
    if (toasts) document.getElementById("telemetry")?.prepend(toasts);
    settle();
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
    settle();
  }

  function problemOf(text) {
    try {
      return JSON.parse(text).detail;
    } catch {
      return null; // Not a problem document.
    }
  }

  document.addEventListener("telemetry:content", () => {
    settle();
    startAll();
  });
  document.addEventListener("click", (event) => {
    event.target.closest("[data-dismiss]")?.closest("[data-toast]").remove();
  });
  document.addEventListener("htmx:beforeSwap", goHome);
  document.addEventListener("htmx:oobBeforeSwap", goHome);
  document.addEventListener("htmx:afterSwap", () => {
    replacing = false;
  });
  document.addEventListener("htmx:afterRequest", settleAgain);
  document.addEventListener("telemetry:closed", bringHome);
  // The page asks again by itself every few seconds, and says by itself if there is no response (live.js).
  const isAsked = ({ detail: { elt } }) => elt.id !== "live";

  document.addEventListener("htmx:sendError", (event) => {
    if (isAsked(event)) say("The telemetry service did not respond. Check the connection and try again.");
  });
  document.addEventListener("htmx:timeout", (event) => {
    if (isAsked(event)) say("Still running. Reload to see the result.");
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr } = event.detail;
    if (!isAsked(event) || xhr.getResponseHeader("HX-Redirect")) return; // The login shows the reason.
    say(problemOf(xhr.responseText) ?? "The telemetry service could not complete this. Try again.");
  });
})();
