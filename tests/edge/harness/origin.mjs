import { createServer } from "node:http";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { JWKS_URL, AUDIENCE, PORT } = process.env;
const keys = createRemoteJWKSet(new URL(JWKS_URL));

// The claims of the assertion, or undefined where there is none. Throws where it cannot be trusted.
async function identity(request) {
  const values = request.headersDistinct["x-auth-assertion"] ?? [];
  if (values.length === 0) return undefined;
  if (values.length > 1) throw new errors.JWTInvalid("more than one assertion");
  const { payload } = await jwtVerify(values[0], keys, {
    algorithms: ["EdDSA"],
    issuer: "edgeward",
    audience: AUDIENCE,
    requiredClaims: ["exp", "iat", "sub"],
    clockTolerance: 30, // clock_skew_seconds of the gate
  });
  return payload;
}

createServer(async (request, response) => {
  let who;
  try {
    who = await identity(request);
  } catch (error) {
    console.error("assertion refused:", error.code ?? error.name);
    return response.writeHead(401).end();
  }
  if (who === undefined && !request.url.startsWith("/public/")) {
    return response.writeHead(401).end();
  }
  response.setHeader("Content-Type", "application/json");
  response.end(`${JSON.stringify({ who: who ?? "anyone" })}\n`);
}).listen(Number(PORT), "127.0.0.1");

