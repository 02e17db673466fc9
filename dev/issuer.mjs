// The development issuer: two real OpenID providers with in-memory stores. Their tokens are the ones
// that the development configuration in wrangler.toml accepts. Not for production.
//
// The first issues JWTs. The second, below /opaque, issues opaque tokens, and is asked about each of
// them; `PUT /faults` with the name of a fault keeps it from answering, until a `PUT` of `none`.
import { randomBytes } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { parseEnv } from "node:util";

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

const OPAQUE = "/opaque";
const INTROSPECTION = `${OPAQUE}/token/introspection`;
const FAULTS = {
  none: undefined,
  hang: () => {},
  reset: (request) => request.socket.destroy(),
  500: (_request, response) => response.writeHead(500).end(),
  garbage: (_request, response) => response.end("<html>"),
};
let fault = "none";

// Pages of this machine, such as the test page, may get tokens here and switch faults.
const isLocal = (origin) => /^https?:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(origin);

const client = {
  client_id: "dev-client",
  client_secret: "dev-secret",
  grant_types: ["client_credentials"],
  response_types: [],
  redirect_uris: [],
  id_token_signed_response_alg: "ES256",
};
const common = {
  jwks: JSON.parse(readFileSync(".dev/issuer-keys.json", "utf8")),
  scopes: ["openid", "offline_access", "read", "write", "admin"],
  clientBasedCORS: (_context, origin) => isLocal(origin),
  cookies: { keys: [randomBytes(32).toString("base64url")] },
  ttl: { AccessToken: lifetime, ClientCredentials: lifetime },
};

const jwts = new Provider(issuer, {
  ...common,
  clients: [
    client,
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
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: resources("jwt"),
  },
});

const opaque = new Provider(issuer + OPAQUE, {
  ...common,
  clients: [
    client,
    // The Worker.
    {
      ...client,
      client_id: "edge",
      client_secret: parseEnv(readFileSync(".dev.vars", "utf8")).INTROSPECTION_SECRET,
      grant_types: [],
    },
  ],
  // Nobody but the client itself is behind such a token.
  extraTokenClaims: (_context, token) => ({ sub: token.clientId }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (_context, caller) => caller.clientId === "edge" },
    revocation: { enabled: true },
    resourceIndicators: resources("opaque"),
  },
});

function resources(accessTokenFormat) {
  return {
    enabled: true,
    defaultResource: () => worker,
    useGrantedResource: () => true,
    getResourceServerInfo: (_context, resource) => {
      if (resource !== worker) throw new errors.InvalidTarget();
      return {
        audience: worker,
        scope: "read write admin",
        accessTokenFormat,
        accessTokenTTL: lifetime,
        jwt: { sign: { alg: "ES256" } },
      };
    },
  };
}

for (const provider of [jwts, opaque]) {
  provider.on("server_error", (_context, error) => console.error("server error:", error));
}

const [answerJwts, answerOpaque] = [jwts, opaque].map((provider) => provider.callback());
const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  if (pathname === "/faults") return setFault(request, response);
  if (!pathname.startsWith(`${OPAQUE}/`)) return answerJwts(request, response);
  const fail = pathname === INTROSPECTION ? FAULTS[fault] : undefined;
  if (fail) return fail(request, response);
  // By the two of them, the provider knows where it is mounted.
  request.originalUrl = request.url;
  request.url = request.url.slice(OPAQUE.length);
  return answerOpaque(request, response);
}).listen(port, "127.0.0.1", () => console.log(`listening on ${issuer}`));
server.on("error", (error) => {
  console.error(`cannot listen on 127.0.0.1:${port}: ${error.message}`);
  process.exit(1);
});

async function setFault(request, response) {
  const { origin } = request.headers;
  response.setHeader("vary", "origin");
  if (origin !== undefined && isLocal(origin)) {
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-allow-methods", "GET, PUT");
  } else if (origin !== undefined) {
    return response.writeHead(403).end();
  }
  if (request.method === "OPTIONS") return response.writeHead(204).end();
  const wanted = request.method === "PUT" ? (await text(request)).trim() : fault;
  const isKnown = Object.hasOwn(FAULTS, wanted);
  if (isKnown && wanted !== fault) console.log(`introspection: ${fault} -> ${wanted}`);
  if (isKnown) fault = wanted;
  const said = isKnown ? `${fault}\n` : `expected one of ${Object.keys(FAULTS).join(", ")}\n`;
  response.writeHead(isKnown ? 200 : 400, { "content-type": "text/plain" }).end(said);
}
