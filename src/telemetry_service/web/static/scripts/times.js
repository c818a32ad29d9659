/* Times: in UTC, as the server wrote them, or in the browser's own zone. */
(() => {
  "use strict";

  const STORED = "telemetry.zone";
  const format = new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  });

  function storedZone() {
    try {
      return localStorage.getItem(STORED) ?? "utc";
    } catch {
      return "utc"; // The browser stores nothing for this page.
    }
  }

  function storeZone(chosen) {
    try {
      localStorage.setItem(STORED, chosen);
    } catch {
      // The choice applies only to this page.
    }
  }

  let zone = storedZone();

  // The month as the server abbreviates it: the browser's British September has four letters.
  const local = (time) => format.format(new Date(time.dateTime)).replace("Sept ", "Sep ");

  function show(time) {
    time.dataset.utc ??= time.textContent;
    time.textContent = zone === "local" ? local(time) : time.dataset.utc;
  }

  function showAll() {
    for (const time of document.querySelectorAll("time[data-local-time]")) time.textContent = local(time);
    for (const time of document.querySelectorAll("time[data-zone-switch]")) show(time);
    for (const button of document.querySelectorAll("[data-zone]")) {
      button.setAttribute("aria-pressed", String(button.dataset.zone === zone));
    }
  }

  document.addEventListener("telemetry:content", showAll);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zone]");
    if (!button) return;
    ({ zone } = button.dataset);
    storeZone(zone);
    showAll();
  });
})();
