// A service behind edgeward, with Express: who is asking it knows from the assertion alone.
//
// Settings are environment variables: EDGEWARD_JWKS, the URL of the gate's keys; EDGEWARD_AUDIENCE,
// the audience of this service's assertions; PORT, 8789 if it is not set.
import express from "express";
import { requireAssertion, requireScope } from "./assertion.mjs";

const app = express();
app.disable("x-powered-by");

app.get("/public", (request, response) => {
  response.json({ hello: "anyone" });
});

// What comes after this line is behind it, so that a new route is, too.
app.use(requireAssertion(setting("EDGEWARD_JWKS"), setting("EDGEWARD_AUDIENCE")));

app.get("/me", (request, response) => {
  const { issuer, subject, scopes, degraded } = request.identity;
  response.json({ issuer, subject, scopes, degraded });
});

app.post("/notes", requireScope("write"), (request, response) => {
  response.json({ saved_for: request.identity.subject });
});

app.post("/payments", (request, response) => {
  const { subject, degraded } = request.identity;
  // The gate could not ask whether this client has been locked out meanwhile.
  if (degraded) {
    return response.status(503).set("Retry-After", "10").json({ error: "degraded" });
  }
  response.json({ paid_by: subject });
});

// Loopback: only what runs on this machine, such as a tunnel, can connect.
const server = app.listen(Number(process.env.PORT ?? 8789), "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}
