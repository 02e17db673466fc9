import { createRemoteJWKSet, errors, jwtVerify } from "jose";

class KeysUnavailable extends Error {}

// Puts who is asking into `request.identity`. Answers 401 where there is no good assertion, and 503 where
// nobody can tell.
export function requireAssertion(jwks, audience) {
  const keys = keysAt(jwks);
  return async (request, response, next) => {
    // The same URL has another answer for somebody else.
    response.set("Cache-Control", "no-store");
    try {
      request.identity = await identity(request, keys, audience);
    } catch (error) {
      if (error instanceof KeysUnavailable) {
        console.error(`the gate's keys cannot be had: ${error.message}`);
        return response.status(503).set("Retry-After", "5").json({ error: "keys_unavailable" });
      }
      if (!(error instanceof errors.JOSEError)) throw error;
      // Why, but never the assertion: whoever reads it can use it until it ends.
      console.error(`refused: ${error.message}`);
      return response.status(401).set("WWW-Authenticate", "Bearer").json({ error: "unauthenticated" });
    }
    next();
  };
}

// Answers 403 without this scope. It belongs behind `requireAssertion`.
export function requireScope(scope) {
  return (request, response, next) => {
    if (request.identity.scopes.includes(scope)) return next();
    response.status(403).json({ error: "insufficient_scope" });
  };
}

async function identity(request, keys, audience) {
  // Not `request.headers`, where several are one text.
  const assertions = request.headersDistinct["x-auth-assertion"] ?? [];
  if (assertions.length !== 1) throw new errors.JWTInvalid(`${assertions.length} assertions`);
  const { payload } = await jwtVerify(assertions[0], keys, {
    // Never the one that the header of the assertion says.
    algorithms: ["EdDSA"],
    issuer: "edgeward",
    audience,
    requiredClaims: ["exp", "sub", "oiss"],
    clockTolerance: 30, // clock_skew_seconds of the gate
  });
  const { oiss: issuer, sub: subject, scope = "", degraded = false } = payload;
  if (![issuer, subject, scope].every((claim) => typeof claim === "string")) {
    throw new errors.JWTInvalid("a claim is not text");
  }
  if (!issuer || !subject) throw new errors.JWTInvalid("it says about nobody");
  return {
    issuer, // of the original token; a subject is unique within it only
    subject,
    scopes: scope.split(" ").filter(Boolean),
    degraded, // the gate could not check everything that it usually does
  };
}

// The key of an assertion, by its `kid`.
function keysAt(url) {
  // Fetched when the first request needs it, and again for a `kid` that is not in it: not sooner than
  // `cooldownDuration` after the last time, since anybody can invent one. After `cacheMaxAge`, a key that
  // the gate no longer publishes no longer counts.
  const published = createRemoteJWKSet(new URL(url), { cooldownDuration: 30_000, cacheMaxAge: 300_000 });
  return async (header, assertion) => {
    try {
      return await published(header, assertion);
    } catch (error) {
      const isFaultOfAssertion =
        error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
      throw isFaultOfAssertion ? error : new KeysUnavailable(error.message, { cause: error });
    }
  };
}
