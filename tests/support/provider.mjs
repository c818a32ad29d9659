// The certified OpenID provider of npm, over TLS on the loopback. Its first argument is its configuration as JSON; it
// writes its issuer to standard output, and then only what it has to complain about to standard error.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import https from "node:https";

const given = JSON.parse(process.argv[2]);
const { Provider } = await import(createRequire(given.modules).resolve("oidc-provider"));

const pem = readFileSync(given.certificate);
const server = https.createServer({ cert: pem, key: pem });
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `https://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [given.client],
  jwks: given.jwks,
  cookies: { keys: ["of this test alone"] },
  claims: { openid: ["sub"], profile: ["name", "roles"] },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...given.people[id] }) }),
  features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
  // By default it calls nobody on the loopback, where the client of the test is.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  pkce: { required: () => true },
  // Nobody is asked for consent: the client is the customer's own.
  async loadExistingGrant(context) {
    const grant = new context.oidc.provider.Grant({
      accountId: context.oidc.session.accountId,
      clientId: context.oidc.client.clientId,
    });
    grant.addOIDCScope(context.oidc.params.scope);
    await grant.save();
    return grant;
  },
});
provider.on("server_error", (_context, error) => console.error(error));
server.on("request", provider.callback());
console.log(issuer);
