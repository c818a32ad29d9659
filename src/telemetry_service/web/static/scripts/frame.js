/* The tab in the frame of a console: messages to and from embed.js. Only the window that holds the frame is heard, and only
   if its origin may hold it; it gets no more than an address within the tab, a title and whether someone is logged in. */
(() => {
  "use strict";

  const page = document.documentElement;
  const home = page.dataset.embedded;
  if (!home || parent === globalThis) return;

  const LONGEST = 300;
  const COLORS = [
    ..."canvas surface raised sunken line control ink ink-soft accent accent-strong on-accent".split(" "),
    ...["good", "warn", "bad", "info", "quiet"].flatMap((tone) => [tone, `${tone}-tint`]),
    ..."series-1 series-2".split(" "),
  ];
  // Each custom property that a console may set, and the property whose values it takes.
  const TAKES = new Map([
    ...COLORS.map((name) => [`--cct-${name}`, "color"]),
    ["--cct-font", "font-family"],
    ["--cct-mono", "font-family"],
    ["--cct-radius", "border-radius"],
    ["--cct-radius-small", "border-radius"],
  ]);
  const origins = new Set([location.origin, ...page.dataset.hosts.split(" ")]);
  const sheet = new CSSStyleSheet();
  let host = null; // The origin of the window around, once it has spoken.
  let last = "";

  sheet.insertRule(".cct {}");
  document.adoptedStyleSheets.push(sheet);

  function tell(message) {
    if (host) parent.postMessage(Object.assign(message, { telemetry: 1 }), host);
  }

  function shown() {
    const path = location.pathname.slice(home.length) + location.search;
    const { title } = document;
    const loggedIn = !document.querySelector("[data-logged-out]");
    if (last === `${path} ${title} ${loggedIn}`) return;
    last = `${path} ${title} ${loggedIn}`;
    tell({ type: "shown", path, title, loggedIn });
  }

  function isFitting(name, value) {
    if (typeof value !== "string" || value.length > LONGEST || value.includes("url(")) return false;
    return CSS.supports(TAKES.get(name), value);
  }

  function wear({ scheme, properties }) {
    const [{ style }] = sheet.cssRules;
    if (scheme === "light" || scheme === "dark") page.dataset.theme = scheme;
    else delete page.dataset.theme;
    for (const name of TAKES.keys()) {
      const value = properties?.[name];
      style.setProperty(name, isFitting(name, value) ? value : "");
    }
  }

  function greet(message) {
    wear(message);
    last = "";
    shown();
  }

  /* Only an address within the tab, however it is written. */
  function open({ path }) {
    const wanted = new URL(`${home}${path}`, location);
    const inside = wanted.pathname === home || wanted.pathname.startsWith(`${home}/`);
    if (!inside || wanted.origin !== location.origin || wanted.href === location.href) return;
    location.assign(wanted);
  }

  const tokenIn = (content) => content.querySelector("input[name='csrf_token']")?.value;

  /* A page that shows an error contains no token: the tab does, if someone is logged in. */
  async function findToken() {
    const found = tokenIn(document);
    if (found) return found;
    const response = await fetch(home);
    return tokenIn(new DOMParser().parseFromString(await response.text(), "text/html")) ?? "";
  }

  async function endSession() {
    const body = new URLSearchParams({ csrf_token: await findToken() });
    return fetch(page.dataset.logout, { method: "POST", body, redirect: "manual" });
  }

  /* A log-out ends with a redirect; so does one without a session. Of anything else, the console hears nothing. */
  async function logOut() {
    const { type } = await endSession().catch(() => Response.error());
    if (type !== "opaqueredirect") return;
    tell({ type: "logged-out" });
    location.replace(home);
  }

  const RESPONSES = new Map([
    ["hello", greet],
    ["theme", wear],
    ["open", open],
    ["log-out", logOut],
  ]);

  addEventListener("message", (event) => {
    if (event.source !== parent || !origins.has(event.origin) || event.data?.telemetry !== 1) return;
    host = event.origin;
    RESPONSES.get(event.data.type)?.(event.data);
  });
  document.addEventListener("telemetry:address", shown);
  addEventListener("popstate", shown);

  // The login is in another window: whoever returns from there sees the tab.
  document.addEventListener("visibilitychange", () => {
    const wall = document.querySelector("[data-logged-out]");
    if (wall && document.visibilityState === "visible") location.replace(wall.dataset.loggedOut);
  });
})();
