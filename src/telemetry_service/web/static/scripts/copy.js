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

  async function copy(button) {
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    label.textContent = await copied(document.querySelector(button.dataset.copy)?.textContent ?? "");
    setTimeout(() => {
      label.textContent = before;
    }, MILLISECONDS);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
})();
