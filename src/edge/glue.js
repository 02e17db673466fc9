// The platform's side of the boundary. Each function crosses once, with text and bytes alone:
// every further crossing costs about as much as what it would carry.

const encoder = new TextEncoder();

/**
 * Writes the head of a request into `buffer`, as UTF-8: method, URL, then names and values of the
 * headers, separated by line feeds. Returns the number of bytes, or, where the buffer is too small,
 * the number that would be enough, negative.
 */
export function packHead(request, buffer) {
  const head = headOf(request);
  const { read, written } = encoder.encodeInto(head, buffer);
  return read === head.length ? written : -3 * head.length;
}

function headOf(request) {
  let head = request.method + "\n" + request.url;
  request.headers.forEach((value, name) => {
    head += "\n" + name + "\n" + value;
  });
  return head;
}

/** A head, as `packHead` writes it, as a request of it would have it; nothing if there can be none. */
export function asItComes(packed) {
  const [method, url, ...lines] = packed.split("\n");
  try {
    const request = new Request(url, { method });
    for (let at = 0; at + 1 < lines.length; at += 2) request.headers.set(lines[at], lines[at + 1]);
    return headOf(request);
  } catch {
    return undefined;
  }
}

/** The text of a binding; a table, as wrangler makes it of `[vars.NAME]`, becomes JSON. */
export function bindingText(env, name) {
  const value = env[name];
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The service binding of this name, if it can be fetched from. */
export function serviceBinding(env, name) {
  const service = env[name];
  return typeof service?.fetch === "function" ? service : undefined;
}

/** Makes a response of a failed origin. */
export let originFailed;

/** Registers what does: (request, message) => Response. */
export function onOriginFailure(handler) {
  originFailed = handler;
}

/**
 * Sends the request on, to `url` if that is not its own, and returns the origin's own response,
 * untouched. `edits` are lines: names of headers to remove, an empty line, names and values to set.
 * What answers a personal request must not come from the platform's cache of what is fetched, nor go
 * there: it goes by URL and extension, and the header that would keep it off is the token's.
 */
export function forward(service, request, url, edits, keepBody, isPersonal) {
  let parts;
  try {
    // Other methods, and service bindings, have no such cache, and it costs two headers.
    const cache = isPersonal && service === undefined && isCached(request.method) ? "no-store" : undefined;
    parts = outgoing(request, url, edits, keepBody, cache);
  } catch {
    // The message would repeat the URL, with a token that may be in its query.
    return originFailed(request, "");
  }
  const answer = send(service, parts[0], parts[1]);
  return answer.then(undefined, (error) => originFailed(request, String(error)));
}

function isCached(method) {
  return method === "GET" || method === "HEAD";
}

/** What `send` takes for a request that is sent on. */
export function outgoing(request, url, edits, keepBody, cache) {
  const target = url ?? request.url;
  if (keepBody && request.body !== null) {
    // The only form that keeps a body with every method, and its length.
    const outgoing = new Request(target, request);
    edit(outgoing.headers, edits);
    return [outgoing, { cache }];
  }
  // Without an object for the outgoing request, which nothing here would look at.
  const headers = new Headers(request.headers);
  edit(headers, edits);
  return [target, { method: request.method, headers, redirect: "manual", cache }];
}

/** Asks the origin. */
export function send(service, target, init) {
  return service === undefined ? fetch(target, init) : service.fetch(target, init);
}

function edit(headers, edits) {
  const lines = edits.split("\n");
  let at = 0;
  for (; lines[at] !== ""; at++) headers.delete(lines[at]);
  for (at++; at + 1 < lines.length; at += 2) headers.set(lines[at], lines[at + 1]);
}

/**
 * A response that is all text, in UTF-8; `headers` are names and values, separated by line feeds.
 */
export function textResponse(status, headers, body) {
  // A copy, because `body` is memory of the wasm.
  return withHeaders(new Response(body?.slice(), { status }), headers);
}

function withHeaders(response, headers) {
  const lines = headers.split("\n");
  for (let at = 0; at + 1 < lines.length; at += 2) response.headers.set(lines[at], lines[at + 1]);
  return response;
}

/** A file among the assets, with these headers and none of those that it comes with. */
export async function asset(assets, path, method, headers) {
  try {
    const { ok, body } = await assets.fetch(`https://assets${path}`, { method });
    if (ok) return withHeaders(new Response(body), headers);
  } catch {
    // As if it were not there.
  }
  const detail = `${path} is no asset: make build, and deploy again`;
  return Response.json(
    { type: "urn:edgeward:problem:misconfigured", status: 503, code: "misconfigured", detail },
    { status: 503, headers: { "content-type": "application/problem+json" } },
  );
}

// The runtime's synchronous cryptography. It is not imported by name, because the bundler would
// have to resolve "node:crypto".
const crypto = process.getBuiltinModule("node:crypto");

/** A public key from a JWK, or nothing if the runtime does not take it for one. */
export function importPublicKey(jwk) {
  try {
    return crypto.createPublicKey({ key: JSON.parse(jwk), format: "jwk" });
  } catch {
    return undefined;
  }
}

/** As `importPublicKey`, for RSASSA-PSS with a salt of the length of the hash. */
export function importPssKey(jwk) {
  const key = importPublicKey(jwk);
  // This runtime refuses a key object inside an options object, but reads the options from it.
  if (key !== undefined) {
    key.padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
    key.saltLength = crypto.constants.RSA_PSS_SALTLEN_DIGEST;
  }
  return key;
}

/** A private key from a JWK, or nothing if the runtime does not take it for one. */
export function importPrivateKey(jwk) {
  try {
    return crypto.createPrivateKey({ key: JSON.parse(jwk), format: "jwk" });
  } catch {
    return undefined;
  }
}

// By number, because a name would be decoded for each signature.
const HASHES = [undefined, "sha256", "sha384", "sha512"];

/** RSASSA-PKCS1-v1_5, ECDSA with a DER signature, or, with hash 0, Ed25519. */
export function verifySignature(hash, key, message, signature) {
  try {
    return crypto.verify(HASHES[hash], message, key, signature);
  } catch {
    return false;
  }
}

/** RSASSA-PSS. The one-shot `verify` of this runtime ignores the padding, so it is not used. */
export function verifyPss(hash, key, message, signature) {
  try {
    return crypto.createVerify(HASHES[hash]).update(message).verify(key, signature);
  } catch {
    return false;
  }
}

/** An Ed25519 signature (hash 0), one with RSASSA-PKCS1-v1_5 or ECDSA (in DER), or nothing. */
export function sign(hash, key, message) {
  try {
    return crypto.sign(HASHES[hash], message, key);
  } catch {
    return undefined;
  }
}

/** A signature with RSASSA-PSS and a salt of the length of the hash, or nothing. */
export function signPss(hash, key, message) {
  try {
    const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = crypto.constants;
    return crypto.createSign(HASHES[hash]).update(message).sign({ key, padding, saltLength });
  } catch {
    return undefined;
  }
}

/** The dataset of Analytics Engine of this name, if there is one. */
export function dataset(env, name) {
  const dataset = env[name];
  return typeof dataset?.writeDataPoint === "function" ? dataset : undefined;
}

/** Writes a data point of these words, which are separated by line feeds; the first is its index. */
export function writeDataPoint(dataset, words) {
  const blobs = words.split("\n");
  try {
    dataset.writeDataPoint({ indexes: blobs.slice(0, 1), blobs, doubles: [1] });
  } catch {
    // More than the platform takes for one request. The metrics have it.
  }
}

/** The KV namespace of this name, if there is one. */
export function kvNamespace(env, name) {
  const namespace = env[name];
  return typeof namespace?.get === "function" ? namespace : undefined;
}

/** The value under a key, null if there is none, or nothing if it is late or cannot be had. */
export function kvGet(namespace, key, timeoutMs) {
  const found = namespace.get(key, { type: "arrayBuffer" }).catch(() => undefined);
  return within(found, timeoutMs);
}

// Nobody who writes waits any longer: the next one tries again.
const KV_WRITE_MS = 10_000;

/** Writes a value. Whether it could: otherwise another isolate has to find out by itself. */
export async function kvPut(namespace, key, value, ttlSeconds) {
  try {
    // A copy, because `value` is memory of the wasm.
    const put = namespace.put(key, value.slice(), { expirationTtl: ttlSeconds });
    return await within(put.then(() => true), KV_WRITE_MS);
  } catch {
    return false;
  }
}

/** Deletes a value. Whether it could. */
export async function kvDelete(namespace, key) {
  try {
    await namespace.delete(key);
    return true;
  } catch {
    return false;
  }
}

/**
 * Sends a request, a form if there is one, and reads what comes back: `{ status, body }`, or
 * `{ fault }`. A redirect is an answer like others.
 */
export async function exchange(url, authorization, form, timeoutMs, mostBytes) {
  const headers = { accept: "application/json" };
  const init = { headers, redirect: "manual", signal: AbortSignal.timeout(timeoutMs) };
  if (authorization !== undefined) headers.authorization = authorization;
  if (form !== undefined) {
    init.method = "POST";
    init.body = form;
    headers["content-type"] = "application/x-www-form-urlencoded";
  }
  try {
    const response = await fetch(url, init);
    const body = await readAll(response.body, mostBytes);
    return body === undefined ? { fault: "too large" } : { status: response.status, body };
  } catch (error) {
    return { fault: error?.name === "TimeoutError" ? "timeout" : "unreachable" };
  }
}

/** The body of a request, or nothing if it is longer than that, or breaks off. */
export async function readBody(request, mostBytes) {
  try {
    return await readAll(request.body, mostBytes);
  } catch {
    return undefined;
  }
}

async function readAll(stream, mostBytes) {
  if (stream === null) return new Uint8Array();
  const chunks = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    // Leaving the loop cancels the body.
    if (length > mostBytes) return undefined;
    chunks.push(chunk);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

/** Resolves after a while. */
export function sleep(millis) {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

/**
 * What a promise resolves to, or nothing if that takes longer. Always settles while the request lives:
 * what waits in the wasm for something that never does stays there for good.
 */
export function within(promise, millis) {
  return Promise.race([promise, sleep(millis)]);
}

/** The namespace of Durable Objects of this name, if there is one. */
export function objectNamespace(env, name) {
  const namespace = env[name];
  return typeof namespace?.idFromName === "function" ? namespace : undefined;
}

// The header by which a relay says up to which batch of metrics all are kept.
const KEPT = "kept";

/**
 * Calls a Durable Object: like `exchange`. `path` is that of the request, `body` its content, if it is
 * one that has any; the object is made near `hint` if it is new.
 */
export async function callObject(namespace, name, hint, path, body, timeoutMs, mostBytes) {
  // A copy, because `body` is memory of the wasm.
  const init = { signal: AbortSignal.timeout(timeoutMs) };
  if (body !== undefined) Object.assign(init, { method: "POST", body: body.slice() });
  try {
    const stub = namespace.get(namespace.idFromName(name), hint && { locationHint: hint });
    const response = await stub.fetch(`https://object${path}`, init);
    const content = await readAll(response.body, mostBytes);
    if (content === undefined) return { fault: "too large" };
    const kept = response.headers.get(KEPT);
    return { status: response.status, body: content, kept: kept === null ? undefined : Number(kept) };
  } catch (error) {
    return { fault: error?.name === "TimeoutError" ? "timeout" : "unreachable" };
  }
}

/**
 * Calls a relay: like `callObject`, but what it answered to another isolate of the data centre within
 * `lifetimeMs` will do, although `body` does not get to the relay then. Then `olderMs` says by how much the
 * answer can be older than it says: for how long it was on its way to who asked, and for how long it can have
 * been in the cache.
 *
 * Without a zone of one's own there is no such cache, and nothing is ever found in it.
 */
export async function pull(namespace, name, hint, path, body, lifetimeMs, timeoutMs, mostBytes) {
  // A copy, because `body` is memory of the wasm.
  const held = body.slice();
  const cache = lifetimeMs > 0 ? globalThis.caches?.default : undefined;
  // By its identifier, because a zone has one cache for all its Workers, and each has a relay of this name.
  const key = `https://relay.edgeward.internal/${namespace.idFromName(name)}${path}`;
  const found = await within(fromCache(cache, key, lifetimeMs), timeoutMs);
  if (found !== undefined) return found;
  const askedAt = Date.now();
  const answer = await callObject(namespace, name, hint, path, held, timeoutMs, mostBytes);
  if (answer.status === 200) {
    await within(intoCache(cache, key, lifetimeMs, askedAt, answer.body), timeoutMs);
  }
  return answer;
}

// Clocks within a data centre differ less than this. One that is further off finds nothing in the cache.
const CLOCKS_DIFFER_MS = 2000;

async function fromCache(cache, key, lifetimeMs) {
  try {
    const found = await cache?.match(key);
    if (found === undefined) return undefined;
    const [waitedMs, storedAt] = found.headers.get("etag").slice(1, -1).split("-").map(Number);
    const sinceMs = Date.now() - storedAt;
    const isYoung = Math.abs(sinceMs) <= lifetimeMs + CLOCKS_DIFFER_MS;
    const body = new Uint8Array(await found.arrayBuffer());
    const olderMs = waitedMs + Math.max(lifetimeMs, sinceMs);
    return isYoung ? { status: 200, body, olderMs } : undefined;
  } catch {
    return undefined;
  }
}

async function intoCache(cache, key, lifetimeMs, askedAt, body) {
  try {
    const now = Date.now();
    const headers = {
      "cache-control": `max-age=${Math.floor(lifetimeMs / 1000)}`,
      etag: `"${now - askedAt}-${now}"`,
    };
    await cache?.put(key, new Response(body, { headers }));
  } catch {
    // Then every isolate asks the relay by itself.
  }
}

/** A response that is bytes; of a relay that was handed metrics, `kept` says up to which all are kept. */
export function bytesResponse(status, body, kept) {
  return new Response(body.slice(), { status, headers: kept === undefined ? {} : { [KEPT]: kept } });
}

/**
 * Continent and longitude of where a request is from, and the data centre that it came to, as far as the
 * platform says, as lines.
 */
export function placeOf(request) {
  const { cf } = request;
  return `${cf?.continent ?? ""}\n${cf?.longitude ?? ""}\n${cf?.colo ?? ""}`;
}

const faults = { atMost: 100, second: 0, written: 0, leftOut: 0 };

/** Says how many such lines are written in a second; 0 for none. */
export function logFaults(atMost) {
  faults.atMost = atMost;
}

/** Writes a line about a fault that the wasm does not see. */
export function logFault(event, error) {
  const time = Math.floor(Date.now() / 1000);
  if (faults.second !== time) Object.assign(faults, { second: time, written: 0 });
  if (faults.written >= faults.atMost) {
    faults.leftOut += 1;
    return;
  }
  const left_out = faults.leftOut || undefined;
  Object.assign(faults, { written: faults.written + 1, leftOut: 0 });
  console.error(JSON.stringify({ detail: String(error), event, left_out, level: "error", time }));
}

/** Runs a statement in the database of an object: its rows as lists, or nothing if it fails. */
export function sql(object, statement, parameters) {
  try {
    return object.storage.sql.exec(statement, ...parameters).raw().toArray();
  } catch (error) {
    return storageFailed(error);
  }
}

const ROW_BYTES = 28;

/**
 * The rows of a query as bytes, or nothing if it fails: a number in eight bytes, a target in twelve,
 * two numbers in four each. One crossing for all of them, and no more rows in memory than one.
 */
export function packRows(object, query, parameters) {
  // As long as a row, and twice as long whenever that is too short: most of the time there is none.
  let packed = new Uint8Array(ROW_BYTES);
  let view = new DataView(packed.buffer);
  let at = 0;
  try {
    for (const row of object.storage.sql.exec(query, ...parameters).raw()) {
      if (at === packed.length) {
        const longer = new Uint8Array(packed.length * 2);
        longer.set(packed);
        packed = longer;
        view = new DataView(packed.buffer);
      }
      const [number, target, effect, expiresAt] = row;
      view.setBigUint64(at, BigInt(number), true);
      packed.set(new Uint8Array(target), at + 8);
      view.setUint32(at + 20, effect, true);
      view.setUint32(at + 24, expiresAt, true);
      at += ROW_BYTES;
    }
  } catch (error) {
    return storageFailed(error);
  }
  return packed.subarray(0, at);
}

/**
 * Runs a statement with each of these rows, after and before two others if they are not empty: all of it,
 * or nothing. Whether it was all.
 */
export function putRows(object, first, statement, packed, last, parameters) {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const { sql } = object.storage;
  try {
    object.storage.transactionSync(() => {
      if (first !== "") sql.exec(first);
      for (let at = 0; at < packed.length; at += ROW_BYTES) {
        sql.exec(
          statement,
          Number(view.getBigUint64(at, true)),
          packed.slice(at + 8, at + 20),
          view.getUint32(at + 20, true),
          view.getUint32(at + 24, true),
        );
      }
      sql.exec(last, ...parameters);
    });
    return true;
  } catch (error) {
    storageFailed(error);
    return false;
  }
}

/** How many leashes an object holds, or those of one tag. */
export function leashCount(object, tag) {
  return object.state.getWebSockets(tag).length;
}

/**
 * Takes a leash, and says something over it first, unless that is nothing: the response, or nothing if the
 * runtime does not take it.
 */
export function takeLeash(object, tags, first) {
  try {
    const [outer, leash] = Object.values(new WebSocketPair());
    object.state.acceptWebSocket(leash, tags.split("."));
    // A copy, because `first` is memory of the wasm.
    if (first.length > 0) leash.send(first.slice());
    return new Response(null, { status: 101, webSocket: outer });
  } catch (error) {
    logFault("leash_failed", error);
    return undefined;
  }
}

/** Says something over all leashes of a tag. */
export function sayToAll(object, tag, said) {
  for (const leash of object.state.getWebSockets(tag)) say(leash, said);
}

/** Says something over a leash. */
export function say(leash, said) {
  try {
    // A copy, because `said` is memory of the wasm.
    leash.send(said.slice());
  } catch {
    // It is being closed.
  }
}

function storageFailed(error) {
  logFault("storage_failed", error);
}

/** Sees to it that the object is called within that time. A call that is due sooner stays. */
export async function setAlarm(object, millis) {
  try {
    const due = Date.now() + millis;
    const at = await object.storage.getAlarm();
    if (at === null || at > due) await object.storage.setAlarm(due);
  } catch (error) {
    storageFailed(error);
  }
}
