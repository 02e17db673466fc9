// A gate as the documentation of hono shows it.
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { jwk } from "hono/jwk";
import { jwt } from "hono/jwt";

const verification = { iss: env.ISSUER, aud: env.AUDIENCE, typ: "at+jwt" };
// jwk() takes no symmetric algorithm.
const auth = env.ALG.startsWith("HS")
  ? jwt({ secret: env.SECRET, alg: env.ALG, verification })
  : jwk({ keys: [env.KEY], alg: [env.ALG], verification });

const app = new Hono();
app.use("*", auth);
app.all("*", (c) => {
  const out = new Request(c.req.raw);
  out.headers.delete("authorization");
  out.headers.set("x-auth-subject", c.get("jwtPayload").sub);
  return c.env.ORIGIN.fetch(out);
});

export default app;
