// The test page: what of it depends on what.
import * as charts from "./charts.js";
import { byId, el } from "./dom.js";
import { admin, connect, isConnected, state } from "./gate.js";
import * as inspector from "./inspector.js";
import * as issuer from "./issuer.js";
import { sum } from "./prometheus.js";
import * as request from "./request.js";
import * as revoke from "./revoke.js";
import * as sockets from "./sockets.js";
import { note } from "./timeline.js";

/** So often the gate is asked how it is. */
const HEALTH_MS = 5000;

byId("host").textContent = location.host;
const fromAddress = takeFromAddress();
request.start();
sockets.start();
revoke.start();
issuer.start();
charts.start();
// Not waited for: without what it loads, everything else works.
inspector.start();
byId("admin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  open(byId("admin-token").value.trim());
});
addEventListener("hashchange", () => open(takeFromAddress()));
charts.onReading(showService);
if (fromAddress) await open(fromAddress);
askHealth();

// `make dev` prints the address with the token behind `#`, which is sent to nobody. It does not stay there.
function takeFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("admin");
  if (token !== null) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

async function open(token) {
  if (!token) return;
  const whyNot = await connect(token);
  byId("admin-token").value = "";
  byId("admin-note").textContent = whyNot ?? "Connected. The token stays in the memory of this page; a reload forgets it.";
  byId("admin-form").classList.toggle("connected", !whyNot);
  note({ kind: "gate", tone: whyNot ? "bad" : "good", title: whyNot ?? `connected: ${state.settings.table.providers.map(({ name }) => name).join(", ")}` });
  await showHealth();
}

async function askHealth() {
  if (!document.hidden) await showHealth();
  setTimeout(askHealth, HEALTH_MS);
}

let lastStatus;

async function showHealth() {
  const { status, json } = await admin("health");
  const words = json?.status ?? (status ? `answers ${status}` : "does not answer");
  const pills = [pill(words, words === "ready" ? "good" : "bad")];
  if (isConnected() && json) {
    const { problems = [], warnings = [], degraded_auth_allowed: may } = json;
    pills.push(pill(may ? "may degrade" : "never degrades", may ? "warn" : "good"));
    for (const { path, found } of problems) pills.push(pill(`${path}: ${found}`, "warn"));
    for (const warning of warnings) pills.push(pill(warning, "warn"));
  }
  const before = byId("pills").textContent;
  const list = el("ul", {}, pills);
  if (list.textContent !== before) byId("pills").replaceChildren(...pills);
  if (lastStatus !== undefined && lastStatus !== words) note({ kind: "gate", tone: words === "ready" ? "good" : "bad", title: `the gate is ${words}` });
  lastStatus = words;
}

function pill(words, tone) {
  return el("li", { class: `pill ${tone}` }, words);
}

let lastBreaker;

// What the metrics say about auth services, in words; a change of a breaker is written down.
function showService(samples) {
  const states = ["closed", "open", "half_open"];
  const counts = states.map((name) => sum(samples, "auth_breaker_state", { state: name }) ?? 0);
  const breaker = states.filter((_, at) => counts[at] > 0).map((name) => name.replace("_", " ")).join(", ") || "not asked yet";
  const facts = [
    ["Breaker", breaker],
    ["Answers", sum(samples, "auth_service_requests_total", { outcome: "answered" }) ?? 0],
    ["No answers", (sum(samples, "auth_service_requests_total") ?? 0) - (sum(samples, "auth_service_requests_total", { outcome: "answered" }) ?? 0)],
    ["Degraded permits", sum(samples, "auth_degraded_total") ?? 0],
  ];
  byId("service-state").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));
  if (lastBreaker !== undefined && lastBreaker !== breaker) note({ kind: "breaker", tone: breaker === "closed" ? "good" : "warn", title: `the breaker is ${breaker}` });
  lastBreaker = breaker;
}
