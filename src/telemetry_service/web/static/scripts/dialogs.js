/* Dialogs: the server sends them open, for browsers without scripts; here they become modal. */
(() => {
  "use strict";

  let opener = null; // The ID of the element that had the focus before a dialog opened.

  function rememberOpener() {
    const focused = document.activeElement;
    if (focused?.id && !focused.closest("dialog")) opener = focused.id;
  }

  function closeOthers(dialog) {
    const others = [...document.querySelectorAll("dialog:modal")].filter((other) => other !== dialog);
    for (const other of others) {
      if (other.closest("#dialog-place")) other.remove();
      else other.close();
    }
  }

  function isOutside(box, { clientX, clientY }) {
    return clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom;
  }

  function closeAtBackdrop(event) {
    const dialog = event.currentTarget;
    if (event.target === dialog && isOutside(dialog.getBoundingClientRect(), event)) dialog.close();
  }

  function focusOpener(dialog) {
    document.getElementById(opener ?? dialog.dataset.opener)?.focus();
    opener = null;
  }

  function closed(event) {
    const dialog = event.currentTarget;
    dialog.remove();
    document.dispatchEvent(new CustomEvent("telemetry:closed", { detail: dialog }));
    if (!document.querySelector("dialog:modal")) focusOpener(dialog);
  }

  function open(dialog) {
    rememberOpener();
    closeOthers(dialog);
    dialog.removeAttribute("open");
    document.querySelector(".tab[inert]")?.removeAttribute("inert");
    dialog.showModal();
    dialog.querySelector("[data-first-focus]")?.focus();
    dialog.addEventListener("close", closed);
    dialog.addEventListener("click", closeAtBackdrop);
    dialog.dispatchEvent(new Event("telemetry:opened", { bubbles: true }));
  }

  // The dialog was removed by the response to its form.
  document.addEventListener("telemetry:adrift", () => {
    const found = document.getElementById(opener) ?? document.getElementById("history-title");
    found?.focus({ preventScroll: true });
    opener = null;
  });
  document.addEventListener("telemetry:content", () => {
    for (const dialog of document.querySelectorAll("dialog[data-modal]:not(.alone *, :modal)")) open(dialog);
  });
  document.addEventListener("click", (event) => {
    const dialog = event.target.closest("[data-close]")?.closest("dialog:modal");
    if (!dialog) return;
    event.preventDefault();
    dialog.close();
  });
})();
