/* No duplicate requests: a clicked button waits for its response. */
(() => {
  "use strict";

  const waiting = new Map(); // From a request to the button that made it.

  function buttonOf({ elt, requestConfig }) {
    const button = requestConfig?.triggeringEvent?.submitter ?? elt;
    return button.matches?.("button:not([hidden], [hidden] *)") ? button : null;
  }

  function press({ detail }) {
    const button = buttonOf(detail);
    if (!button) return;
    button.setAttribute("aria-busy", "true");
    button.setAttribute("aria-disabled", "true");
    waiting.set(detail.xhr, button);
  }

  function release({ detail: { xhr } }) {
    const button = waiting.get(xhr);
    waiting.delete(xhr);
    button?.removeAttribute("aria-busy");
    button?.removeAttribute("aria-disabled");
  }

  document.addEventListener("htmx:beforeRequest", press);
  document.addEventListener("htmx:afterRequest", release);

  // This runs before every other listener.
  addEventListener(
    "click",
    (event) => {
      if (!event.target.closest?.("[aria-busy='true']")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    { capture: true },
  );

  /* Forms that htmx does not send. */

  function isSentByHtmx(form, submitter) {
    if (form.closest("[hx-disable]")) return false;
    return form.matches("[hx-post], [hx-get]") || submitter?.hasAttribute("hx-post");
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (isSentByHtmx(form, event.submitter)) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });

  // Going back shows the page as it was left.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
})();
