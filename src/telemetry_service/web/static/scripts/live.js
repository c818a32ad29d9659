/* A view stays up to date: it is asked for again every few seconds, and more often while something is due. What is as
   it was is not replaced, nor is what someone is using. */
(() => {
  "use strict";

  const SECOND = 1000;
  const UNAUTHORIZED = 401;
  const EVERY = 4; // In seconds.
  const EVERY_SOON = 2;
  const pristine = new WeakMap(); // From a part to its HTML as the server sent it: other scripts change what is shown.
  const sent = new Map(); // The same by ID, until the part is on the page.
  let waited = 0;
  let ended = false; // Whether the session has ended.
  let about = ""; // What the latest request asked about.

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

  /* What one reads stays in its place, although something was added above it or around it. */

  let seen = null; // The first thing with an ID that can be seen in a part, and where.
  let scrolled = new Map(); // From an ID to how far it is scrolled.

  const topOf = (it) => it.getBoundingClientRect().top;

  function rememberPlaces(part) {
    const named = [...part.querySelectorAll("[id]")];
    const first = topOf(part) < 0 && named.find((it) => topOf(it) >= 0);
    seen = first ? { id: first.id, top: topOf(first) } : null;
    scrolled = new Map(named.filter((it) => it.scrollTop > 0).map((it) => [it.id, it.scrollTop]));
  }

  function keepPlaces() {
    for (const [id, top] of scrolled) document.getElementById(id)?.scrollTo({ top });
    const again = seen && document.getElementById(seen.id);
    if (again) (again.closest("dialog") ?? globalThis).scrollBy({ top: topOf(again) - seen.top });
    seen = null;
    scrolled = new Map();
  }

  document.addEventListener("htmx:oobAfterSwap", keepPlaces);
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { fragment, target } = event.detail;
    if (!("live" in target.dataset)) return;
    const html = fragment.firstElementChild.outerHTML;
    if (html === pristine.get(target) || isInUse(target)) event.detail.shouldSwap = false;
    else {
      keepOpen(target, fragment.firstElementChild);
      rememberPlaces(target);
      sent.set(target.id, html);
    }
  });

  function look() {
    waited = 0;
    if (live() && !ended && document.visibilityState === "visible") htmx.trigger(live(), "telemetry:look");
  }

  setInterval(() => {
    waited += 1;
    if (waited >= (document.querySelector("[data-soon]") ? EVERY_SOON : EVERY)) look();
  }, SECOND);

  document.addEventListener("telemetry:content", remember);
  document.addEventListener("visibilitychange", look);
  // Out of the browser's cache, a page that does not ask by itself says what was true when it was left.
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    if (live()) look();
    else location.reload();
  });
  addEventListener("online", look);

  /* Who fills in a form is led to the login by sending it, and not while typing. */
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { elt, xhr } = event.detail;
    if (elt.id !== "live" || xhr.status !== UNAUTHORIZED || !("stays" in elt.dataset)) return;
    ended = true;
    event.preventDefault();
    event.stopImmediatePropagation();
  });

  /* An open drawer is sent again, too, as long as its transmission can change. */
  const followed = () => document.querySelector("[data-follow]")?.dataset.follow;
  const shown = () => `${document.getElementById("history-rows")?.dataset.url} ${followed()}`;

  document.addEventListener("htmx:configRequest", ({ detail: { elt, headers } }) => {
    if (elt.id !== "live") return;
    about = shown();
    if (followed()) headers["X-Transmission"] = followed();
  });

  /* Someone has turned the page, or opened another transmission, since it was asked. */
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.elt.id === "live" && about !== shown()) event.preventDefault();
  });

  function showState({ detail: { elt, successful } }) {
    if (elt.id !== "live") return;
    const note = document.getElementById("not-live");
    note.hidden = successful;
    if (ended) note.textContent = note.dataset.ended;
  }

  document.addEventListener("htmx:afterRequest", showState);
})();
