// A gate as the documentation of hono shows it, but for the request to the origin.
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { jwk } from "hono/jwk";
import { jwt } from "hono/jwt";
import { edited } from "./lib/edits.js";

const verification = { iss: env.ISSUER, aud: env.AUDIENCE, typ: "at+jwt" };
// jwk() takes no symmetric algorithm.
const auth = env.ALG.startsWith("HS")
  ? jwt({ secret: env.SECRET, alg: env.ALG, verification })
  : jwk({ keys: [env.KEY], alg: [env.ALG], verification });

const app = new Hono();
app.use("*", auth);
app.all("*", (c) => env.ORIGIN.fetch(c.req.url, edited(c.req.raw, c.get("jwtPayload").sub)));

export default app;
