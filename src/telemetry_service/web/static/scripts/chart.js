/* The chart reads out a day: the one under the pointer, or the one that the arrow keys have reached. */
(() => {
  "use strict";

  const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

  const plot = () => document.getElementById("chart-plot");
  const reading = () => document.getElementById("chart-reading");
  const bars = () => [...plot().querySelectorAll("[data-bar]")];

  function prepare() {
    if (!plot() || plot().tabIndex === 0) return;
    plot().tabIndex = 0;
    plot().role = "group";
    plot().ariaLabel = "Events per day, read with the arrow keys";
    reading().dataset.usual = reading().textContent;
  }

  function read(bar) {
    for (const it of bars()) it.toggleAttribute("data-read", it === bar);
    reading().textContent = bar ? bar.querySelector("title").textContent : reading().dataset.usual;
  }

  function step(event) {
    if (!Object.hasOwn(STEPS, event.key)) return;
    const by = STEPS[event.key];
    event.preventDefault();
    const all = bars();
    const from = all.findIndex((it) => "read" in it.dataset);
    const next = from === -1 && by < 0 ? all.length - 1 : from + by;
    read(all[Math.min(Math.max(next, 0), all.length - 1)]);
  }

  document.addEventListener("telemetry:content", prepare);
  document.addEventListener("keydown", (event) => {
    if (event.target === plot()) step(event);
  });
  document.addEventListener("focusout", ({ target }) => {
    if (target === plot()) read(null);
  });
  document.addEventListener("pointerover", ({ target }) => {
    const bar = target.closest?.("[data-bar]");
    if (bar) read(bar);
  });
  document.addEventListener("pointerout", ({ target }) => {
    if (target.closest?.("[data-bar]")) read(null);
  });
})();
