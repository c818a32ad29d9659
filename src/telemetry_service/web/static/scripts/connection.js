/* The License Server connection: the API key hides itself again, and a test shows each step when it begins. */
(() => {
  "use strict";

  const SECOND = 1000; // In milliseconds.

  function hide(box) {
    if (!box.isConnected) return;
    const focused = box.contains(document.activeElement);
    box.remove();
    if (focused) document.getElementById("show")?.focus();
  }

  function countDown(box) {
    box.dataset.started = "";
    let left = Number(box.dataset.hideAfter);
    const timer = setInterval(() => {
      left -= 1;
      box.querySelector("[data-countdown]").textContent = String(left);
      if (left > 0 && box.isConnected) return;
      clearInterval(timer);
      hide(box);
    }, SECOND);
  }

  document.addEventListener("telemetry:content", () => {
    for (const box of document.querySelectorAll("[data-revealed]:not([data-started])")) countDown(box);
  });
  document.addEventListener("click", (event) => {
    const box = event.target.closest("[data-hide]")?.closest("[data-revealed]");
    if (!box) return;
    event.preventDefault();
    hide(box);
  });
  addEventListener("pagehide", () => {
    for (const box of document.querySelectorAll("[data-revealed]")) hide(box);
  });

  /* The response of a test has a fragment for each step: the latest is shown as it arrives, and the last one stays. */

  const NEXT = "\n<!-- next -->\n"; // As in step_stream.py.

  const childrenOf = (fragment) =>
    new DOMParser().parseFromString(fragment, "text/html").body.firstElementChild.childNodes;

  function showProgress(xhr, place) {
    const complete = xhr.responseText.split(NEXT).slice(0, -1);
    if (complete.length > 0 && place) place.replaceChildren(...childrenOf(complete.at(-1)));
  }

  document.addEventListener("htmx:beforeSend", ({ detail: { elt, target, xhr } }) => {
    if (elt.id !== "test") return;
    const place = () => document.getElementById(target.id); // A save may replace the form in the meantime.
    xhr.addEventListener("progress", () => showProgress(xhr, place()));
    target.addEventListener(
      "htmx:beforeSwap",
      ({ detail }) => {
        detail.serverResponse = detail.serverResponse.split(NEXT).pop();
        detail.target = place() ?? target;
      },
      { once: true },
    );
  });
})();
