/* The address and the title of the page say which dialog is open and which part of the history is shown. In a frame, the
   console is informed of both (frame.js). */
(() => {
  "use strict";

  const tab = () => document.querySelector("#telemetry");
  const isDialog = () => /\/(?:history\/[^/]+|payload)$/u.test(location.pathname);
  const target = () => (location.pathname.includes("/history/") ? "#drawer-place" : "#dialog-place");

  function showTitle(dialog) {
    const words = dialog?.querySelector("h2").textContent.trim().replaceAll(/\s+/gu, " ");
    document.title = `${words ? `${words} · ` : ""}${tab().dataset.title} · Control Core`;
    document.dispatchEvent(new Event("telemetry:address"));
  }

  /* Of several that follow one another in the drawer, the latest stays: Back closes the drawer. */
  function showAddress(url) {
    if (history.state?.drawer) history.replaceState(history.state, "", url);
    else history.pushState({ drawer: true, from: location.pathname + location.search }, "", url);
  }

  function opened(dialog) {
    const { url } = dialog.dataset;
    if (!tab() || !url) return;
    if (location.pathname !== new URL(url, location).pathname) showAddress(url);
    showTitle(dialog);
  }

  function leave(dialog) {
    // In a frame, going back could undo a step of the console around it.
    if (history.state?.drawer && parent === globalThis) history.back();
    else history.replaceState(null, "", history.state?.from ?? dialog.dataset.back);
  }

  function closed(dialog) {
    if (!tab() || document.querySelector("dialog:modal")) return;
    if (dialog.dataset.url && isDialog()) leave(dialog);
    showTitle(null);
  }

  function followHistory() {
    const shown = document.getElementById("history-rows");
    const { search } = location;
    if (!shown || new URL(shown.dataset.url, location).search === search) return;
    const options = { headers: { "X-Restored": "1" }, swap: "outerHTML", target: "#history-rows" };
    htmx.ajax("GET", `${tab().dataset.tab}/history${search}`, options);
  }

  /* Back and forward. */
  function follow() {
    if (!tab()) return;
    if (isDialog()) {
      htmx.ajax("GET", location.href, { target: target(), swap: "innerHTML" });
      return;
    }
    for (const dialog of document.querySelectorAll("dialog[data-url]")) dialog.close();
    followHistory();
    showTitle(null);
  }

  /* The message in the address has been shown; a reload must not show it again. */
  function forgetMessage() {
    const url = new URL(location.href);
    if (!tab() || !url.searchParams.has("done")) return;
    url.searchParams.delete("done");
    history.replaceState(history.state, "", url);
  }

  document.addEventListener("telemetry:content", forgetMessage);
  document.addEventListener("telemetry:opened", (event) => opened(event.target));
  document.addEventListener("telemetry:closed", (event) => closed(event.detail));
  document.addEventListener("htmx:afterSettle", ({ detail: { elt, requestConfig } }) => {
    const chosen = requestConfig?.elt?.matches("[data-push]") && elt.id === "history-rows";
    if (!chosen || !tab()) return;
    history.pushState(null, "", elt.dataset.url);
    showTitle(null);
  });
  addEventListener("popstate", follow);
})();
