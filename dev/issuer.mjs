// The development issuer: a real OpenID provider with an in-memory store. Its tokens are the ones
// that the development configuration in wrangler.toml accepts. Not for production.
import { randomBytes } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";

// The provider reminds of everything that must change before production. Here that is on purpose;
// the reminders go to a file, so that the terminal shows what happens now.
const NOTICES = ".dev/issuer-notices.log";
for (const level of ["info", "warn"]) {
  console[level] = (...parts) => appendFileSync(NOTICES, `${level}: ${parts.join(" ")}\n`);
}
const { default: Provider, errors } = await import("oidc-provider");

const worker = `http://127.0.0.1:${process.env.EDGEWARD_PORT ?? 8787}`;
const port = Number(process.env.EDGEWARD_ISSUER_PORT ?? 8788);
const issuer = `http://127.0.0.1:${port}`;
const lifetime = 3600;

const provider = new Provider(issuer, {
  jwks: JSON.parse(readFileSync(".dev/issuer-keys.json", "utf8")),
  clients: [
    {
      client_id: "dev-client",
      client_secret: "dev-secret",
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
      id_token_signed_response_alg: "ES256",
    },
    {
      client_id: "dev-app",
      application_type: "native",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      redirect_uris: [`${worker}/public/callback`],
      id_token_signed_response_alg: "ES256",
    },
  ],
  scopes: ["openid", "offline_access", "read", "write", "admin"],
  clientBasedCORS: () => true,
  cookies: { keys: [randomBytes(32).toString("base64url")] },
  ttl: { AccessToken: lifetime, ClientCredentials: lifetime },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => worker,
      useGrantedResource: () => true,
      getResourceServerInfo: (_context, resource) => {
        if (resource !== worker) throw new errors.InvalidTarget();
        return {
          audience: worker,
          scope: "read write admin",
          accessTokenFormat: "jwt",
          accessTokenTTL: lifetime,
          jwt: { sign: { alg: "ES256" } },
        };
      },
    },
  },
});

provider.on("server_error", (_context, error) => console.error("server error:", error));

const server = provider.listen(port, "127.0.0.1", () => console.log(`listening on ${issuer}`));
server.on("error", (error) => {
  console.error(`cannot listen on 127.0.0.1:${port}: ${error.message}`);
  process.exit(1);
});
