/* The overview stays up to date: it is asked for again every few seconds, and more often while something is due. What is as
   it was is not replaced, nor is what someone is using. */
(() => {
  "use strict";

  const SECOND = 1000;
  const UNAUTHORIZED = 401;
  const EVERY = 4; // In seconds.
  const EVERY_SOON = 2;
  const TICKING = 90; // In seconds.
  const pristine = new WeakMap(); // From a part to its HTML as the server sent it: other scripts change what is shown.
  const sent = new Map(); // The same by ID, until the part is on the page.
  let serverTime = 0; // In milliseconds, at the moment below.
  let moment = 0;
  let waited = 0;
  let ended = false; // Whether the session has ended.

  const live = () => document.getElementById("live");

  function remember() {
    for (const part of document.querySelectorAll("[data-live]")) {
      if (!pristine.has(part)) pristine.set(part, sent.get(part.id) ?? part.outerHTML);
    }
    sent.clear();
  }

  /* Someone has selected text in it, or has clicked what waits for its response. */
  function isInUse(part) {
    if (part.ariaBusy === "true") return true;
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return true;
    return Boolean(part.querySelector("[aria-busy='true']"));
  }

  function keepOpen(part, replacement) {
    for (const opened of part.querySelectorAll("details[open][id]")) {
      replacement.querySelector(`#${opened.id}`)?.setAttribute("open", "");
    }
  }

  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { fragment, target } = event.detail;
    if (!("live" in target.dataset)) return;
    const html = fragment.firstElementChild.outerHTML;
    if (html === pristine.get(target) || isInUse(target)) event.detail.shouldSwap = false;
    else {
      keepOpen(target, fragment.firstElementChild);
      sent.set(target.id, html);
    }
  });

  /* The time */

  function setTime(text) {
    serverTime = Date.parse(text);
    moment = performance.now();
  }

  const secondsUntil = (at) => Math.round((Date.parse(at) - serverTime - (performance.now() - moment)) / SECOND);

  /* From a minute and a half on, the server's words are exact enough. */
  function tick() {
    for (const words of document.querySelectorAll("[data-until]")) {
      const left = secondsUntil(words.dataset.until);
      if (left <= 0) words.textContent = "due now";
      else if (left < TICKING) words.textContent = `in ${left} s`;
    }
  }

  function look() {
    waited = 0;
    if (live() && !ended && document.visibilityState === "visible") htmx.trigger(live(), "telemetry:look");
  }

  setInterval(() => {
    waited += 1;
    tick();
    if (waited >= (document.querySelector("[data-soon]") ? EVERY_SOON : EVERY)) look();
  }, SECOND);

  document.addEventListener("telemetry:content", () => {
    remember();
    if (live() && moment === 0) setTime(live().dataset.now);
    tick();
  });
  document.addEventListener("visibilitychange", look);
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) look();
  });
  addEventListener("online", look);

  /* Who fills in a form is led to the login by sending it, which keeps what was typed. */
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { elt, xhr } = event.detail;
    if (elt.id !== "live" || xhr.status !== UNAUTHORIZED || !document.querySelector("form[data-settings]")) return;
    ended = true;
    event.preventDefault();
    event.stopImmediatePropagation();
  });

  /* An open drawer is sent again, too, as long as its transmission can change. */
  document.addEventListener("htmx:configRequest", ({ detail: { elt, headers } }) => {
    const followed = document.querySelector("[data-follow]");
    if (elt.id === "live" && followed) headers["X-Transmission"] = followed.dataset.follow;
  });

  function showState({ detail: { elt, successful, xhr } }) {
    if (elt.id !== "live") return;
    const note = document.getElementById("not-live");
    note.hidden = successful;
    if (ended) note.textContent = note.dataset.ended;
    const now = xhr.getResponseHeader("X-Now");
    if (now) setTime(now);
  }

  document.addEventListener("htmx:afterRequest", showState);
})();
