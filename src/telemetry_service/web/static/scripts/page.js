/* The base of the other scripts: an event each time that something new is on the page.

   Nothing depends on scripts: every form and link works without them. Each file is strict, keeps its names to itself and is
   about one topic. They are served as one file, tab.js, and speak to each other through attributes and these events:

   telemetry:content  on the document: the page is there, or a part of it was replaced
   telemetry:opened   on a dialog: it has become modal
   telemetry:closed   on the document, with the dialog in `detail`: it was closed and has left the page
   telemetry:adrift   on the document: what had the focus is gone, and nothing has it
   telemetry:address  on the document: the address or the title has changed */
(() => {
  "use strict";

  // Before the page is drawn, so that what needs scripts never appears late.
  document.documentElement.classList.add("js");

  let focusedBefore = null; // Where the element was that had the focus when a request began, as a selector.

  const announce = () => document.dispatchEvent(new Event("telemetry:content"));

  function focusWanted() {
    const wanted = [...document.querySelectorAll("[data-focus]")].at(-1);
    if (!wanted) return false;
    wanted.focus();
    delete wanted.dataset.focus;
    return true;
  }

  /* Whatever takes the focus in a part that is replaced has an ID, or is what opens one that has. */
  function selectorOf(it) {
    if (it?.id) return `#${CSS.escape(it.id)}`;
    return it?.parentElement?.id ? `#${CSS.escape(it.parentElement.id)} > ${it.localName}` : null;
  }

  /* Replacing a part loses the focus: move it to the replacement. */
  function keepFocus() {
    if (focusWanted() || document.activeElement !== document.body || !focusedBefore) return;
    const candidates = [focusedBefore, focusedBefore.replace(/(?<=^#)retry-/u, "row-")];
    const found = candidates.map((selector) => document.querySelector(selector)).find(Boolean);
    if (found) found.focus({ preventScroll: true });
    else document.dispatchEvent(new Event("telemetry:adrift"));
  }

  document.addEventListener("htmx:beforeRequest", () => {
    focusedBefore = selectorOf(document.activeElement);
  });
  document.addEventListener("htmx:afterSettle", () => {
    announce();
    keepFocus();
  });
  document.addEventListener("htmx:oobAfterSwap", announce);

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", announce);
  else queueMicrotask(announce); // By then the scripts below are listening.
})();
