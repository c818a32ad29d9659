// A reporter for the telemetry service in one file, with Node.js 20.11 and nothing else; see docs/integrating.md.
// Whenever it is killed, it loses nothing that was flushed and counts nothing twice.
// The IDs and counts of a batch are on disk before it is sent, and never change: a repeat is recognized.
// Each process needs its own spool file.
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const PROBLEM = "urn:control-core:telemetry:problem:";
const NAMES = ["audit_events", "policy_decisions", "successful_decisions"];
const MOST_REPORTS = 1000;
const MOST_IN_REPORT = 1e9;
const DEADLINE = 10_000;
const FIRST_DELAY = 1000;
const LONGEST_DELAY = 300_000;

export class Reporter {
  #counted = new Map();
  #state = { batches: [], open: [] };
  #failures = 0;

  constructor(url, token, spool) {
    this.url = `${url}/api/v1/usage`;
    this.headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    this.spool = spool;
    if (existsSync(spool)) this.#state = JSON.parse(readFileSync(spool, "utf8"));
  }

  // All `audit_events`, policy decisions included.
  count(bouncerId, environment, counts) {
    add(this.#counted, { bouncer_id: bouncerId, environment, ...counts });
  }

  // What was counted is on disk when this returns. Call it every second, or after each count.
  flush() {
    const open = new Map(this.#state.open);
    for (const counts of this.#counted.values()) add(open, counts);
    this.#keep({ batches: this.#state.batches, open: [...open] });
    this.#counted.clear();
  }

  // Sends what was counted. After false, wait for `delay()` milliseconds and call it again.
  async send() {
    this.flush();
    // First what earlier calls have left, and then what was counted meanwhile.
    while (this.#state.batches.length + this.#state.open.length > 0) {
      if (this.#state.batches.length === 0) this.#fix();
      const [batch, ...others] = this.#state.batches;
      // oxlint-disable-next-line no-await-in-loop -- one batch after the other
      const rest = await this.#sendOne(batch);
      if (rest === null) return false;
      this.#keep({ batches: [...rest.filter((part) => part.length > 0), ...others], open: this.#state.open });
    }
    return true;
  }

  // Longer each time, and at random, so that many reporters do not come at once.
  delay() {
    const longest = FIRST_DELAY * 2 ** Math.max(0, this.#failures - 1);
    return Math.min(LONGEST_DELAY, longest) * (1 + Math.random()) * 0.5;
  }

  // Open counts become reports: from now on, neither their IDs nor their counts change.
  #fix() {
    const reports = this.#state.open.flatMap(([, sums]) => inParts(sums));
    const batches = [];
    while (reports.length > 0) batches.push(reports.splice(0, MOST_REPORTS));
    this.#keep({ batches, open: [] });
  }

  // Returns the batches that are left of one, or null if it has to be repeated unchanged.
  async #sendOne(batch) {
    const { status, body } = await this.#post(batch);
    if (isAccepted(status, body, batch)) {
      this.#failures = 0;
      return [];
    }
    if (status === 413 || isRefused(status, body)) return this.#without(batch, status, listed(body.errors));
    // It passes, or someone has to do something first: about the token, or about the limits of the period.
    this.#failures += 1;
    return null;
  }

  // Sets aside the reports that the service refuses. If it does not say which, halves find out.
  #without(batch, status, indices) {
    const middle = Math.ceil(batch.length / 2);
    if (indices.size === 0 && batch.length > 1) return [batch.slice(0, middle), batch.slice(middle)];
    const isAside = (index) => indices.size === 0 || indices.has(index);
    const aside = batch.filter((report, index) => isAside(index));
    appendFileSync(
      `${this.spool}.refused`,
      aside.map((report) => `${JSON.stringify({ status, ...report })}\n`).join(""),
    );
    return [batch.filter((report, index) => !isAside(index))];
  }

  async #post(reports) {
    const request = { body: JSON.stringify({ reports }), headers: this.headers, method: "POST", redirect: "manual" };
    try {
      const response = await fetch(this.url, { ...request, signal: AbortSignal.timeout(DEADLINE) });
      const text = await response.text();
      return { body: parsed(text), status: response.status };
    } catch {
      return { body: {}, status: 0 };
    }
  }

  // The file is always whole: a kill leaves the old one or the new one.
  #keep(state) {
    const file = openSync(`${this.spool}.new`, "w", 0o600);
    writeSync(file, JSON.stringify(state));
    fsyncSync(file);
    closeSync(file);
    renameSync(`${this.spool}.new`, this.spool);
    this.#state = state;
  }
}

function add(sums, counts) {
  const key = `${counts.bouncer_id} ${counts.environment}`;
  const before = sums.get(key) ?? {};
  const after = NAMES.map((name) => [name, (before[name] ?? 0) + (counts[name] ?? 0)]);
  sums.set(key, { bouncer_id: counts.bouncer_id, environment: counts.environment, ...Object.fromEntries(after) });
}

// A sum that is too large for one report becomes several.
function inParts(sums) {
  const part = Object.fromEntries(NAMES.map((name) => [name, Math.min(sums[name], MOST_IN_REPORT)]));
  const rest = Object.fromEntries(NAMES.map((name) => [name, sums[name] - part[name]]));
  const report = { report_id: uuid7(), ...sums, ...part };
  return NAMES.some((name) => rest[name] > 0) ? [report, ...inParts({ ...sums, ...rest })] : [report];
}

// A page that something in between sends with 200 is no acceptance.
function isAccepted(status, body, batch) {
  return status === 200 && body.accepted + body.duplicates === batch.length;
}

// Only the service itself can refuse a report, in one of its problem documents.
function isRefused(status, body) {
  return (status === 400 || status === 422) && String(body.type).startsWith(PROBLEM) && body.retryable !== true;
}

// The service names a wrong report like this: reports[3].audit_events
function listed(errors) {
  const fields = (Array.isArray(errors) ? errors : []).map((error) => String(error.field));
  const matches = fields.map((field) => /^reports\[(?<index>\d+)\]/u.exec(field));
  return new Set(matches.filter((match) => match !== null).map((match) => Number(match.groups.index)));
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function uuid7() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 + (bytes[6] % 0x10);
  bytes[8] = 0x80 + (bytes[8] % 0x40);
  const parts = [0, 4, 6, 8, 10, 16].map((end, index, ends) => bytes.toString("hex", ends[index - 1] ?? 0, end));
  return parts.slice(1).join("-");
}

// As a program, `node reporter.mjs EVENTS` counts so many events, one by one, and sends them.
if (process.argv[1] === import.meta.filename) {
  const { env } = process;
  const reporter = new Reporter(env.TELEMETRY_URL, env.TELEMETRY_TOKEN, "telemetry-spool.json");
  for (let left = Number(process.argv[2] ?? 1); left > 0; left -= 1) {
    reporter.count("bnc-node-prd", "production", { audit_events: 1, policy_decisions: 1, successful_decisions: 1 });
    reporter.flush();
    process.stdout.write("counted\n");
  }
  // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
  while (!(await reporter.send())) await sleep(reporter.delay());
  process.stdout.write("sent\n");
}
