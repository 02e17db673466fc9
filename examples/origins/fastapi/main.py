"""A service behind edgeward, with FastAPI: who is asking it knows from the assertion alone.

Settings are environment variables: EDGEWARD_JWKS, the URL of the gate's keys; EDGEWARD_AUDIENCE, the
audience of this service's assertions; PORT, 8789 if it is not set.
"""

import os

import uvicorn
from fastapi import APIRouter, Depends, FastAPI

from assertion import Denial, Identity, Verifier, deny, require_scope

verified = Verifier(os.environ["EDGEWARD_JWKS"], os.environ["EDGEWARD_AUDIENCE"])

# Without the generated documentation, which everybody could read.
app = FastAPI(openapi_url=None)
app.add_exception_handler(Denial, deny)


# `async`, so that it needs none of the threads in which others may wait for keys.
@app.get("/public")
async def public():
    return {"hello": "anyone"}


# What is added to this router is behind the verifier, so that a new route is, too.
private = APIRouter(dependencies=[Depends(verified)])


@private.get("/me")
def me(who: Identity = Depends(verified)):
    return {
        "issuer": who.issuer,
        "subject": who.subject,
        "scopes": who.scopes,
        "degraded": who.degraded,
    }


@private.post("/notes")
def save_note(who: Identity = Depends(require_scope("write", verified))):
    return {"saved_for": who.subject}


@private.post("/payments")
def pay(who: Identity = Depends(verified)):
    # The gate could not ask whether this client has been locked out meanwhile.
    if who.degraded:
        raise Denial(503, "degraded", {"Retry-After": "10"})
    return {"paid_by": who.subject}


app.include_router(private)

if __name__ == "__main__":
    # Loopback: only what runs on this machine, such as a tunnel, can connect. Headers about the client are
    # not read: who can connect could write anything into them.
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8789")), proxy_headers=False)
