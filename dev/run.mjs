// `make dev`: builds, then runs the demo origin, the development issuer and the Worker together.
// Ctrl-C, SIGTERM or the end of any part stops all of them; a second Ctrl-C kills them.
// Exit code: 130 after Ctrl-C, 129 or 143 after SIGHUP or SIGTERM, 1 when a part failed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseEnv } from "node:util";

const NODE = process.execPath;
const CONFIG = "wrangler.toml";
const CONFIG_OF_OTHER_PORTS = ".dev.wrangler.toml";
const SECONDS_TO_START = 60;
const SECONDS_TO_STOP = 5;

const ports = {
  worker: portFrom("EDGEWARD_PORT", 8787),
  issuer: portFrom("EDGEWARD_ISSUER_PORT", 8788),
  origin: portFrom("EDGEWARD_ORIGIN_PORT", 8789),
};
const url = Object.fromEntries(
  Object.entries(ports).map(([part, { number }]) => [part, `http://127.0.0.1:${number}`]),
);
const HEALTH = `${url.worker}/_edgeward/health`;
const environment = {
  ...process.env,
  ...Object.fromEntries(Object.values(ports).map(({ variable, number }) => [variable, number])),
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};
// The make that started this is not the parent of the makes that are started from here.
for (const name of ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"]) delete environment[name];

const parts = new Set();
const guard = startGuard();
let stopping = null;

process.on("SIGINT", () => stop(130, "stopping (Ctrl-C again to kill)"));
process.on("SIGTERM", () => stop(143, "stopping"));
process.on("SIGHUP", () => stop(129, "stopping"));

try {
  await main();
} catch (error) {
  stop(1, error.message);
}

async function main() {
  for (const port of Object.values(ports)) await expectFree(port);

  await finish("build", "make", ["-s", "build"]);
  await finish("build", "cargo", ["build", "--quiet", "--example", "origin"]);
  await finish("secrets", NODE, ["dev/secrets.mjs"]);

  keepRunning("origin", `${process.env.CARGO_TARGET_DIR ?? "target"}/debug/examples/origin`, []);
  keepRunning("issuer", NODE, ["dev/issuer.mjs"]);
  keepRunning("worker", NODE, [
    "node_modules/wrangler/bin/wrangler.js",
    "dev",
    ...["--config", configuration()],
    ...["--ip", "127.0.0.1", "--port", String(ports.worker.number)],
    // Any free port: the usual one may belong to another program.
    ...["--inspector-port", "0"],
    // Tests bring a state of their own: what they revoke stays there.
    ...["--persist-to", process.env.EDGEWARD_STATE ?? ".wrangler/state"],
    ...["--show-interactive-dev-session", "false"],
  ]);
  await Promise.all([
    answers(url.origin),
    answers(`${url.issuer}/.well-known/openid-configuration`),
    answers(HEALTH),
  ]);
  if (!stopping) await welcome();
}

function portFrom(variable, usual) {
  const text = process.env[variable] ?? String(usual);
  const number = Number(text);
  if (!/^[0-9]+$/.test(text) || number < 1 || number > 65535) {
    console.error(`${variable} is ${JSON.stringify(text)}, expected a port number`);
    process.exit(1);
  }
  return { variable, number };
}

async function expectFree({ variable, number }) {
  const server = createServer().listen(number, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    throw new Error(
      error.code === "EADDRINUSE"
        ? `port ${number} is in use; free it, or choose another with ${variable}=… make dev`
        : `port ${number} (${variable}): ${error.message}`,
    );
  }
  server.close();
  await once(server, "close");
}

// The configuration in wrangler.toml, or a copy of it that speaks of the ports that were asked for.
// The copy lies next to it because wrangler reads paths and .dev.vars relative to its configuration.
function configuration() {
  const changed = { 8787: url.worker, 8788: url.issuer, 8789: url.origin };
  const usual = readFileSync(CONFIG, "utf8");
  const text = usual.replace(/http:\/\/127\.0\.0\.1:(878[789])\b/g, (_, port) => changed[port]);
  if (text === usual) {
    rmSync(CONFIG_OF_OTHER_PORTS, { force: true });
    return CONFIG;
  }
  writeFileSync(CONFIG_OF_OTHER_PORTS, `# Made from ${CONFIG} by dev/run.mjs; changes here are lost.\n${text}`);
  return CONFIG_OF_OTHER_PORTS;
}

// Each part leads a process group of its own: the terminal's Ctrl-C does not reach it, so that it
// stops in our order, and one signal reaches its children too (wrangler's workerd and esbuild).
function start(name, command, args) {
  const child = spawn(command, args, {
    detached: true,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      console.log(`${name.padEnd(7)}| ${line}`);
      // wrangler restarts a workerd that died. For the one that holds the port it says that, stays
      // alive, and no request is answered any more.
      if (line.includes("Workers runtime crashed") && !stopping) stop(1, `${name}: workerd died`);
    });
  }
  const part = { name, group: child.pid };
  part.ended = new Promise((resolve) => {
    child.on("error", (error) => resolve(`could not be started: ${error.message}`));
    child.on("exit", (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with code ${code}`));
  });
  if (child.pid !== undefined) {
    parts.add(part);
    tellGuard();
  }
  return part;
}

async function finish(name, command, args) {
  if (stopping) return stopping;
  const part = start(name, command, args);
  const end = await part.ended;
  if (stopping) return stopping;
  if (end !== "ended with code 0") throw new Error(`${name} (${[command, ...args].join(" ")}) ${end}`);
  parts.delete(part);
  tellGuard();
}

function keepRunning(name, command, args) {
  if (stopping) return;
  start(name, command, args).ended.then((end) => {
    if (!stopping) stop(1, `${name} ${end}`);
  });
}

async function answers(address) {
  const deadline = Date.now() + SECONDS_TO_START * 1000;
  while (!stopping) {
    try {
      const response = await fetch(address, { redirect: "manual", signal: AbortSignal.timeout(5000) });
      await response.body?.cancel();
      return;
    } catch {
      if (Date.now() > deadline) throw new Error(`${address} does not answer after ${SECONDS_TO_START} s`);
      await sleep(200);
    }
  }
}

async function welcome() {
  const health = await fetch(HEALTH);
  const state = health.ok ? "ready" : `NOT READY, health says ${health.status}: ${await health.text()}`;
  const token = (issuer) =>
    `curl -s -u dev-client:dev-secret -d grant_type=client_credentials -d scope=read` +
    ` --data-urlencode resource=${url.worker} ${issuer}/token` +
    ` | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/'`;
  const { ADMIN_TOKEN } = parseEnv(readFileSync(".dev.vars", "utf8"));
  console.log(`
  Page    ${url.worker}/_edgeward/#admin=${ADMIN_TOKEN}  open this first
  Worker  ${url.worker}  ${state}
  Origin  ${url.origin}  the demo service behind it
  Issuer  ${url.issuer}  client dev-client, secret dev-secret; scopes read, write, admin

  A token, and a request with it:

curl -s -H "Authorization: Bearer $(${token(url.issuer)})" ${url.worker}/hello

  A WebSocket with it, until the token ends or is revoked (what you type is echoed; README, "Watch a WebSocket"):

node_modules/.bin/node dev/socket.mjs "$(${token(url.issuer)})"

  An opaque token, about which the issuer is asked; then again, while it hangs (README, "Watch an outage"):

OPAQUE=$(${token(`${url.issuer}/opaque`)})
curl -s -H "Authorization: Bearer $OPAQUE" ${url.worker}/hello
curl -s -X PUT -d hang ${url.issuer}/faults

  ADMIN_TOKEN is in .dev.vars. Ctrl-C stops everything.
`);
}

function stop(code, reason) {
  if (stopping) {
    for (const part of parts) signal(part, "SIGKILL");
    return;
  }
  console.error(`\ndev: ${reason}`);
  stopping = endAll().then(() => {
    parts.clear();
    tellGuard();
    process.exit(code);
  });
}

async function endAll() {
  for (const part of parts) signal(part, "SIGTERM");
  const deadline = Date.now() + SECONDS_TO_STOP * 1000;
  while ([...parts].some((part) => signal(part, 0))) {
    if (Date.now() > deadline) for (const part of parts) signal(part, "SIGKILL");
    if (Date.now() > deadline + 2000) return;
    await sleep(50);
  }
}

// Whether the group still had a process to receive the signal.
function signal({ group }, name) {
  try {
    process.kill(-group, name);
    return true;
  } catch {
    return false;
  }
}

// If this process is killed outright, nobody is left to stop the parts but this shell: it reads
// from a pipe which groups there are, and when the pipe closes, it ends those of the last line.
function startGuard() {
  const script = "while read -r line; do groups=$line; done; [ -z \"$groups\" ] || kill -s KILL -- $groups";
  const shell = spawn("sh", ["-c", script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  shell.stdin.on("error", () => {});
  shell.unref();
  return shell;
}

function tellGuard() {
  guard.stdin.write(`${[...parts].map(({ group }) => -group).join(" ")}\n`);
}
