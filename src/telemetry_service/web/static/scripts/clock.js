/* The present, by the service's clock: it keeps counting down to what is due, and up from what was. */
(() => {
  "use strict";

  const SECOND = 1000; // In milliseconds.
  const TICKING = 90; // In seconds, as the following.
  const MINUTE = 60;
  const HOUR = 3600;
  const DAY = 86_400;
  const MONTH = 2_592_000;
  const MINUTES_FROM = 45;
  const HOURS_FROM = 5400;
  const DAYS_FROM = 129_600;
  const MONTHS_FROM = 5_184_000;
  const STEPS = [
    [MONTHS_FROM, MONTH, "month"],
    [DAYS_FROM, DAY, "day"],
    [HOURS_FROM, HOUR, "hour"],
    [MINUTES_FROM, MINUTE, "minute"],
  ]; // As in phrases.py.

  let serverTime = 0; // In milliseconds, at the moment below.
  let moment = 0;

  function setTime(text) {
    serverTime = Date.parse(text);
    moment = performance.now();
  }

  const secondsUntil = (at) => Math.round((Date.parse(at) - serverTime - (performance.now() - moment)) / SECOND);

  function ago(seconds) {
    const step = STEPS.find(([least]) => seconds >= least);
    if (!step) return "just now";
    const [, unit, name] = step;
    const number = Math.round(seconds / unit);
    return `${number} ${name}${number === 1 ? "" : "s"} ago`;
  }

  function write(it, words) {
    if (it.textContent !== words) it.textContent = words;
  }

  /* What is due in more than a minute and a half is exact enough in the server's words. */
  function showDue(it) {
    const left = secondsUntil(it.dataset.until);
    if (left < TICKING) write(it, left > 0 ? `in ${left} s` : "due now");
  }

  function tick() {
    if (moment === 0) return;
    for (const it of document.querySelectorAll("[data-until]")) showDue(it);
    for (const it of document.querySelectorAll("[data-ago]")) write(it, ago(-secondsUntil(it.dataset.ago)));
  }

  setInterval(tick, SECOND);
  document.addEventListener("telemetry:content", () => {
    const page = document.querySelector("[data-now]");
    if (page && moment === 0) setTime(page.dataset.now);
    tick();
  });
  document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
    const now = xhr.getResponseHeader("X-Now");
    if (now) setTime(now);
  });
})();
