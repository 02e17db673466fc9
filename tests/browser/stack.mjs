// The real stack that `make dev` starts, on free ports and with a state of its own, and Chromium before it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseEnv } from "node:util";
import { launch } from "../support/chromium.mjs";

const CHROMIUM = "/usr/bin/chromium";
const START_MS = 300_000;

/** Starts everything: addresses, the admin token, and what ends it. */
export async function startStack() {
  const [worker, issuer, origin] = await freePorts(3);
  const state = mkdtempSync(join(tmpdir(), "edgeward-page-"));
  const env = {
    ...process.env,
    EDGEWARD_PORT: worker,
    EDGEWARD_ISSUER_PORT: issuer,
    EDGEWARD_ORIGIN_PORT: origin,
    EDGEWARD_STATE: state,
  };
  const child = spawn(process.execPath, ["dev/run.mjs"], { env, stdio: ["ignore", "pipe", "pipe"] });
  const lines = [];
  const isUp = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        lines.push(line);
        if (line.includes("Ctrl-C stops everything")) resolve();
      });
    }
    child.on("exit", (code) => reject(new Error(`dev/run.mjs ended with ${code}:\n${lines.join("\n")}`)));
    setTimeout(() => reject(new Error(`the stack is not up:\n${lines.join("\n")}`)), START_MS).unref();
  });
  await isUp;
  const { ADMIN_TOKEN: admin } = parseEnv(readFileSync(".dev.vars", "utf8"));
  const page = lines.map((line) => /^ {2}Page {4}(\S+)/.exec(line)?.[1]).find(Boolean);
  return {
    worker: `http://127.0.0.1:${worker}`,
    issuer: `http://127.0.0.1:${issuer}`,
    admin,
    /** The address that `make dev` prints. */
    page,
    async stop() {
      child.removeAllListeners("exit");
      if (child.exitCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      rmSync(state, { recursive: true, force: true });
    },
  };
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

/** Starts the browser. */
export function startBrowser() {
  return launch(CHROMIUM);
}
