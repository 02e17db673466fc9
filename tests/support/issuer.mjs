// The auth service of the end-to-end tests: a real OpenID provider. `issuer.rs` starts it, with its
// settings as JSON in the only argument, and talks to it in lines: a command on standard input gets
// one line of JSON on standard output. The first line, without a command, tells the port.
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

// The provider reminds of everything that must change before production. Errors still go to
// standard error.
console.info = console.warn = () => {};
const { default: Provider, errors } = await import("oidc-provider");

const { issuer, audience, resources, clients } = JSON.parse(process.argv[2]);
const host = new URL(issuer).host;

// What a provider stores. Each rotation makes a new provider, since one cannot change its keys; the
// tokens stay.
const stored = new Map();
let keys = [];
let lifetime = 300;
let respond;
rotate(false);

function rotate(keepOld) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  keys = [privateKey.export({ format: "jwk" }), ...(keepOld ? keys : [])];
  respond = provider().callback();
}

function provider() {
  const provider = new Provider(issuer, {
    adapter,
    jwks: { keys },
    clients: clients.map(client),
    scopes: ["openid", "offline_access", "read", "write", "admin"],
    // A JWT says whom it is about (RFC 9068), so let introspection say it, too.
    extraTokenClaims: (_context, token) => ({ sub: token.clientId }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: {
        enabled: true,
        allowedPolicy: (_context, caller) => !caller.grantTypeAllowed("client_credentials"),
      },
      revocation: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo },
    },
  });
  return provider.on("server_error", (_context, error) => console.error(error));
}

// The clients that get tokens are not those that ask about them.
function client({ id, secret, jwks, asksAboutTokens }) {
  return {
    client_id: id,
    client_secret: secret,
    jwks,
    token_endpoint_auth_method: jwks ? "private_key_jwt" : "client_secret_basic",
    grant_types: asksAboutTokens ? [] : ["client_credentials"],
    response_types: [],
    redirect_uris: [],
    id_token_signed_response_alg: "ES256",
  };
}

function getResourceServerInfo(_context, resource) {
  const form = Object.entries(resources).find(([, known]) => known === resource)?.[0];
  if (form === undefined) throw new errors.InvalidTarget();
  return {
    audience,
    scope: "read write admin",
    accessTokenFormat: form,
    accessTokenTTL: lifetime,
    jwt: { sign: { alg: "ES256" } },
  };
}

function adapter(model) {
  const key = (id) => `${model}:${id}`;
  return {
    upsert: async (id, payload) => void stored.set(key(id), payload),
    find: async (id) => stored.get(key(id)),
    destroy: async (id) => void stored.delete(key(id)),
  };
}

const server = createServer((request, response) => {
  // The provider makes its URLs from this header, and they shall be the same whoever asks.
  request.headers.host = host;
  respond(request, response);
}).listen(0, "127.0.0.1");
await once(server, "listening");
say({ port: server.address().port });

const commands = {
  rotate: ({ keepOld }) => rotate(keepOld),
  lifetime: ({ seconds }) => void (lifetime = seconds),
};
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  commands[command](given);
  say({ done: command });
}
// Whoever started this is gone, however that came.
process.exit(0);

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
