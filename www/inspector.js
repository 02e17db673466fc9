// The token: what it says, and what the gate would say to it, by the gate's own code.
import init, { inspect, rehearse } from "core";

import { allow, byId, el, pretty } from "./dom.js";
import { admin, asPath, isConnected, onSettings, state } from "./gate.js";
import { isRight } from "./signatures.js";
import { note } from "./timeline.js";

const token = byId("token");
const verdict = byId("verdict");

/** The token as it is sent. */
export function currentToken() {
  return token.value.trim().replace(/^bearer\s+/i, "");
}

/** Puts a token into the field. */
export function setToken(text) {
  token.value = text;
  changed();
}

/** The gate's own code is here. What needs none of it goes on without. */
let isLoaded = false;
/** Why it will not come, if it will not. */
let whyNot;

/** What the token says, as far as it can be read. */
export function claims() {
  return isLoaded ? (JSON.parse(inspect(currentToken(), Date.now())).claims ?? undefined) : undefined;
}

/** Why no token can be read, if none can. */
export function whyUnread() {
  return isLoaded ? undefined : "tokens cannot be read without page.wasm";
}

const listeners = new Set();

/** Calls back whenever there is another token. */
export function onToken(listener) {
  listeners.add(listener);
}

function question() {
  return {
    method: byId("method").value,
    scheme: location.protocol.slice(0, -1),
    host: location.host,
    path: asPath(byId("path").value),
    token: currentToken(),
  };
}

/** Gets the fields going, loads the core, and looks at whatever is there. */
export async function start() {
  const soon = debounced(changed, 120);
  for (const id of ["token", "brought", "path"]) byId(id).addEventListener("input", soon);
  byId("method").addEventListener("change", soon);
  byId("ask-gate").addEventListener("click", askGate);
  onSettings(changed);
  changed();
  try {
    const response = await fetch(new URL("page.wasm", document.baseURI));
    if (!response.ok) throw new Error(`status ${response.status}`);
    await init({ module_or_path: response });
    isLoaded = true;
    setInterval(showTimes, 1000);
  } catch (error) {
    whyNot = `page.wasm, the gate’s own code, did not load (${error?.message ?? error}).`;
    note({ kind: "page", tone: "bad", title: `tokens cannot be read: ${whyNot}` });
  }
  changed();
}

function debounced(call, millis) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, millis);
  };
}

let round = 0;

async function changed() {
  const mine = ++round;
  byId("explanation").replaceChildren();
  allow(byId("ask-gate"), !isConnected() ? "needs the admin token" : !currentToken() ? "there is no token" : undefined);
  for (const listener of listeners) listener();
  if (!isLoaded || !currentToken()) {
    byId("inspection").hidden = true;
    verdict.replaceChildren();
    verdict.className = "verdict";
    if (whyNot) say("bad", "Tokens cannot be read here.", ` ${whyNot} The rest of the page works, and “Ask the gate” judges a token.`);
    return;
  }
  const seen = JSON.parse(inspect(currentToken(), Date.now()));
  showSeen(seen);
  const judged = await judge(() => mine === round);
  if (mine === round && judged) showJudged(seen, judged);
}

// Rehearses until no signature is in question.
async function judge(isCurrent) {
  if (!state.settings) return { state: "no_settings" };
  const given = { settings: state.settings, question: question(), brought: byId("brought").value.trim(), answers: [] };
  while (isCurrent()) {
    const judged = JSON.parse(rehearse(JSON.stringify(given), Date.now()));
    if (judged.state !== "questions") return judged;
    for (const one of judged.questions) given.answers.push({ question: one, is_right: await isRight(one) });
  }
  return undefined;
}

function showSeen({ form, fault, header, claims, times, warnings }) {
  byId("inspection").hidden = false;
  byId("header").textContent = header ? pretty(header) : "cannot be read";
  byId("claims").textContent = claims ? pretty(claims) : "cannot be read";
  byId("inspection").querySelector(".parts").hidden = form === "opaque";
  // Of an opaque token the verdict says it.
  const said = [...(fault && form === "jwt" ? [fault.sentence] : []), ...warnings];
  byId("warnings").replaceChildren(...said.map((text) => el("li", {}, text)));
  const rows = times.map(({ claim, utc, words }) =>
    el("tr", {}, el("th", { scope: "row" }, el("code", {}, claim)), el("td", { "data-claim": claim }, words), el("td", {}, utc)),
  );
  byId("times").tBodies[0].replaceChildren(...rows);
  byId("times-box").hidden = rows.length === 0;
}

// Time goes on while somebody reads.
function showTimes() {
  if (!currentToken() || document.hidden) return;
  for (const { claim, words } of JSON.parse(inspect(currentToken(), Date.now())).times) {
    const cell = byId("times").querySelector(`td[data-claim="${CSS.escape(claim)}"]`);
    if (cell && cell.textContent !== words) cell.textContent = words;
  }
}

function showJudged({ form, fault }, judged) {
  const { method, path } = question();
  const asked = `${method} ${path}`;
  const explanation = judged.explanation ?? undefined;
  showChecks(judged.state === "unknown" && form === "opaque" ? undefined : explanation?.checks, judged);
  const others = judged.not_asked?.length ? ` Not asked from here: ${judged.not_asked.join(" and ")}.` : "";
  switch (judged.state) {
    case "verdict":
      return say(toneOf(explanation), `${asked}: ${sentenceOf(explanation)}`, others);
    case "unknown":
      return say("warn", `${asked}: cannot be told here.`, ` ${judged.why} “Ask the gate” does.`);
    case "problems":
      return say("warn", "Nothing can be verified with that.", judged.problems.map(({ path, found, expected }) => ` ${path}: found ${found}; expected ${expected}.`).join(""));
    default:
      return say(
        fault ? "bad" : "warn",
        fault ? "No gate would take this token." : "Whether it is good cannot be told here.",
        fault ? ` ${fault.sentence}` : " Its keys and rules are known with the admin token; until then its signature is not verified.",
      );
  }
}

function say(tone, strong, rest = "") {
  verdict.className = `verdict tone-${tone}`;
  verdict.replaceChildren(el("p", {}, el("strong", {}, strong), rest));
}

/** The tone of an explanation. */
export function toneOf({ decision, degraded }) {
  if (decision === "deny") return "bad";
  return decision === "permit" && !degraded ? "good" : "warn";
}

/** An explanation in one sentence. */
export function sentenceOf({ decision, status, code, reason, degraded, revoked_by }) {
  const why = revoked_by ? `${reason}, by ${revoked_by}` : reason;
  switch (decision) {
    case "permit":
      return degraded ? `permitted, degraded (${degraded})` : "would be permitted";
    case "shadow":
      return `goes to the origin, but its rule would deny it: ${status} ${code} (${why})`;
    case "gate":
      return "the gate itself answers this path";
    default:
      return `would be refused: ${status} ${code} (${why})`;
  }
}

const SIGNS = { passed: "✓", failed: "✗", not_reached: "·", not_needed: "–", unknown: "?" };

/** The checks of an explanation, as items of a list. */
export function checkItems(checks) {
  return checks.map(({ check, outcome }) => {
    const words = outcome.replace("_", " ");
    return el(
      "li",
      { class: `check-${outcome}` },
      el("span", { class: "sign", "aria-hidden": "true" }, SIGNS[outcome] ?? "·"),
      check.replaceAll("_", " "),
      el("span", { class: "hidden" }, `: ${words}`),
    );
  });
}

function showChecks(checks, { state: how }) {
  const seen = (checks ?? []).map((one) => ({ ...one, outcome: how === "unknown" && one.outcome === "failed" ? "unknown" : one.outcome }));
  byId("checks").replaceChildren(...checkItems(seen));
  byId("checks").hidden = seen.length === 0;
}

/** What the gate says to a question, for a panel; written down, too. */
export async function explained(asked) {
  const answer = await admin("explain", { method: "POST", json: asked });
  const { json } = answer;
  if (answer.status !== 200 || !json) {
    const why = json?.detail ?? answer.error ?? `the gate answers ${answer.status}`;
    note({ kind: "explain", tone: "bad", title: `no explanation: ${why}` });
    return el("p", {}, `No explanation: ${why}`);
  }
  const sentence = `${asked.method} ${asked.path}: ${sentenceOf(json)}`;
  note({ kind: "explain", tone: toneOf(json), title: sentence, details: [["What the gate explains", json]] });
  return el(
    "div",
    { class: `said tone-${toneOf(json)}` },
    el("p", {}, el("strong", {}, "The gate says: "), sentence),
    el("ol", { class: "checks" }, checkItems(json.checks ?? [])),
    el("details", {}, el("summary", {}, "All of it"), el("pre", { class: "json", tabindex: "0", "aria-label": "The explanation" }, pretty(json))),
  );
}

async function askGate() {
  const mine = round;
  const said = await explained(question());
  // About another token or path it would mislead.
  if (mine === round) byId("explanation").replaceChildren(said);
}
