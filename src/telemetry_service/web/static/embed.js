/* <control-core-telemetry src="/telemetry/embedded">: the settings tab in a console (docs/embedding.md).

   The tab is a page of its own in a frame, so that nothing of the console reaches it, and nothing of it the console. This
   element fills its pane, hands on the theme, and keeps the address of the console. Without it, its content is a link. */
(() => {
  "use strict";

  const NAME = "control-core-telemetry";
  if (customElements.get(NAME)) return; // Another copy of this script was here first.

  const FRAGMENT = "#telemetry";
  const OURS = /^#telemetry(?:$|[/?])/u;
  const PATIENCE_MILLISECONDS = 1500;
  const LOGOUT_MILLISECONDS = 5000;
  const COLORS = [
    ..."canvas surface raised sunken line control ink ink-soft accent accent-strong on-accent".split(" "),
    ...["good", "warn", "bad", "info", "quiet"].flatMap((tone) => [tone, `${tone}-tint`]),
    ..."series-1 series-2".split(" "),
  ];
  const PROPERTIES = [...COLORS, "font", "mono", "radius", "radius-small"].map((name) => `--cct-${name}`);
  const LOOK = `
    :host { display: block; inline-size: 100%; block-size: 100%; min-block-size: min(480px, 100vh); }
    :host([hidden]) { display: none; }
    iframe { display: block; inline-size: 100%; block-size: 100%; min-block-size: inherit; border: 0; }
    iframe.waiting { visibility: hidden; }`;

  /* The path within the tab that an address of the console names. */
  function pathIn(hash) {
    const path = OURS.test(hash) ? hash.slice(FRAGMENT.length) : "";
    return /^\/[\w/-]+(?:\?[\w=&%.~-]*)?$|^\?[\w=&%.~-]+$/u.test(path) ? path : "";
  }

  /* A fragment of the console's own is left alone. */
  const isOurs = (hash) => hash === "" || OURS.test(hash);

  function keepAddress(path) {
    const { hash, pathname, search } = location;
    if (!isOurs(hash)) return;
    const wanted = path === "" ? "" : FRAGMENT + path;
    if (hash !== wanted) history.replaceState(history.state, "", pathname + search + wanted);
  }

  function baseOf(src) {
    const base = new URL(src, document.baseURI);
    if (/^https?:$/u.test(base.protocol) && base.pathname.endsWith("/embedded")) return new URL(base.pathname, base);
    throw new TypeError(`<${NAME}> needs the address of the tab for a frame, such as src="/telemetry/embedded"`);
  }

  class TelemetryTab extends HTMLElement {
    static observedAttributes = ["src", "theme"];

    #base = null;
    #frame = null;
    #greeted = false;
    #leaving = null;
    #theme = "";
    #watchers = new AbortController();

    connectedCallback() {
      this.#greeted = false;
      this.#load();
      this.#watch();
    }

    attributeChangedCallback(name) {
      if (name === "src" && this.isConnected) this.#load();
      else this.#handOnTheme();
    }

    disconnectedCallback() {
      this.#watchers.abort();
      this.#watchers = new AbortController();
    }

    /* End the session of the tab: `telemetry-logged-out` says when, and whether the tab has confirmed it. */
    logOut() {
      this.#leaving = setTimeout(() => this.#left(false), LOGOUT_MILLISECONDS);
      this.#send({ type: "log-out" });
    }

    #load() {
      if (!this.hasAttribute("src")) return;
      const base = baseOf(this.getAttribute("src"));
      if (base.href === this.#base?.href) return;
      this.#base = base;
      this.#greeted = false;
      this.#frame ??= this.#makeFrame();
      this.#frame.src = base.href + pathIn(location.hash);
    }

    #makeFrame() {
      const frame = Object.assign(document.createElement("iframe"), {
        className: "waiting",
        title: "Telemetry settings",
      });
      const sheet = new CSSStyleSheet();
      const root = this.attachShadow({ mode: "closed" });
      sheet.replaceSync(LOOK);
      root.adoptedStyleSheets = [sheet];
      root.append(frame);
      frame.addEventListener("load", () => {
        this.#greeted = true;
        this.#send(Object.assign(this.#wanted(), { type: "hello" }));
        setTimeout(() => frame.classList.remove("waiting"), PATIENCE_MILLISECONDS);
      });
      return frame;
    }

    #watch() {
      const { signal } = this.#watchers;
      const look = () => this.#handOnTheme();
      const changes = new MutationObserver(look);
      const options = { attributes: true, attributeFilter: ["class", "style", "data-theme", "data-bs-theme"] };
      for (const place of [document.documentElement, document.body, this]) changes.observe(place, options);
      signal.addEventListener("abort", () => changes.disconnect());
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", look, { signal });
      addEventListener("message", (event) => this.#hear(event), { signal });
      addEventListener("hashchange", () => this.#follow(location.hash), { signal });
    }

    #follow(hash) {
      if (isOurs(hash)) this.#send({ type: "open", path: pathIn(hash) });
    }

    #send(message) {
      if (!this.#greeted) return;
      this.#frame.contentWindow.postMessage(Object.assign(message, { telemetry: 1 }), this.#base.origin);
    }

    #isOurs({ source, origin, data }) {
      return source === this.#frame?.contentWindow && origin === this.#base.origin && data?.telemetry === 1;
    }

    #hear(event) {
      if (!this.#isOurs(event)) return;
      const { data } = event;
      if (data.type === "shown") this.#show(data);
      if (data.type === "logged-out") this.#left(true);
    }

    #left(confirmed) {
      if (this.#leaving === null) return;
      clearTimeout(this.#leaving);
      this.#leaving = null;
      this.dispatchEvent(new CustomEvent("telemetry-logged-out", { detail: { confirmed }, bubbles: true }));
    }

    #show({ path, title, loggedIn }) {
      this.#frame.classList.remove("waiting");
      if (this.#leaving !== null) this.#send({ type: "log-out" }); // The frame was not there yet.
      const detail = { path: String(path), title: String(title), loggedIn: loggedIn === true };
      const event = new CustomEvent("telemetry-shown", { detail, bubbles: true, cancelable: true });
      if (this.dispatchEvent(event)) keepAddress(detail.path);
    }

    #wanted() {
      const style = getComputedStyle(this);
      const found = PROPERTIES.map((name) => [name, style.getPropertyValue(name).trim()]);
      return { scheme: this.#scheme(style), properties: Object.fromEntries(found.filter(([, value]) => value)) };
    }

    /* As the attribute says, else as the console looks: one that declares nothing is light. */
    #scheme({ colorScheme }) {
      const said = this.getAttribute("theme") ?? colorScheme;
      if (said.includes("light") && said.includes("dark")) return "auto";
      return said === "auto" || said.includes("dark") ? said.replace("only", "").trim() : "light";
    }

    #handOnTheme() {
      if (!this.#greeted) return;
      const wanted = this.#wanted();
      const written = JSON.stringify(wanted);
      if (written === this.#theme) return;
      this.#theme = written;
      this.#send(Object.assign(wanted, { type: "theme" }));
    }
  }

  customElements.define(NAME, TelemetryTab);
})();
