import logging
from dataclasses import dataclass

import jwt
from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse

log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Identity:
    """Who is asking, as the gate has signed it."""

    # Issuer of the original token. A subject is unique within it only.
    issuer: str
    subject: str
    scopes: list[str]
    # The gate could not check everything that it usually does.
    degraded: bool


class Denial(Exception):
    def __init__(self, status: int, code: str, headers: dict[str, str] | None = None):
        self.status, self.code, self.headers = status, code, headers or {}


def deny(_: Request, denial: Denial) -> JSONResponse:
    headers = {"Cache-Control": "no-store", **denial.headers}
    return JSONResponse({"error": denial.code}, denial.status, headers)


class Verifier:
    """A dependency: the identity of a good assertion. Else 401, or 503 where nobody can tell."""

    def __init__(self, jwks: str, audience: str):
        self._audience = audience
        # Fetched when the first request needs it, and again for a `kid` that is not in it: not sooner than
        # `cooldown_duration` after the last time, since anybody can invent one. After `lifespan`, a key that
        # the gate no longer publishes no longer counts.
        self._keys = jwt.PyJWKClient(jwks, lifespan=300, cooldown_duration=30, timeout=5)

    # Not `async`: the client blocks while it fetches, and FastAPI runs this in a thread.
    def __call__(self, request: Request, response: Response) -> Identity:
        # The same URL has another answer for somebody else.
        response.headers["Cache-Control"] = "no-store"
        # Not `headers.get`, which is the first of several.
        assertions = request.headers.getlist("x-auth-assertion")
        try:
            if len(assertions) != 1:
                raise jwt.InvalidTokenError(f"{len(assertions)} assertions")
            return self._identity(assertions[0])
        except jwt.PyJWTError as error:
            # Why, but never the assertion: whoever reads it can use it until it ends.
            log.warning("refused: %s", error)
            raise Denial(401, "unauthenticated", {"WWW-Authenticate": "Bearer"}) from None

    def _identity(self, assertion: str) -> Identity:
        claims = jwt.decode(
            assertion,
            self._key(jwt.get_unverified_header(assertion).get("kid", "")),
            # Never the one that the header of the assertion says.
            algorithms=["EdDSA"],
            issuer="edgeward",
            audience=self._audience,
            leeway=30,  # clock_skew_seconds of the gate
            options={"require": ["exp", "iss", "aud", "sub", "oiss"]},
        )
        issuer, scope = claims["oiss"], claims.get("scope", "")
        if not isinstance(issuer, str) or not isinstance(scope, str):
            raise jwt.InvalidTokenError("a claim is not text")
        if not issuer or not claims["sub"]:
            raise jwt.InvalidTokenError("it says about nobody")
        return Identity(issuer, claims["sub"], scope.split(), bool(claims.get("degraded")))

    def _key(self, kid: str) -> jwt.PyJWK:
        try:
            return self._keys.get_signing_key(kid)
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, OSError, ValueError) as error:
            log.error("the gate's keys cannot be had: %s", error)
            raise Denial(503, "keys_unavailable", {"Retry-After": "5"}) from None


def require_scope(scope: str, verified: Verifier):
    """A dependency: the identity, if this scope was granted to it. Else 403."""

    def checked(who: Identity = Depends(verified)) -> Identity:
        if scope not in who.scopes:
            raise Denial(403, "insufficient_scope")
        return who

    return checked
