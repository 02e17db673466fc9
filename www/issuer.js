// The development issuer (dev/issuer.mjs): tokens from it, and the faults of its introspection. All of this is
// shown only where a provider of this machine answers as that issuer does.
import { byId, el, ms } from "./dom.js";
import { ask, onSettings } from "./gate.js";
import { setToken } from "./inspector.js";
import { note } from "./timeline.js";

/** Printed by `make dev`, and known to every development issuer. */
const CLIENT = `Basic ${btoa("dev-client:dev-secret")}`;

const FAULTS = new Map([
  ["none", "answers as usual"],
  ["hang", "never answers"],
  ["500", "answers 500"],
  ["reset", "breaks off"],
  ["garbage", "answers nonsense"],
]);

const IS_LOCAL = /^https?:\/\/(127\.0\.0\.1|localhost)(:\d+)?(\/|$)/;

/** Looks for a development issuer whenever there are settings. */
export function start() {
  onSettings(find);
  byId("get-token").addEventListener("click", getToken);
  byId("faults").addEventListener("change", ({ target }) => setFault(target.value));
}

let providers = [];

async function find(settings) {
  const local = (settings?.table.providers ?? []).filter(({ issuer }) => IS_LOCAL.test(issuer));
  const isDev = await Promise.all(local.map(({ issuer }) => currentFault(issuer)));
  providers = local.filter((_, at) => isDev[at]);
  for (const element of document.querySelectorAll(".dev-only")) element.hidden = providers.length === 0;
  const isOpaque = (provider) => provider.introspection?.opaque_tokens === "accept";
  byId("issuer").replaceChildren(
    ...providers.map((provider, at) => el("option", { value: String(at) }, `${provider.name} (${isOpaque(provider) ? "opaque tokens" : "JWTs"})`)),
  );
  const asked = providers.find(({ introspection }) => introspection);
  byId("faults-panel").hidden = !asked;
  if (asked) showFaults(await currentFault(asked.issuer));
}

const faultsOf = (issuer) => new URL("/faults", issuer);

async function currentFault(issuer) {
  const answer = await ask(faultsOf(issuer), { credentials: "omit" });
  const fault = answer.text.trim();
  return answer.status === 200 && FAULTS.has(fault) ? fault : undefined;
}

function showFaults(current) {
  const options = [...FAULTS].map(([fault, words]) =>
    el("label", {}, el("input", { type: "radio", name: "fault", value: fault, checked: fault === current }), words),
  );
  byId("faults").replaceChildren(byId("faults").firstElementChild, ...options);
}

async function setFault(fault) {
  const { issuer } = providers.find(({ introspection }) => introspection);
  const answer = await ask(faultsOf(issuer), { method: "PUT", body: fault, credentials: "omit" });
  const isSet = answer.status === 200;
  note({
    kind: "fault",
    tone: isSet ? (fault === "none" ? "good" : "warn") : "bad",
    title: isSet ? `the auth service ${FAULTS.get(fault)}` : `the fault was not switched: ${answer.error ?? answer.text}`,
  });
}

async function getToken() {
  const { issuer, name, audiences } = providers[Number(byId("issuer").value)];
  const form = new URLSearchParams({ grant_type: "client_credentials", resource: audiences[0] });
  const scope = byId("scope").value.trim();
  if (scope) form.set("scope", scope);
  const answer = await ask(`${issuer}/token`, { method: "POST", body: form, headers: { authorization: CLIENT }, credentials: "omit" });
  if (!answer.json?.access_token) {
    const why = answer.json?.error_description ?? answer.error ?? answer.status;
    note({ kind: "token", tone: "bad", title: `no token from ${name}: ${why}` });
    return;
  }
  setToken(answer.json.access_token);
  note({ kind: "token", tone: "good", title: `a token from ${name}`, note: `scope ${answer.json.scope ?? "none"} · ${ms(answer.took)}`, at: answer.end });
}
