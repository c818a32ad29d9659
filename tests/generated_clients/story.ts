// The whole story through a client that openapi-typescript has made: what the types allow is compiled, and then run.
// Usage: node story.js URL REPORT_TOKEN ADMIN_TOKEN
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

const [url, reportToken, adminToken] = process.argv.slice(2) as [string, string, string];
const as = (token: string) => ({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });
const reporter = createClient<paths>(as(reportToken));
const admin = createClient<paths>(as(adminToken));

type Report = components["schemas"]["UsageReport"];

let reports = 0;

function report(events: number): Report {
    reports += 1;
    return {
        report_id: `01980000-0000-7000-8000-${String(reports).padStart(12, "0")}`,
        bouncer_id: "bnc-ts",
        environment: "production",
        audit_events: events,
        policy_decisions: events,
        successful_decisions: events,
    };
}

function read<T>(name: string, answer: { data?: T; error?: unknown; response: Response }): T {
    if (answer.error !== undefined || answer.data === undefined) {
        throw new Error(`${name}: ${answer.response.status} ${JSON.stringify(answer.error)}`);
    }
    if (!answer.response.headers.get("X-Request-Id")) {
        throw new Error(`${name}: no request ID`);
    }
    return answer.data;
}

async function facts(): Promise<void> {
    const bouncers = [{ bouncer_id: "bnc-ts", environment: "sandbox" as const, pair_id: "pair-ts" }];
    const put = read("put bouncers", await reporter.PUT("/api/v1/bouncers", { body: { bouncers } }));
    console.log("added", put.added.length);
    const params = { path: { bouncer_id: "bnc-ts" } };
    read("get bouncer", await reporter.GET("/api/v1/bouncers/{bouncer_id}", { params }));
    read("get bouncers", await reporter.GET("/api/v1/bouncers"));
    const posted = read(
        "post usage",
        await reporter.POST("/api/v1/usage", { body: { reports: [1, 2, 3].map(() => report(1_000_000_000)) } }),
    );
    console.log("accepted", posted.accepted, posted.reportable, posted.warnings[0]?.code);
    const license = { tier: "starter", license_status: "active" };
    const before = read("put license", await reporter.PUT("/api/v1/license", { body: license }));
    console.log("license", before.tier, before.source);
    read("get license", await reporter.GET("/api/v1/license"));
    const code = { code_id: "EXT-TS", redeemed_at: "2026-11-01T00:00:00Z" };
    read("post code", await reporter.POST("/api/v1/extension-codes", { body: code }));
}

async function refusals(): Promise<void> {
    const wrong = { ...report(1), successful_decisions: 5 };
    const { error } = await reporter.POST("/api/v1/usage", { body: { reports: [report(0), wrong] } });
    console.log("refused", error?.retryable, error?.errors?.map((one) => [one.index, one.report_id === wrong.report_id]));
}

async function settings(): Promise<void> {
    const config = read("get config", await admin.GET("/api/v1/telemetry/config"));
    const patched = await admin.PATCH("/api/v1/telemetry/config", {
        body: { retention_days: config.retention_days === 90 ? 365 : 90 },
        headers: { "Content-Type": "application/merge-patch+json" },
    });
    read("patch config", patched);
    const lost = await admin.PATCH("/api/v1/telemetry/config", { body: { enabled: false }, headers: {
        "Content-Type": "application/merge-patch+json",
    } });
    console.log("lost", lost.error?.consequences?.events_never_sent);
    read("test connection", await admin.POST("/api/v1/telemetry/test-connection"));
}

async function sending(): Promise<void> {
    const preview = read("preview", await admin.GET("/api/v1/telemetry/preview"));
    console.log("preview", preview.figures.total_events, preview.payload?.total_events);
    const key = { params: { header: { "Idempotency-Key": "ts-1" } } };
    const sent = read("send now", await admin.POST("/api/v1/telemetry/send-now", key));
    const again = await admin.POST("/api/v1/telemetry/send-now", key);
    console.log("sent", sent.state, sent.records_sent, again.response.headers.get("Idempotency-Replayed"));
    const params = { path: { transmission_id: sent.transmission_id } };
    console.log("retried", read("retry", await admin.POST("/api/v1/telemetry/history/{transmission_id}/retry", { params })).state);
}

async function archive(): Promise<void> {
    let cursor: string | undefined = undefined;
    let pages = 0;
    do {
        const query: { limit: number; updated_since: string; cursor?: string } = { limit: 1, updated_since: "2026-01-01T00:00:00Z" };
        if (cursor !== undefined) {
            query.cursor = cursor;
        }
        const page: components["schemas"]["HistoryResponse"] = read(
            "history",
            await admin.GET("/api/v1/telemetry/history", { params: { query } }),
        );
        for (const one of page.transmissions) {
            const params = { path: { transmission_id: one.transmission_id } };
            const detail = read("detail", await admin.GET("/api/v1/telemetry/history/{transmission_id}", { params }));
            console.log("listed", detail.status, detail.attempts.length, detail.payload?.total_events, detail.cause?.code);
            const message = { path: { transmission_id: one.transmission_id, number: 1 } };
            const found = await admin.GET("/api/v1/telemetry/history/{transmission_id}/attempts/{number}/message", {
                params: message,
            });
            console.log("message", read("message", found).verified);
        }
        cursor = page.next_cursor ?? undefined;
        pages += 1;
    } while (cursor !== undefined);
    console.log("pages", pages);
    const query = { format: "full" };
    const lines = await admin.GET("/api/v1/telemetry/history/export", { params: { query }, parseAs: "text" });
    console.log("exported", read("export", lines as { data?: string; response: Response }).trim().split("\n").length);
}

async function rest(): Promise<void> {
    read("source", await admin.GET("/api/v1/telemetry/source"));
    console.log("health", read("health", await admin.GET("/api/v1/telemetry/health")).status);
    read("dictionary", await admin.GET("/api/v1/telemetry/dictionary")).fields.map((field) => field.meaning);
    const query = { limit: 1_000 };
    read("ledger", await admin.GET("/api/v1/ledger", { params: { query } })).entries.map((entry) => entry.line);
    console.log("verified", read("verify", await admin.POST("/api/v1/ledger/verify")).verified);
    const token = read("token", await admin.POST("/api/v1/tokens", { body: { name: "from-ts", scopes: ["read"] } }));
    read("tokens", await admin.GET("/api/v1/tokens"));
    const params = { path: { token_id: token.token_id } };
    console.log("revoked", (await admin.DELETE("/api/v1/tokens/{token_id}", { params })).response.status);
    read("alive", await admin.GET("/healthz"));
    console.log("ready", read("ready", await admin.GET("/readyz")).ready);
}

for (const part of [facts, refusals, settings, sending, archive, rest]) {
    await part();
}
