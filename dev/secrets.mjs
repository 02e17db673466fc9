// Writes the secrets of `make dev`, once: the private keys of the development issuer and, in
// .dev.vars, what the Worker needs. What is there is never overwritten.
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseEnv } from "node:util";

const ISSUER_KEYS = ".dev/issuer-keys.json";
const WORKER_SECRETS = ".dev.vars";
// Of the Worker at the issuer that it asks.
const INTROSPECTION_SECRET = "INTROSPECTION_SECRET";
const START_ANEW = `  mv ${WORKER_SECRETS} ${WORKER_SECRETS}.old; mv ${ISSUER_KEYS} ${ISSUER_KEYS}.old`;

const found = [ISSUER_KEYS, WORKER_SECRETS].filter((path) => existsSync(path));
if (found.length === 0) {
  write();
  console.log(`secrets: wrote ${ISSUER_KEYS} and ${WORKER_SECRETS}`);
} else if (found.length === 1) {
  const missing = found[0] === ISSUER_KEYS ? WORKER_SECRETS : ISSUER_KEYS;
  refuse(
    `${found[0]} exists and ${missing} does not; they are made together and nothing is overwritten.`,
    `Put ${missing} back, or move ${found[0]} away and start again:`,
    `  mv ${found[0]} ${found[0]}.old`,
  );
} else {
  check();
}

function write() {
  const issuer = keyPair("ec", { namedCurve: "P-256" }, "ES256");
  const assertion = keyPair("ed25519", {}, "EdDSA");
  const lines = [
    "# Development secrets, made by `make dev`. Single quotes: nothing inside is interpreted.",
    `JWT_KEYS='${JSON.stringify({ keys: [issuer.publicJwk] })}'`,
    `ASSERTION_KEY='${JSON.stringify(assertion.privateJwk)}'`,
    password("ADMIN_TOKEN"),
    password(INTROSPECTION_SECRET),
  ];
  mkdirSync(".dev", { recursive: true, mode: 0o700 });
  // "wx" fails where a file is, also one that appeared since we looked.
  const once = { mode: 0o600, flag: "wx" };
  writeFileSync(ISSUER_KEYS, `${JSON.stringify({ keys: [issuer.privateJwk] }, null, 2)}\n`, once);
  writeFileSync(WORKER_SECRETS, `${lines.join("\n")}\n`, once);
}

function password(name) {
  return `${name}='${randomBytes(32).toString("base64url")}'`;
}

function keyPair(type, options, alg) {
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  const publicPart = publicKey.export({ format: "jwk" });
  const names = { kid: thumbprint(publicPart), alg, use: "sig" };
  return {
    publicJwk: { ...publicPart, ...names },
    privateJwk: { ...privateKey.export({ format: "jwk" }), ...names },
  };
}

// RFC 7638: the required members in lexicographic order.
function thumbprint({ crv, kty, x, y }) {
  return createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
}

function check() {
  if (!parseEnv(readFileSync(WORKER_SECRETS, "utf8"))[INTROSPECTION_SECRET]) {
    appendFileSync(WORKER_SECRETS, `${password(INTROSPECTION_SECRET)}\n`);
    console.log(`secrets: added ${INTROSPECTION_SECRET} to ${WORKER_SECRETS}`);
  }
  const secrets = parseEnv(readFileSync(WORKER_SECRETS, "utf8"));
  const missing = ["JWT_KEYS", "ASSERTION_KEY", "ADMIN_TOKEN"].filter((name) => !secrets[name]);
  if (missing.length > 0) {
    refuse(
      `${WORKER_SECRETS} lacks ${missing.join(", ")}.`,
      "Add what is missing, or move both files away to get new ones:",
      START_ANEW,
    );
  }
  const signing = keysOf(readFileSync(ISSUER_KEYS, "utf8"), ISSUER_KEYS);
  const trusted = keysOf(secrets.JWT_KEYS, `JWT_KEYS in ${WORKER_SECRETS}`);
  const known = signing.every((key) => trusted.some((other) => thumbprint(other) === thumbprint(key)));
  if (!known) {
    refuse(
      `JWT_KEYS in ${WORKER_SECRETS} are not the public keys of ${ISSUER_KEYS}:`,
      "the Worker would refuse every token of the development issuer.",
      "Move both files away to get new ones:",
      START_ANEW,
    );
  }
}

function keysOf(text, where) {
  try {
    const { keys } = JSON.parse(text);
    if (Array.isArray(keys) && keys.length > 0) return keys;
  } catch {
    // The parser's message would quote the text, which may hold a private key.
  }
  return refuse(`${where} is not a JSON Web Key Set.`, "Move both files away to get new ones:", START_ANEW);
}

function refuse(...lines) {
  console.error(`secrets: ${lines.join("\n")}`);
  process.exit(1);
}
