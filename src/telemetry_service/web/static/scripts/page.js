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

  const began = new WeakMap(); // From a request to what had the focus when it began.
  const arrived = new WeakMap(); // From a request to what had it when the response came.

  const announce = () => document.dispatchEvent(new Event("telemetry:content"));

  /* Who has gone on to something else meanwhile is not called back. */
  function focusWanted(isElsewhere) {
    const wanted = [...document.querySelectorAll("[data-focus]")];
    for (const it of wanted) delete it.dataset.focus;
    if (!isElsewhere) wanted.at(-1)?.focus();
    return wanted.length > 0;
  }

  /* Whatever takes the focus in a part that is replaced has an ID, or is what opens one that has. */
  function selectorOf(it) {
    if (it.id) return `#${CSS.escape(it.id)}`;
    return it.parentElement?.id ? `#${CSS.escape(it.parentElement.id)} > ${it.localName}` : null;
  }

  function focused() {
    const it = document.activeElement ?? document.body;
    return { it, selector: it === document.body ? null : selectorOf(it) };
  }

  /* A part that was replaced meanwhile has another element of the same name. */
  function hasGoneOn(from, to) {
    if (to.it === document.body || to.it === from.it) return false;
    return to.selector === null || to.selector !== from.selector;
  }

  /* Replacing a part loses the focus: move it to the replacement. */
  function keepFocus(from, to) {
    const before = to.selector;
    if (focusWanted(hasGoneOn(from, to)) || document.activeElement !== document.body || !before) return;
    const candidates = [before, before.replace(/(?<=^#)retry-/u, "row-")];
    const found = candidates.map((selector) => document.querySelector(selector)).find(Boolean);
    if (found) found.focus({ preventScroll: true });
    else document.dispatchEvent(new Event("telemetry:adrift"));
  }

  document.addEventListener("htmx:beforeRequest", ({ detail: { xhr } }) => {
    began.set(xhr, focused());
  });
  document.addEventListener("htmx:beforeSwap", ({ detail: { xhr } }) => {
    arrived.set(xhr, focused());
  });
  document.addEventListener("htmx:afterSettle", ({ detail: { xhr } }) => {
    announce();
    keepFocus(began.get(xhr) ?? focused(), arrived.get(xhr) ?? focused());
  });
  document.addEventListener("htmx:oobAfterSwap", announce);

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", announce);
  else queueMicrotask(announce); // By then the scripts below are listening.
})();
