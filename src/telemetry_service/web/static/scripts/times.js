/* Times: in UTC, as the server wrote them, or in the browser's own zone, wherever one stands: in a sentence, too. */
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

  const MOMENT = /\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d(?<seconds>:\d\d)? UTC/gu; // As the server writes a time.
  const EXACT = "pre, code, script, style, textarea"; // What is shown as it was sent.
  const NAMES = ["aria-label", "title"];
  const written = new WeakMap(); // From a text or an element to what the server wrote and what is shown instead.

  // The month as the server abbreviates it: the browser's British September has four letters.
  function local(moment, seconds) {
    const style = seconds ? toTheSecond : toTheMinute;
    return style.format(new Date(moment.replace(",", ""))).replace("Sept ", "Sep ");
  }

  const inZone = (utc) => (zone === "local" ? utc.replaceAll(MOMENT, local) : utc);

  /* Other scripts may have changed a text since: then that is what counts. */
  function rewritten(key, text) {
    const before = written.get(key);
    const utc = before?.shown === text ? before.utc : text;
    const shown = inZone(utc);
    if (shown !== utc || before) written.set(key, { shown, utc });
    return shown;
  }

  function showTexts() {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode;
      const shown = text.parentElement.closest(EXACT) ? text.data : rewritten(text, text.data);
      if (shown !== text.data) text.data = shown;
    }
  }

  function showNames() {
    for (const name of NAMES) {
      for (const it of document.querySelectorAll(`[${name}]`)) {
        const key = it.getAttributeNode(name);
        const shown = rewritten(key, key.value);
        if (shown !== key.value) key.value = shown;
      }
    }
  }

  let changed = false; // Whether anything may be shown in local time.

  function showAll() {
    for (const button of document.querySelectorAll("[data-zone]")) {
      button.setAttribute("aria-pressed", String(button.dataset.zone === zone));
    }
    changed ||= zone === "local";
    if (!changed) return;
    showTexts();
    showNames();
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
