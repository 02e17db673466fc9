// The gate that serves this page: its endpoints, and requests through it.

/** Below which path its own endpoints are. */
const BASE = new URL(".", document.baseURI);

// In memory alone: whoever can read it can revoke anybody.
let adminToken = "";

const listeners = new Set();

export const state = {
  /** What `/settings` says, once the admin token is known. */
  settings: undefined,
};

/** A path as it is asked for: one that looks like another host is below this one. */
export function asPath(text) {
  return text.startsWith("/") ? text : `/${text}`;
}

/** The URL of a path behind the gate. No text leads to another host, which would get the token. */
export function behind(path) {
  return new URL(location.origin + asPath(path));
}

/** Calls back whenever the settings are known, or are not any more. */
export function onSettings(listener) {
  listeners.add(listener);
}

/** Takes an admin token. Why it is none, if it is none. */
export async function connect(token) {
  adminToken = token;
  const answer = await admin("settings");
  state.settings = answer.status === 200 ? answer.json : undefined;
  if (!state.settings) adminToken = "";
  for (const listener of listeners) listener(state.settings);
  if (state.settings) return undefined;
  return {
    0: "The gate does not answer.",
    401: "That is not the admin token.",
    404: "This gate has no admin token: store ADMIN_TOKEN, of at least 32 bytes.",
  }[answer.status] ?? `The gate answers ${answer.status}.`;
}

export const isConnected = () => adminToken !== "";

/** Asks an endpoint of the gate as the admin. */
export function admin(endpoint, { method = "GET", json } = {}) {
  const headers = isConnected() ? { authorization: `Bearer ${adminToken}` } : {};
  if (json !== undefined) headers["content-type"] = "application/json";
  return ask(new URL(endpoint, BASE), { method, headers, body: json && JSON.stringify(json), credentials: "omit" });
}

/**
 * Sends a request and reads what comes back: status, headers, text, JSON if it is any, and how long it took
 * until the head and the end of the response. Status 0: nothing came, and `error` says what the browser says.
 */
export async function ask(url, init) {
  const start = performance.now();
  try {
    const response = await fetch(url, { cache: "no-store", redirect: "manual", ...init });
    const head = performance.now() - start;
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    return {
      start,
      end: performance.now(),
      head,
      took: performance.now() - start,
      status: response.status,
      isRedirect: response.type === "opaqueredirect",
      headers: response.headers,
      text,
      json: /[/+]json\b/.test(type) ? parsed(text) : undefined,
    };
  } catch (error) {
    const took = performance.now() - start;
    return { start, end: start + took, head: took, took, status: 0, text: "", error: String(error?.message ?? error), headers: new Headers() };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const PROBLEM = "urn:edgeward:problem:";

/** The code of a denial, if the gate itself has refused. */
export function denialCode({ json }) {
  return json?.type?.startsWith?.(PROBLEM) ? json.code : undefined;
}
