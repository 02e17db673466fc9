// What a request costs in the wasm of a build and in its JavaScript, without the runtime around it: loads
// the builds into one process and lets them take turns, so that differences of a microsecond can be told,
// which the rest of a request in workerd (some 340 us) hides.
//
//   node_modules/.bin/node benches/decision.mjs BUILD...        (directories with index.js and its wasm)
//
// Tokens are of ES256 and have been seen before, as in the row "edgeward seen" of `make bench`. Headers,
// requests and the origin are plain objects that do next to nothing. `young` is while V8 has not yet
// optimised much of the code, as in the first thousands of requests of an isolate; `old` is after that;
// `simple` is with V8's first compiler alone, which is what rarely used code stays with.
import { spawnSync } from "node:child_process";
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const TOKENS = 100;
const PHASES = [
  { name: "young", flags: [], warmUp: 20, turns: 20 },
  { name: "old", flags: [], warmUp: 20, turns: 1000 },
  { name: "simple", flags: ["--liftoff", "--no-wasm-tier-up"], warmUp: 20, turns: 200 },
];
/** Each phase is measured so often in a process of its own. */
const PROCESSES = 7;

/** As much of `Headers` as the glue uses. */
class PlainHeaders {
  constructor(from) {
    this.map = new Map(from.map);
  }

  delete(name) {
    this.map.delete(name);
  }

  set(name, value) {
    this.map.set(name, value);
  }

  forEach(visit) {
    this.map.forEach(visit);
  }
}

if (process.env.EDGEWARD_PHASE === undefined) compare(process.argv.slice(2));
else await measure(JSON.parse(process.env.EDGEWARD_PHASE), process.argv.slice(2));

/** Prints a table: microseconds of a request, the median of the processes. */
function compare(builds) {
  if (builds.length === 0) throw new Error("usage: decision.mjs BUILD...");
  console.log(`| us | ${builds.join(" | ")} |\n|--|${"--:|".repeat(builds.length)}`);
  for (const phase of PHASES) {
    const runs = Array.from({ length: PROCESSES }, () => run(phase, builds));
    const figures = builds.map((_, at) => median(runs.map((run) => run[at])).toFixed(1));
    console.log(`| ${phase.name} | ${figures.join(" | ")} |`);
  }
}

function run(phase, builds) {
  const env = { ...process.env, EDGEWARD_PHASE: JSON.stringify(phase) };
  const child = spawnSync(process.execPath, [...phase.flags, process.argv[1], ...builds], { env });
  if (child.status !== 0) throw new Error(String(child.stderr));
  return JSON.parse(String(child.stdout));
}

/** Prints the medians of the builds. */
async function measure({ warmUp, turns }, builds) {
  globalThis.Headers = PlainHeaders;
  const { env, tokens } = deployment();
  const gates = [];
  for (const build of builds) gates.push(await load(build, env));
  for (const gate of gates) {
    const response = await gate(tokens[0]);
    if (response.origin !== true) throw new Error(`refused: ${response.status}`);
  }
  for (let turn = 0; turn < warmUp; turn++) {
    for (const gate of gates) for (const token of tokens) await gate(token);
  }
  const times = gates.map(() => []);
  for (let turn = 0; turn < turns; turn++) {
    const order = turn % 2 === 0 ? [...gates.keys()] : [...gates.keys()].reverse();
    for (const at of order) {
      const before = process.hrtime.bigint();
      for (const token of tokens) gates[at](token);
      times[at].push(Number(process.hrtime.bigint() - before) / 1000 / tokens.length);
      // Nothing that a request leaves to be done later is another one's time.
      await new Promise(setImmediate);
    }
  }
  console.log(JSON.stringify(times.map(median)));
}

/** A function that sends a token to the gate of a build. */
async function load(build, env) {
  const directory = mkdtempSync(join(tmpdir(), "edgeward-"));
  try {
    const wasm = JSON.stringify(resolve(build, "index_bg.wasm"));
    const module = `new WebAssembly.Module(process.getBuiltinModule("fs").readFileSync(${wasm}))`;
    const script = readFileSync(join(build, "index.js"), "utf8");
    const path = join(directory, "index.mjs");
    writeFileSync(path, script.replace(/import (\w+) from"\.\/index_bg\.wasm"/, (_, name) => `const ${name}=${module}`));
    const { default: worker } = await import(pathToFileURL(path));
    const context = { waitUntil() {} };
    return (token) => {
      const headers = new PlainHeaders({
        map: [["accept", "*/*"], ["authorization", `Bearer ${token}`], ["host", "api.example"], ["user-agent", "orders-client/1.4"]],
      });
      const request = { method: "GET", url: "http://api.example/api/orders", headers, body: null };
      return worker.fetch(request, env, context);
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What the gate is given (as in benches/support/edgeward.rs), and tokens for it. */
function deployment() {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const assertion = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const answer = Promise.resolve({ origin: true });
  const env = {
    AUTH: {
      origin: "service:ORIGIN",
      providers: [
        { name: "main", issuer: "https://issuer.example", audiences: ["api"], algorithms: ["ES256"], keys: ["JWT_KEYS"] },
      ],
      rules: [
        { path: "/", access: "public" },
        { path: "/assets", access: "public", methods: ["GET"] },
        { path: "/docs", access: "optional" },
        { path: "/api", access: "required" },
        { path: "/api/orders", methods: ["GET"], scopes_all: ["read"] },
        { path: "/api/orders", methods: ["POST", "PUT"], scopes_all: ["write"] },
        { path: "/api/customers", scopes_any: ["read", "customers"] },
        { path: "/api/reports", claims: { tenant: ["acme"] } },
        { path: "/admin", scopes_all: ["admin"] },
        { path: "/internal", hosts: ["internal.example"], providers: ["main"] },
      ],
      forward: {
        claim_to_headers: { "X-Auth-Subject": "sub", "X-Auth-Scope": "scope", "X-Auth-Client": "client_id", "X-Auth-Email": "email" },
        assertion: { key: "ASSERTION_KEY", audience: "https://app.internal" },
      },
    },
    JWT_KEYS: JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "p256" }] }),
    ASSERTION_KEY: JSON.stringify(assertion),
    ORIGIN: { fetch: () => answer },
  };
  const now = Math.floor(Date.now() / 1000);
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const tokens = Array.from({ length: TOKENS }, (_, number) => {
    const statement = `${encode({ alg: "ES256", kid: "p256", typ: "at+jwt" })}.${encode({
      iss: "https://issuer.example", aud: "api", sub: `user-${number}`, iat: now, exp: now + 3600,
      jti: randomUUID(), client_id: "orders-app", scope: "read write", email: `user-${number}@mail.example`,
    })}`;
    const signature = sign("sha256", statement, { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${statement}.${signature.toString("base64url")}`;
  });
  return { env, tokens };
}

function median(numbers) {
  const ordered = [...numbers].sort((a, b) => a - b);
  return ordered[Math.floor(ordered.length / 2)];
}
