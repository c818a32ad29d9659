// A License Server for control-core-telemetry, with Node.js 20.10 and nothing else. docs/protocol.md walks through it.
// Start it with `node license-server.mjs OPTIONS.json`, where the file has
// {"port", "certificate", "key", "signingKey", "journal", "customers": {"cus_…": ["API key", …]}}
// Files are PEM; the journal is created. Of a customer's API keys, the first is accepted; the others are former ones.
import * as crypto from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { canonical, isValid } from "./payload.mjs";
import { createServer } from "node:https";

const MOST_BYTES = 256 * 1024;
const TOLERANCE_SECONDS = 300;
const options = JSON.parse(readFileSync(process.argv[2]));
const signingKey = crypto.createPrivateKey(readFileSync(options.signingKey));

// Ends a request with a problem document, unless the condition holds.
function require(condition, status, code, members = {}) {
  if (condition) return;
  const body = { type: `urn:control-core:license-server:${code}`, status, ...members };
  throw Object.assign(new Error(code), { status, body });
}

// Returns what `act` returns; if it fails, the request ends.
function attempt(act, code) {
  try {
    return act();
  } catch {
    return require(false, 400, code);
  }
}

// What both sides derive from an API key.
const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");
const hmac = (key, data) => crypto.createHmac("sha256", key).update(data);
const derive = (apiKey, use) =>
  Buffer.from(crypto.hkdfSync("sha256", apiKey, "", `control-core-telemetry/${use}/v1`, 32));
const keyIdOf = (apiKey) => sha256(`control-core-telemetry/key-id/v1\0${apiKey}`).slice(0, 16);
const pseudonym = (apiKey, customer) => `anon_${hmac(derive(apiKey, "pseudonym"), customer).digest("hex")}`;

const keys = Object.entries(options.customers).map(([customer, [apiKey]]) => [keyIdOf(apiKey), { apiKey, customer }]);
const accepted = new Map(keys);

// 1. Who sent it: each header once and well formed, a known key, a correct signature, and then the time.
function authenticate(headers, body) {
  const one = (header, form) => {
    require(form.test(headers[header] ?? ""), 400, "header-malformed", { header });
    return headers[header];
  };
  const id = one("x-telemetry-id", /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u);
  const timestamp = one("x-telemetry-timestamp", /^[1-9]\d{0,11}$/u);
  const signatures = one("x-telemetry-signature", /^v\d+,[\w+/=]+(?: v\d+,[\w+/=]+)*$/u);
  const ledger = "x-telemetry-ledger" in headers ? one("x-telemetry-ledger", /^[0-9a-f]{64}$/u) : null;
  const sender = accepted.get(one("x-telemetry-key-id", /^[0-9a-f]{16}$/u));
  require(sender, 401, "key-unknown");
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const expected = Buffer.from(`v1,${hmac(sender.apiKey, signed).digest("base64")}`);
  const matches = (given) => given.length === expected.length && crypto.timingSafeEqual(Buffer.from(given), expected);
  require(signatures.split(" ").every(matches), 401, "signature-invalid");
  require(Math.abs(Date.now() / 1000 - timestamp) <= TOLERANCE_SECONDS, 400, "timestamp-out-of-tolerance");
  return { ...sender, id, ledger, contentType: headers["content-type"] };
}

// 2. What it says: exactly the JWE of the protocol, or the payload itself.
function decrypt(body, apiKey) {
  const parts = body.toString("latin1").split(".");
  const [header, key, iv, ciphertext, tag] = parts.map((part) => Buffer.from(part, "base64url"));
  const exact = parts.every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
  const stated = { alg: "dir", cty: "json", enc: "A256GCM", kid: keyIdOf(apiKey) };
  const right = exact && canonical(JSON.parse(header)) === canonical(stated);
  require(right && parts.length === 5 && key.length === 0 && iv.length === 12, 400, "encryption-invalid");
  const cipher = crypto.createDecipheriv("aes-256-gcm", derive(apiKey, "jwe"), iv, { authTagLength: 16 });
  cipher.setAAD(Buffer.from(parts[0])).setAuthTag(tag);
  return Buffer.concat([cipher.update(ciphertext), cipher.final()]);
}

function open(body, { apiKey, contentType }) {
  require(["application/json", "application/jose"].includes(contentType), 415, "content-type-unsupported");
  return contentType === "application/json" ? body : attempt(() => decrypt(body, apiKey), "encryption-invalid");
}

// 3. Whether it may say that: canonical (so no member occurs twice), valid, and about the customer of the key.
function read(plaintext, { customer }) {
  const text = attempt(() => new TextDecoder("utf-8", { fatal: true }).decode(plaintext), "json-malformed");
  const payload = attempt(() => JSON.parse(text), "json-malformed");
  require(plaintext.equals(Buffer.from(canonical(payload))), 400, "json-not-canonical");
  require(isValid(payload), 422, "schema-violated");
  const names = options.customers[customer].map((apiKey) => pseudonym(apiKey, customer));
  require([customer, ...names].includes(payload.customer_id), 403, "customer-mismatch");
  return payload;
}

// 4. Whether it is new. What is accepted is on disk before the response is sent.
const lines = existsSync(options.journal) ? readFileSync(options.journal, "utf8").split("\n").filter(Boolean) : [];
const known = new Map(lines.map(JSON.parse).map((entry) => [entry.key, entry]));

function enter({ customer, id }, body, plaintext, payload) {
  const key = `${customer}/${id}`;
  const content = sha256(canonical({ ...payload, transmitted_at: null }));
  const earlier = known.get(key);
  const conflict = { transmission_id: id, body_sha256: earlier?.body };
  require(!earlier || earlier.content === content, 409, "id-conflict", conflict);
  if (earlier) return { ...earlier, status: "duplicate" };
  const entry = { key, content, body: sha256(body), payload: sha256(plaintext), at: new Date().toISOString() };
  appendFileSync(options.journal, `${JSON.stringify(entry)}\n`, { mode: 0o600, flush: true });
  known.set(key, entry);
  return { ...entry, status: "accepted" };
}

function receipt(claims) {
  const signed = [{ alg: "EdDSA" }, claims].map((it) => Buffer.from(canonical(it)).toString("base64url")).join(".");
  return `${signed}.${crypto.sign(null, Buffer.from(signed), signingKey).toString("base64url")}`;
}

const endpoints = {
  "/v1/telemetry": (headers, body) => {
    const { id, ledger, ...sender } = authenticate(headers, body);
    const plaintext = open(body, sender);
    const { status, payload, at } = enter({ id, ...sender }, body, plaintext, read(plaintext, sender));
    const claims = { transmission_id: id, payload_sha256: payload, received_at: at, ...(ledger && { ledger }) };
    return { transmission_id: id, status, received_at: at, receipt: receipt(claims) };
  },
  "/v1/telemetry/ping": (headers, body) => {
    const { contentType } = authenticate(headers, body);
    require(contentType === "application/json", 415, "content-type-unsupported");
    require(body.toString() === "{}", 422, "ping-not-empty");
    return { status: "ok" };
  },
};

async function receive(request) {
  const chunks = [];
  let received = 0;
  for await (const chunk of request) {
    received += chunk.length;
    if (received <= MOST_BYTES) chunks.push(chunk);
  }
  require(received <= MOST_BYTES, 413, "body-too-large");
  require(Object.hasOwn(endpoints, request.url), 404, "not-found");
  require(request.method === "POST", 405, "method-not-allowed");
  return endpoints[request.url](request.headers, Buffer.concat(chunks));
}

async function handle(request, response) {
  const internal = { type: "urn:control-core:license-server:internal", status: 500 };
  const respond = (status, type, body) =>
    response.writeHead(status, { "Content-Type": type }).end(JSON.stringify(body));
  await receive(request).then(
    (body) => respond(200, "application/json", body),
    ({ status = 500, body = internal }) => respond(status, "application/problem+json", body),
  );
}

const tls = { cert: readFileSync(options.certificate), key: readFileSync(options.key), minVersion: "TLSv1.2" };
const server = createServer(tls, handle).listen(options.port, "127.0.0.1", () => {
  const { x: publicKey } = crypto.createPublicKey(signingKey).export({ format: "jwk" });
  console.log(`https://127.0.0.1:${server.address().port} ${publicKey}`);
});
