/* Times: in UTC, as the server wrote them, or in the browser's own zone. */
(() => {
  "use strict";

  const STORED = "telemetry.zone";
  const format = (more) =>
    new Intl.DateTimeFormat(
      "en-GB",
      Object.assign(more, {
        day: "numeric",
        month: "short",
        year: "numeric",
        hour: "2-digit",
        minute: "2-digit",
        timeZoneName: "short",
      }),
    );
  const toTheMinute = format({});
  const toTheSecond = format({ second: "2-digit" });

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
  function local(time) {
    const style = "seconds" in time.dataset ? toTheSecond : toTheMinute;
    return style.format(new Date(time.dateTime)).replace("Sept ", "Sep ");
  }

  function show(time) {
    time.dataset.utc ??= time.textContent;
    time.textContent = zone === "local" ? local(time) : time.dataset.utc;
  }

  function showAll() {
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
