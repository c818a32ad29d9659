/* The transmission history: its filters, its pages, and the row whose transmission is open. */
(() => {
  "use strict";

  const PAGE_LINKS = new Set(["older", "newer", "newest"]);

  function unmark() {
    for (const row of document.querySelectorAll("tr[aria-current]")) row.removeAttribute("aria-current");
  }

  function mark(dialog) {
    if (dialog.id !== "drawer") return;
    unmark();
    document.getElementById(dialog.dataset.opener)?.closest("tr")?.setAttribute("aria-current", "true");
  }

  document.addEventListener("telemetry:opened", (event) => mark(event.target));
  document.addEventListener("telemetry:closed", unmark);

  // While a year is typed, the date has the years 2, 20 and 202, which no one filters by.
  document.addEventListener(
    "change",
    (event) => {
      const { type, value } = event.target;
      if (type === "date" && value && value < "1000") event.stopPropagation();
    },
    { capture: true },
  );

  // A click anywhere in a row opens it, unless it selects text or is meant for something else in it.
  document.addEventListener("click", ({ target }) => {
    const row = target.closest("tr[data-row]");
    if (!row || target.closest("a, button, form") || !document.getSelection().isCollapsed) return;
    row.querySelector("th a").click();
  });

  // Sends the server which part of the history is shown, so that it can refresh that part.
  document.addEventListener("htmx:configRequest", (event) => {
    const shown = document.getElementById("history-rows");
    if (shown) event.detail.headers["X-History-Query"] = new URL(shown.dataset.url, location).search.slice(1);
  });

  // Scroll a new page of the history to its top.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (PAGE_LINKS.has(event.detail.requestConfig?.elt?.id)) document.getElementById("history-title")?.focus();
  });
})();
