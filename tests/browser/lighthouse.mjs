/* Lets Lighthouse load several pages in one Chromium, and writes a report of each as JSON.

   Usage: node lighthouse.mjs MODULES CHROMIUM ADDRESS-AND-COOKIE... (as JSON: {"url": …, "cookie": …}) */
import { pathToFileURL } from "node:url";

const [modules, chromePath, ...pages] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(`${modules}/${path}`));
const { default: lighthouse, desktopConfig } = await load("lighthouse/core/index.js");
const { launch } = await load("chrome-launcher/dist/index.js");

/* The views ask again every few seconds, so there is no long silence to wait for. */
const SETTINGS = {
  disableFullPageScreenshot: true,
  maxWaitForLoad: 15_000,
  pauseAfterFcpMs: 500,
  pauseAfterLoadMs: 500,
  networkQuietThresholdMs: 500,
  cpuQuietThresholdMs: 0,
};
const CHROME_FLAGS = ["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"];

const config = { ...desktopConfig, settings: { ...desktopConfig.settings, ...SETTINGS } };
const chrome = await launch({ chromePath, chromeFlags: CHROME_FLAGS });
const reports = [];
for (const { url, cookie } of pages.map((page) => JSON.parse(page))) {
  const extraHeaders = cookie ? { Cookie: cookie } : {};
  const { lhr } = await lighthouse(url, { port: chrome.port, logLevel: "error", extraHeaders }, config);
  reports.push(lhr);
}
chrome.kill();
process.stdout.write(JSON.stringify(reports));
