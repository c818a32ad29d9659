/* Buttons that copy the content of an element. */
(() => {
  "use strict";

  const MILLISECONDS = 2000;

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return "Copied";
    } catch {
      return "Copy blocked";
    }
  }

  /* The address of the page, or what an element says, each of its lines once. */
  function wanted({ dataset }) {
    if ("copyLink" in dataset) return location.href;
    return document.querySelector(dataset.copy)?.textContent.trim().replaceAll(/\n\s+/gu, "\n") ?? "";
  }

  async function copy(button) {
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    label.textContent = await copied(wanted(button));
    setTimeout(() => {
      label.textContent = before;
    }, MILLISECONDS);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-link]");
    if (button) copy(button);
  });
})();
