// Requests through the gate, and what became of them.
import { block, byId, el, ms } from "./dom.js";
import { asPath, ask, behind, denialCode, isConnected, onSettings } from "./gate.js";
import { currentToken, explained } from "./inspector.js";
import { note } from "./timeline.js";

const KEEP_ASKING_MS = 1000;

/** Gets the form going. */
export function start() {
  byId("request-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  let timer;
  byId("keep-asking").addEventListener("change", ({ target }) => {
    clearInterval(timer);
    if (!target.checked) return;
    send();
    timer = setInterval(() => !document.hidden && send(), KEEP_ASKING_MS);
  });
  onSettings((settings) => {
    const rules = settings?.table.rules ?? [];
    const paths = ["/hello", ...rules.map(({ path }) => path)];
    byId("paths").replaceChildren(...paths.map((value) => el("option", { value })));
  });
}

/** The headers that were asked for, with the token or without. */
function headersAskedFor() {
  const headers = new Headers();
  for (const line of byId("headers").value.split("\n").filter((line) => line.trim())) {
    const at = line.indexOf(":");
    headers.append(line.slice(0, at < 0 ? line.length : at).trim(), at < 0 ? "" : line.slice(at + 1).trim());
  }
  if (byId("with-token").checked && currentToken()) headers.set("authorization", `Bearer ${currentToken()}`);
  return headers;
}

let running = false;

async function send() {
  // An answer that takes longer than a second is waited for.
  if (running) return;
  running = true;
  try {
    const [method, path] = [byId("method").value, asPath(byId("path").value)];
    const answer = await ask(behind(path), { method, headers: headersAskedFor() });
    show(method, path, answer);
  } catch (error) {
    say("bad", [el("strong", {}, "Not sent: "), error.message]);
  } finally {
    running = false;
  }
}

function say(tone, children, more = []) {
  byId("answer").replaceChildren(el("div", { class: `said tone-${tone}` }, el("p", {}, children), more));
}

/** What became of a request: a tone, a few words, and what the origin received, if it did. */
export function outcomeOf(answer) {
  const code = denialCode(answer);
  if (answer.status === 0 && answer.isRedirect) return { tone: "info", words: "a redirect of the origin, not followed" };
  if (answer.status === 0) return { tone: "bad", words: `no answer: ${answer.error}` };
  if (code) return { tone: answer.status < 500 ? "bad" : "warn", words: `${answer.status} ${code}`, code };
  const received = answer.json?.headers && "trusted" in answer.json ? answer.json : undefined;
  const degraded = received?.headers["x-auth-degraded"];
  if (degraded) return { tone: "warn", words: `${answer.status} degraded: ${degraded}`, received };
  return { tone: answer.status < 400 ? "good" : "bad", words: `${answer.status} of the origin`, received };
}

function show(method, path, answer) {
  const { tone, words, code, received } = outcomeOf(answer);
  const challenge = answer.headers.get("www-authenticate");
  const details = [];
  if (challenge) details.push(["WWW-Authenticate", challenge]);
  if (received) details.push(["What the origin received", received]);
  else if (answer.text) details.push([code ? "Problem" : "Body", answer.json ?? cut(answer.text)]);
  details.push(["Headers of the answer", Object.fromEntries(answer.headers)]);
  const why = () => code && whyButton({ method, path, token: headersAskedFor().has("authorization") ? currentToken() : "" });
  note({
    kind: method,
    tone,
    title: `${path}: ${words}`,
    note: [seenAs(received), `${ms(answer.took)}`].filter(Boolean).join(" · "),
    details,
    more: why(),
    at: answer.end,
  });
  const lines = [
    el("strong", {}, `${method} ${path}: ${words}`),
    ` in ${ms(answer.took)}${received ? `. The origin sees ${seenAs(received) ?? "nobody"}${received.trusted ? ", signed by this gate" : ""}.` : ""}`,
  ];
  say(tone, lines, [
    answer.headers.get("retry-after") && el("p", {}, `Retry after ${answer.headers.get("retry-after")} s.`),
    ...details.slice(0, -1).map(([label, value]) => block(label, value)),
    why(),
  ]);
}

function cut(text) {
  return text.length > 4000 ? `${text.slice(0, 4000)}…` : text;
}

// Whom the demo origin takes the request to be from.
function seenAs(received) {
  const subject = received?.headers["x-auth-subject"];
  const scope = received?.headers["x-auth-scope"];
  return subject && (scope ? `${subject} (${scope})` : subject);
}

/** A button that asks the gate why, which sends the token again. */
export function whyButton(asked) {
  if (!isConnected()) return undefined;
  const said = el("div", { class: "result", role: "status" });
  const button = el("button", { type: "button", class: "quiet", onclick: async () => {
    button.disabled = true;
    said.replaceChildren(await explained({ scheme: location.protocol.slice(0, -1), host: location.host, ...asked }));
    button.disabled = false;
  } }, "Why?");
  return el("div", {}, button, said);
}
