// Revocations, and how long it takes until they are felt.
import { allow, byId, el, ms } from "./dom.js";
import { admin, asPath, ask, behind, denialCode, isConnected, onSettings, state } from "./gate.js";
import { claims, currentToken, onToken, whyUnread } from "./inspector.js";
import { onClose, openSockets } from "./sockets.js";
import { note } from "./timeline.js";

/** Nobody waits longer for a refusal. */
const PATIENCE_MS = 60_000;
/** So often it is asked for. */
const EVERY_MS = 25;

const BUTTONS = { "revoke-token": byToken, "revoke-user": byUser, "revoke-older": byAge };

/** Gets the buttons going. */
export function start() {
  for (const [id, target] of Object.entries(BUTTONS)) {
    byId(id).addEventListener("click", () => revoke(target()));
  }
  onSettings(changed);
  onToken(changed);
  changed();
}

function changed() {
  const said = currentToken() && claims();
  const common = !isConnected() ? "needs the admin token" : !currentToken() ? "there is no token" : whyUnread();
  const bySubject = common ?? (said?.sub && said.iss ? undefined : "the token does not say whose it is");
  allow(byId("revoke-token"), common);
  allow(byId("revoke-user"), bySubject);
  allow(byId("revoke-older"), bySubject);
  const whyNot = common ?? bySubject;
  byId("revoke-note").textContent = whyNot ? `${whyNot[0].toUpperCase()}${whyNot.slice(1)}.` : `Of ${said.sub}, at ${said.iss}.`;
}

function issuer() {
  const said = claims();
  if (said) return said.iss;
  const opaque = state.settings.table.providers.find(({ introspection }) => (introspection?.opaque_tokens ?? "refuse") !== "refuse");
  return opaque?.issuer;
}

function byToken() {
  return { words: "this token", wanted: { token: currentToken(), issuer: issuer() } };
}

function byUser() {
  const { sub } = claims();
  return { words: `all of ${sub}`, wanted: { sub, issuer: issuer() } };
}

function byAge() {
  const { sub, iat } = claims();
  // A token of this very second is meant, too.
  const issued_before = Math.max(Math.floor(Date.now() / 1000), (Number(iat) || 0) + 1);
  return { words: `${sub} before now`, wanted: { sub, issuer: issuer(), issued_before } };
}

async function revoke({ words, wanted }) {
  const path = asPath(byId("path").value);
  const token = currentToken();
  const json = { ...wanted, reason: "test page" };
  const closed = [];
  const before = openSockets();
  const stopWatching = onClose((end) => closed.push(end));
  const answer = await admin("revocations", { method: "POST", json });
  if (![200, 201].includes(answer.status)) {
    stopWatching();
    const why = answer.json?.detail ?? answer.json?.code ?? answer.error ?? answer.status;
    note({ kind: "revoke", tone: "bad", title: `not revoked: ${why}`, details: [["Answer", answer.json ?? answer.text]] });
    byId("measured").replaceChildren(el("div", { class: "said tone-bad" }, el("p", {}, `Not revoked: ${why}`)));
    return;
  }
  const acknowledged = answer.end;
  const said = answer.json;
  const told = answer.status === 201 ? `acknowledged in ${ms(answer.took)}` : "was revoked before";
  note({ kind: "revoke", tone: "warn", title: `revoked: ${words}`, note: told, details: [["Answer", said]], at: acknowledged });
  const row = showRow(words, said);
  const result = el("div", { class: "said tone-warn" });
  byId("measured").replaceChildren(result);
  // In a few words for the table, and in more.
  const sockets = () => {
    const ended = closed.filter(({ reason }) => reason === "token_revoked");
    if (before === 0) return ["–", "none was open"];
    if (ended.length === 0) return [`0 of ${before}`, `none of ${before} yet`];
    const last = Math.max(...ended.map(({ at }) => at)) - acknowledged;
    // What ends while the acknowledgement is on its way has ended at once.
    const [short, long] = last <= 0 ? ["at once", "before the acknowledgement was here"] : [ms(last), `${ms(last)} after it`];
    return [`${ended.length} of ${before}, ${short}`, `${ended.length} of ${before}, ${long}`];
  };
  let refusal = ["…", "asking…"];
  const show = () => {
    row.refusal.textContent = refusal[0];
    row.sockets.textContent = sockets()[0];
    result.replaceChildren(
      el("p", {}, el("strong", {}, `Revoked: ${words}. `), `${told[0].toUpperCase()}${told.slice(1)}.`),
      el("p", {}, `First request refused: ${refusal[1]}. Sockets closed: ${sockets()[1]}.`),
    );
  };
  const stopShowing = onClose(() => setTimeout(show));
  show();
  refusal = await firstRefusal(path, token, acknowledged);
  show();
  setTimeout(() => {
    stopWatching();
    stopShowing();
  }, PATIENCE_MS);
}

// In a few words, and in more.
async function firstRefusal(path, token, acknowledged) {
  let passed = 0;
  while (performance.now() - acknowledged < PATIENCE_MS) {
    const answer = await ask(behind(path), { headers: { authorization: `Bearer ${token}` } });
    const code = denialCode(answer);
    if (code && code !== "revoked_token") {
      const words = `refused for another reason: ${answer.status} ${code}`;
      note({ kind: "revoke", tone: "warn", title: words, at: answer.end });
      return ["–", `${words}. Choose a path that the token may have`];
    }
    if (code) {
      const time = answer.end - acknowledged;
      const others = `${passed} passed before it`;
      note({ kind: "revoke", tone: "bad", title: `first request refused: ${answer.status} ${code}`, note: `${ms(time)} after the acknowledgement · ${others}`, at: answer.end });
      return [ms(time), `${ms(time)} after the acknowledgement, ${answer.status} ${code} (${others})`];
    }
    passed += 1;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  const words = `none within ${PATIENCE_MS / 1000} s`;
  note({ kind: "revoke", tone: "warn", title: `no request refused: ${words}` });
  return [words, words];
}

function showRow(words, { id, relays }) {
  const [refusal, sockets] = [el("td"), el("td")];
  const undo = el("button", { type: "button", class: "quiet", "aria-label": `Undo the revocation of ${words}`, onclick: async () => {
    undo.disabled = true;
    const answer = await admin(`revocations/${encodeURIComponent(id)}`, { method: "DELETE" });
    const isDone = answer.status < 300;
    note({ kind: "revoke", tone: isDone ? "info" : "bad", title: isDone ? `undone: ${words}` : `not undone: ${answer.json?.detail ?? answer.status}` });
    if (isDone) row.remove();
    undo.disabled = false;
    byId("revocations-box").hidden = byId("revocations").tBodies[0].rows.length === 0;
  } }, "Undo");
  const told = relays ? `${relays.acknowledged ?? "?"} of ${relays.known ?? "?"}` : "";
  const row = el("tr", {}, el("th", { scope: "row" }, words), el("td", {}, told), refusal, sockets, el("td", {}, undo));
  byId("revocations").tBodies[0].prepend(row);
  byId("revocations-box").hidden = false;
  return { refusal, sockets };
}
