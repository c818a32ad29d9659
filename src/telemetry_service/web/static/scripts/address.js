/* The address bar and the title of the page say which dialog is open and which part of the history is shown. Inside a host
   console both belong to the console. */
(() => {
  "use strict";

  const tab = () => document.querySelector("#telemetry[data-standalone]");
  const isDialog = () => /\/(?:history\/[^/]+|payload)$/u.test(location.pathname);
  const target = () => (location.pathname.includes("/history/") ? "#drawer-place" : "#dialog-place");

  function showTitle(dialog) {
    const words = dialog?.querySelector("h2").textContent.trim().replaceAll(/\s+/gu, " ");
    document.title = `${words ? `${words} · ` : ""}Telemetry · Control Core`;
  }

  function opened(dialog) {
    const { url } = dialog.dataset;
    if (!tab() || !url) return;
    if (location.pathname !== new URL(url, location).pathname) history.pushState({ drawer: true }, "", url);
    showTitle(dialog);
  }

  function leave(dialog) {
    if (history.state?.drawer) history.back();
    else history.replaceState(null, "", dialog.dataset.back);
  }

  function closed(dialog) {
    if (!tab() || document.querySelector("dialog:modal")) return;
    showTitle(null);
    if (dialog.dataset.url && isDialog()) leave(dialog);
  }

  function followHistory() {
    const shown = document.getElementById("history");
    const { search } = location;
    if (!shown || new URL(shown.dataset.url, location).search === search) return;
    htmx.ajax("GET", `${tab().dataset.tab}/history${search}`, { target: "#history", swap: "outerHTML" });
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
    const chosen = requestConfig?.elt?.matches("[data-push]") && elt.id === "history";
    if (chosen && tab()) history.pushState(null, "", elt.dataset.url);
  });
  addEventListener("popstate", follow);
})();
