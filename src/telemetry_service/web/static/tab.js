/* Makes the settings tab quicker and more comfortable. Nothing depends on it: every form and link works without.
   It is loaded before the page is drawn, so that what only works with it never appears and disappears. */
(() => {
  "use strict";

  const root = document.documentElement;
  root.classList.add("js");

  const TOAST_MILLISECONDS = 8000;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const tab = () => document.getElementById("telemetry");
  const standalone = () => tab()?.hasAttribute("data-standalone") ?? false;

  /* Times: UTC as the server wrote them, or the browser's own zone. */

  const ZONE = "telemetry.zone";
  const localFormat = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  const storedZone = () => { try { return localStorage.getItem(ZONE) ?? "utc"; } catch { return "utc"; } };
  const keepZone = (zone) => { try { localStorage.setItem(ZONE, zone); } catch { /* private mode: for this page only */ } };
  let zone = storedZone();

  // The month as the server abbreviates it: the browser's British September has four letters.
  const localTime = (time) => localFormat.format(new Date(time.dateTime)).replace("Sept ", "Sep ");

  function showTimes(within) {
    for (const time of all("time[data-local-time]", within)) time.textContent = localTime(time);
    for (const time of all("time[data-zone-switch]", within)) {
      time.dataset.utc ??= time.textContent;
      time.textContent = zone === "local" ? localTime(time) : time.dataset.utc;
    }
    for (const button of all("[data-zone]", within)) button.setAttribute("aria-pressed", String(button.dataset.zone === zone));
  }

  function chooseZone(chosen) {
    zone = chosen;
    keepZone(zone);
    showTimes(document);
  }

  /* Toasts */

  function startToast(toast) {
    let timer;
    const stop = () => clearTimeout(timer);
    const go = () => { stop(); timer = setTimeout(() => toast.remove(), TOAST_MILLISECONDS); };
    toast.dataset.started = "";
    for (const older of all("[data-toast]")) { // Said once is enough, and a fault that is overcome is none any more.
      const overcome = toast.dataset.tone === "good" && ["bad", "warn"].includes(older.dataset.tone);
      if (older !== toast && (overcome || older.textContent.trim() === toast.textContent.trim())) older.remove();
    }
    if (toast.dataset.tone === "bad") return; // A fault stays until it is dismissed.
    toast.addEventListener("pointerenter", stop);
    toast.addEventListener("pointerleave", go);
    toast.addEventListener("focusin", stop);
    toast.addEventListener("focusout", go);
    go();
  }

  function say(text) {
    const toast = document.createElement("div");
    toast.className = "notice toast";
    toast.dataset.tone = "bad";
    toast.dataset.toast = "";
    const words = document.createElement("p");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.dataset.dismiss = "";
    close.setAttribute("aria-label", "Dismiss this message");
    close.textContent = "×";
    toast.append(document.createElement("span"), words, close);
    toasts()?.append(toast);
    startToast(toast);
    raiseToasts();
  }

  const toasts = () => document.getElementById("toasts");

  /* A modal dialog lies above everything else, so that the toasts have to be raised above it each time. */
  function raiseToasts() {
    const region = toasts();
    if (!region?.showPopover) return;
    region.setAttribute("popover", "manual");
    if (region.matches(":popover-open")) region.hidePopover();
    region.showPopover();
  }

  /* Dialogs: the server sends them open, for browsers without JavaScript; here they become modal. */

  let opener = null; // The id of what had the focus before a dialog opened.
  const isDialogUrl = () => /\/(history\/[^/]+|payload)$/.test(location.pathname);
  const placeOfDialog = () => (location.pathname.includes("/history/") ? "#drawer-place" : "#dialog-place");

  function openDialogs(within) {
    for (const dialog of all("dialog[data-modal]", within)) {
      if (dialog.matches(":modal") || dialog.closest(".alone")) continue;
      const active = document.activeElement;
      if (active?.id && !active.closest("dialog")) opener = active.id;
      for (const other of all("dialog:modal")) if (other !== dialog) other.closest("#dialog-place") ? other.remove() : other.close();
      dialog.removeAttribute("open");
      document.querySelector(".tab[inert]")?.removeAttribute("inert");
      dialog.showModal();
      dialog.querySelector("[data-first-focus]")?.focus();
      dialog.addEventListener("close", () => closed(dialog));
      dialog.addEventListener("click", (event) => { if (event.target === dialog && outside(dialog, event)) dialog.close(); });
      if (dialog.id === "drawer") markRow(dialog);
      if (dialog.dataset.url && standalone() && location.pathname !== new URL(dialog.dataset.url, location).pathname) {
        history.pushState({ drawer: true }, "", dialog.dataset.url);
      }
      if (dialog.dataset.url) showTitle(dialog);
    }
    raiseToasts();
  }

  function outside(dialog, event) {
    const box = dialog.getBoundingClientRect();
    return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
  }

  function closed(dialog) {
    dialog.remove();
    markRow(null);
    if (document.querySelector("dialog:modal")) return;
    showTitle(null);
    if (dialog.dataset.url && standalone() && isDialogUrl()) {
      if (history.state?.drawer) history.back();
      else history.replaceState(null, "", dialog.dataset.back);
    }
    const row = dialog.dataset.url?.split("?")[0].split("/").pop();
    const target = document.getElementById(opener ?? dialog.dataset.opener ?? `row-${row}`);
    target?.focus();
    opener = null;
  }

  function showTitle(dialog) {
    const words = dialog?.querySelector("h2").textContent.trim().replace(/\s+/g, " ");
    if (standalone()) document.title = `${words ? `${words} · ` : ""}Telemetry · Control Core`;
  }

  function markRow(dialog) {
    for (const row of all("tr[aria-current]")) row.removeAttribute("aria-current");
    const id = dialog?.dataset.url.split("?")[0].split("/").pop();
    if (id) document.querySelector(`tr[data-row="${id}"]`)?.setAttribute("aria-current", "true");
  }

  /* Back and forward: the address says which drawer is open and which part of the history is shown. */

  function follow() {
    if (!standalone()) return;
    if (isDialogUrl()) {
      htmx.ajax("GET", location.href, { target: placeOfDialog(), swap: "innerHTML" });
      return;
    }
    for (const dialog of all("dialog[data-url]")) dialog.close();
    const shown = document.getElementById("history");
    const asked = new URL(location.href);
    if (shown && new URL(shown.dataset.url, location).search !== asked.search) {
      htmx.ajax("GET", `${tab().dataset.tab}/history${asked.search}`, { target: "#history", swap: "outerHTML" });
    }
  }

  /* The API key hides itself again. */

  function startHiding(box) {
    box.dataset.started = "";
    let left = Number(box.dataset.hideAfter);
    const timer = setInterval(() => {
      left -= 1;
      const shown = box.querySelector("[data-countdown]");
      if (shown) shown.textContent = String(left);
      if (left <= 0 || !box.isConnected) { clearInterval(timer); hideKey(box); }
    }, 1000);
  }

  function hideKey(box) {
    if (!box.isConnected) return;
    const focused = box.contains(document.activeElement);
    box.remove();
    if (focused) document.getElementById("show")?.focus();
  }

  addEventListener("pagehide", () => { for (const box of all("[data-revealed]")) hideKey(box); });

  async function copy(button) {
    const text = document.querySelector(button.dataset.copy)?.textContent ?? "";
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(text);
      label.textContent = "Copied";
    } catch {
      label.textContent = "Copy blocked";
    }
    setTimeout(() => { label.textContent = before; }, 2000);
  }

  /* Unsaved changes */

  const typed = (form) => JSON.stringify([...new FormData(form)].filter(([name]) => !["csrf_token", "version", "seen"].includes(name)));

  function watchForm(form) {
    form.dataset.started = "";
    const before = "notSaved" in form.dataset ? null : typed(form); // What came back unsaved differs from what is saved.
    const look = () => {
      const changed = typed(form) !== before;
      for (const it of all("[data-unsaved]", form)) it.hidden = !changed;
      form.querySelector("[data-save-bar]").toggleAttribute("data-dirty", changed);
    };
    form.addEventListener("input", look);
    form.addEventListener("change", look);
    look();
  }

  /* The session has ended: what was changed is kept through the login, all but the API key. The form is sent without its
     proof, so that it is kept, and never saved, whatever has become of the session in the meantime. */

  function keepDraft(form) {
    const fields = new URLSearchParams(new FormData(form));
    if (fields.get("api_key")) fields.set("key_typed", "on");
    for (const name of ["api_key", "csrf_token"]) fields.delete(name);
    return fetch(form.action, { method: "POST", body: fields, redirect: "manual" });
  }

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const login = event.detail.xhr.status === 401 && event.detail.xhr.getResponseHeader("HX-Redirect");
    const form = document.querySelector("form[data-settings]");
    if (!login || !form?.querySelector("[data-dirty]")) return;
    event.preventDefault();
    const leave = () => { location.href = login; };
    keepDraft(form).then(leave, leave);
  });

  /* Everything that a new piece of the page needs */

  function adopt(within) {
    showTimes(within);
    openDialogs(within);
    for (const toast of all("[data-toast]:not([data-started])")) startToast(toast);
    for (const box of all("[data-revealed]:not([data-started])")) startHiding(box);
    for (const form of all("form[data-settings]:not([data-started])")) watchForm(form);
  }

  let focusedBefore = null; // The id of what had the focus when a request began.

  function keepFocus(within) {
    const wanted = all("[data-focus]", within).pop();
    if (wanted) { wanted.focus({ preventScroll: false }); wanted.removeAttribute("data-focus"); return; }
    if (document.activeElement !== document.body || !focusedBefore) return;
    const row = focusedBefore.replace(/^retry-/, "row-");
    (document.getElementById(focusedBefore) ?? document.getElementById(row) ?? document.getElementById("history-title"))?.focus();
  }

  /* No request twice: a button that was pressed waits for its answer. */

  const busy = new Map();
  const buttonOf = (detail) => detail.requestConfig?.triggeringEvent?.submitter ?? (detail.elt.matches?.("button") ? detail.elt : null);

  function press(detail) {
    const button = buttonOf(detail);
    if (!button || button.closest("[hidden]")) return;
    button.setAttribute("aria-busy", "true");
    button.setAttribute("aria-disabled", "true");
    busy.set(detail.xhr, button);
  }

  function release(detail) {
    const button = busy.get(detail.xhr);
    busy.delete(detail.xhr);
    button?.removeAttribute("aria-busy");
    button?.removeAttribute("aria-disabled");
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const plain = form.closest("[hx-disable]");
    if (!plain && (form.hasAttribute("hx-post") || form.hasAttribute("hx-get") || event.submitter?.hasAttribute("hx-post"))) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
  addEventListener("pageshow", () => { for (const form of all("form[data-sent]")) delete form.dataset.sent; });

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest?.(selector);
    if (at("[aria-busy='true']")) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    if (at("[data-close]") && at("dialog:modal")) { event.preventDefault(); at("dialog").close(); }
    if (at("[data-hide]")) { event.preventDefault(); hideKey(at("[data-revealed]")); }
    if (at("[data-dismiss]")) at("[data-toast]").remove();
    if (at("[data-copy]")) copy(at("[data-copy]"));
    if (at("[data-zone]")) chooseZone(at("[data-zone]").dataset.zone);
  }, true);

  /* Whoever types the year of a date passes through the years 2, 20 and 202, which nobody filters by. */

  document.addEventListener("change", (event) => {
    if (event.target.type === "date" && event.target.value && event.target.value < "1000") event.stopPropagation();
  }, true);

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-appearance]");
    if (!form) return;
    const theme = new FormData(form).get("theme");
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  });

  /* Test Connection tells each step when it begins: what has come so far is shown, and at the end the last part alone. */

  const NEXT = "\n<!-- next -->\n";

  document.addEventListener("htmx:beforeSend", (event) => {
    const { elt, target, xhr } = event.detail;
    if (elt.id !== "test") return;
    const place = () => document.getElementById(target.id); // A save may put another form in its place in the meantime.
    xhr.addEventListener("progress", () => {
      const parts = xhr.responseText.split(NEXT);
      if (parts.length < 2 || !place()) return;
      place().innerHTML = new DOMParser().parseFromString(parts.at(-2), "text/html").body.firstElementChild.innerHTML;
    });
    target.addEventListener("htmx:beforeSwap", ({ detail }) => {
      detail.serverResponse = detail.serverResponse.split(NEXT).pop();
      detail.target = place() ?? target;
    }, { once: true });
  });

  document.addEventListener("htmx:configRequest", (event) => { // Which part of the history is shown, for whoever refreshes it.
    const shown = document.getElementById("history");
    if (shown) event.detail.headers["X-History-Query"] = new URL(shown.dataset.url, location).search.slice(1);
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    focusedBefore = document.activeElement?.id || null;
    press(event.detail);
  });
  document.addEventListener("htmx:afterRequest", (event) => release(event.detail));
  document.addEventListener("htmx:afterSettle", (event) => {
    const { elt, requestConfig } = event.detail;
    adopt(document);
    keepFocus(document);
    if (["older", "newer", "newest"].includes(requestConfig?.elt?.id)) document.getElementById("history-title")?.focus(); // Another page is read from its top.
    if (requestConfig?.elt?.hasAttribute("data-push") && standalone() && elt.id === "history") history.pushState(null, "", elt.dataset.url);
  });
  document.addEventListener("htmx:oobAfterSwap", () => adopt(document));
  document.addEventListener("htmx:sendError", () => say("The telemetry service did not respond. Check the connection and try again."));
  document.addEventListener("htmx:timeout", () => say("Still running. Reload to see the result."));
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.getResponseHeader("HX-Redirect")) return; // The login says what is the matter.
    let detail;
    try { detail = JSON.parse(event.detail.xhr.responseText).detail; } catch { /* no problem document */ }
    say(detail ?? "The telemetry service could not complete this. Try again.");
  });
  addEventListener("popstate", follow);

  function start() {
    adopt(document);
    const url = new URL(location.href);
    if (standalone() && url.searchParams.has("done")) { // The message was shown; a reload must not show it again.
      url.searchParams.delete("done");
      history.replaceState(history.state, "", url);
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
