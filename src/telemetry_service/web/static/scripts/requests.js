/* What is clicked shows at once that it waits for a response, and is not requested twice. */
(() => {
  "use strict";

  const LEAVING = 10_000; // In milliseconds: a download answers a click, too, and the page stays.
  const waiting = new Map(); // From a request to what waits for it.
  const leaving = new Set(); // What was clicked to leave the page.

  function mark(it) {
    it.setAttribute("aria-busy", "true");
    if (it.matches("a, button")) it.setAttribute("aria-disabled", "true");
  }

  function unmark(it) {
    it.removeAttribute("aria-busy");
    if (it.matches("a, button")) it.removeAttribute("aria-disabled");
  }

  const isControl = (it) => it instanceof Element && it.matches("a, button:not([hidden], [hidden] *)");

  /* The clicked control, and the part of the page that another choice replaces. What asks by itself shows nothing. */
  function marksOf({ elt, requestConfig, target }) {
    const marks = [requestConfig?.triggeringEvent?.submitter ?? elt].filter((it) => isControl(it));
    return "push" in elt.dataset ? [...marks, target] : marks;
  }

  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    const marks = marksOf(detail);
    for (const it of marks) mark(it);
    waiting.set(detail.xhr, marks);
  });
  document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
    for (const it of waiting.get(xhr) ?? []) unmark(it);
    waiting.delete(xhr);
  });

  // This runs before every other listener.
  addEventListener(
    "click",
    (event) => {
      if (!event.target.closest?.(":is(a, button)[aria-busy='true']")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    { capture: true },
  );

  /* Forms and links that htmx does not send. */

  function stay() {
    for (const it of leaving) unmark(it);
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    leaving.clear();
  }

  function leave(control) {
    if (control) {
      mark(control);
      leaving.add(control);
    }
    setTimeout(stay, LEAVING);
  }

  function isSentByHtmx(form, submitter) {
    if (form.closest("[hx-disable]")) return false;
    return form.matches("[hx-post], [hx-get]") || submitter?.hasAttribute("hx-post");
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (isSentByHtmx(form, event.submitter)) return;
    if (form.dataset.sent) event.preventDefault();
    else leave(event.submitter);
    form.dataset.sent = "1";
  });

  const isPlain = ({ button, ctrlKey, metaKey, shiftKey, altKey }) =>
    button === 0 && !ctrlKey && !metaKey && !shiftKey && !altKey;
  const isElsewhere = ({ hash, href }) => !hash || href.split("#")[0] !== location.href.split("#")[0];

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]:not([download], [target])");
    if (link && !event.defaultPrevented && isPlain(event) && isElsewhere(link)) leave(link);
  });

  // Someone is asked before leaving, and may stay.
  addEventListener("beforeunload", (event) => {
    if (event.defaultPrevented) stay();
  });
  // Going back shows the page as it was left.
  addEventListener("pageshow", stay);
})();
