// The test page in Chromium, in front of the real stack: every flow, accessibility, and what it must not do.
// Screenshots go to target/screenshots/, for people.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { importJWK, SignJWT } from "jose";

import { buckets, quantile, samples, share } from "../../www/prometheus.js";
import { startBrowser, startStack } from "./stack.mjs";

const SCREENSHOTS = "target/screenshots";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let stack;
let browser;

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  [stack, browser] = await Promise.all([startStack(), startBrowser()]);
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

// What Chromium writes into the console by itself when a request is refused, which is what many tests are about.
const OF_A_REFUSAL = /^Failed to load resource: the server responded with a status of (400|401|403|503)|WebSocket connection to .* failed/;

/** Opens the page and watches it: what it says in the console, and whom it asks. The file `lost` is not there. */
async function open({ url = stack.page, colorScheme = "light", width = 1440, height = 1000, lost, ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, ...more });
  const page = await context.newPage();
  if (lost) await page.route(`**/${lost}`, (route) => route.fulfill({ status: 503, body: "" }));
  const seen = { errors: [], requests: [] };
  page.on("console", (message) => {
    const isTrouble = ["error", "warning"].includes(message.type());
    if (isTrouble && !OF_A_REFUSAL.test(message.text())) seen.errors.push(message.text());
  });
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("request", (request) => seen.requests.push({ url: request.url(), body: request.postData(), headers: request.headers() }));
  page.on("websocket", (socket) => seen.requests.push({ url: socket.url().replace(/^ws/, "http"), headers: {} }));
  await page.goto(url);
  await page.waitForSelector(url === stack.page ? "#get-token:visible" : "#pill-health, .pill");
  await page.waitForFunction(() => document.querySelector(".pill").textContent === "ready");
  return {
    page,
    seen,
    async close() {
      const strangers = seen.requests.map((request) => new URL(request.url)).filter(({ protocol, origin }) => protocol !== "data:" && ![stack.worker, stack.issuer].includes(origin));
      assert.deepEqual(strangers, [], "another host was asked");
      assert.deepEqual(seen.errors, [], "the console has errors");
      await context.close();
    },
  };
}

async function shot(page, name) {
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
}

const part = (page, selector, name) => page.locator(selector).screenshot({ path: `${SCREENSHOTS}/${name}.png` });

const text = (page, selector) => page.locator(selector).innerText();

/** Waits until an element says this. */
async function says(page, selector, words) {
  const element = page.locator(selector);
  const isSaid = (said) => (words instanceof RegExp ? words.test(said) : said.includes(words));
  const deadline = Date.now() + 20_000;
  let said;
  do {
    said = await element.innerText().catch(() => "");
    if (isSaid(said)) return said;
    await page.waitForTimeout(50);
  } while (Date.now() < deadline);
  throw new Error(`${selector} says ${JSON.stringify(said)}, not ${words}`);
}

async function getToken(page, { issuer = "0", scope = "read" } = {}) {
  const before = await page.inputValue("#token");
  await page.selectOption("#issuer", issuer);
  await page.fill("#scope", scope);
  await page.click("#get-token");
  await page.waitForFunction((old) => document.querySelector("#token").value !== old, before);
  return page.inputValue("#token");
}

async function send(page, path, { withToken = true } = {}) {
  await page.fill("#path", path);
  await page.setChecked("#with-token", withToken);
  await page.locator("#answer").evaluate((element) => element.replaceChildren());
  // By the keyboard: what is above may grow just then, and a pointer would miss.
  await page.press("#send", "Enter");
  return says(page, "#answer", "in ");
}

/** A token like those of the development issuer, with other claims or of another key. */
async function made(claims = {}, { key, header = {} } = {}) {
  const [own] = JSON.parse(readFileSync(".dev/issuer-keys.json", "utf8")).keys;
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: stack.issuer, aud: stack.worker, sub: "alice", client_id: "dev-client", scope: "read", iat: now, exp: now + 600, jti: `made-${Math.random()}` };
  return new SignJWT({ ...usual, ...claims })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: own.kid, ...header })
    .sign(key ?? (await importJWK(own, "ES256")));
}

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

test("the address does not keep the admin token, and neither does anything else", async () => {
  const { page, seen, close } = await open();
  assert.equal(page.url(), `${stack.worker}/_edgeward/`);
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, document.documentElement.outerHTML]));
  assert.ok(!kept.includes(stack.admin));
  assert.equal(await page.inputValue("#admin-token"), "");
  for (const { url, headers } of seen.requests) {
    assert.ok(!url.includes(stack.admin), url);
    const isSent = JSON.stringify(headers).includes(stack.admin);
    assert.ok(!isSent || url.startsWith(`${stack.worker}/_edgeward/`), `sent to ${url}`);
  }
  await page.reload();
  await page.waitForFunction(() => document.querySelector(".pill").textContent === "ready");
  assert.match(await text(page, "#admin-note"), /stays in the memory/);
  assert.equal(await page.isVisible("#get-token"), false, "a reload has forgotten it");
  await close();
});

test("no file of the page is served around the gate", async () => {
  for (const path of ["/", "/index.html", "/page.js", "/page.css", "/page.wasm", "/icon.svg"]) {
    const response = await fetch(stack.worker + path);
    assert.equal((await response.json()).code, "missing_token", path);
  }
});

test("only pages of this machine may switch faults and get tokens", async () => {
  const authorization = `Basic ${btoa("dev-client:dev-secret")}`;
  const ask = (origin, path, init) => fetch(stack.issuer + path, { ...init, headers: { origin, authorization } });
  const allowed = (response) => response.headers.get("access-control-allow-origin");
  const form = () => ({ method: "POST", body: new URLSearchParams({ grant_type: "client_credentials" }) });
  for (const origin of [stack.worker, "http://localhost:3000", "http://[::1]"]) {
    assert.equal(allowed(await ask(origin, "/faults", { method: "OPTIONS" })), origin);
    assert.equal((await ask(origin, "/faults", { method: "PUT", body: "none" })).status, 200);
    const token = await ask(origin, "/token", form());
    assert.deepEqual([token.ok, allowed(token)], [true, origin]);
  }
  for (const origin of ["https://elsewhere.example", "http://127.0.0.1.example", "http://localhost.example:80", "null"]) {
    const response = await ask(origin, "/faults", { method: "PUT", body: "hang" });
    assert.deepEqual([response.status, allowed(response)], [403, null], origin);
    const token = await ask(origin, "/token", form());
    assert.deepEqual([token.ok, allowed(token)], [false, null], origin);
  }
  assert.equal(await (await fetch(`${stack.issuer}/faults`)).text(), "none\n");
});

test("an admin token is typed, and a wrong one is refused in words", async () => {
  const { page, close } = await open({ url: `${stack.worker}/_edgeward/` });
  await page.fill("#admin-token", "not-the-admin-token-not-the-admin-token");
  await page.keyboard.press("Enter");
  await says(page, "#admin-note", "That is not the admin token.");
  await page.fill("#admin-token", stack.admin);
  await page.click("#admin-button");
  await says(page, "#admin-note", "Connected.");
  await page.waitForSelector("#get-token:visible");
  await close();
});

test("without the admin token a token is read, not judged, and sent nowhere", async () => {
  const { page, seen, close } = await open({ url: `${stack.worker}/_edgeward/` });
  const asked = () => seen.requests.filter(({ url }) => !url.endsWith("/health"));
  const before = asked().length;
  const token = await made();
  await page.fill("#token", `Bearer ${token}`);
  await says(page, "#verdict", "cannot be told here");
  assert.match(await text(page, "#claims"), /"sub": "alice"/);
  assert.match(await text(page, "#header"), /"alg": "ES256"/);
  await says(page, "#times", /expires in (9|10) minutes/);
  assert.equal(await page.isDisabled("#ask-gate"), true);
  assert.equal(await page.isVisible("#get-token"), false);
  assert.equal(asked().length, before, "nobody was asked");
  assert.ok(!seen.requests.some(({ url, body, headers }) => `${url}${body}${JSON.stringify(headers)}`.includes(token)));
  await shot(page, "inspector-without-admin");
  await close();
});

test("the inspector says of every token what the gate says", async () => {
  const { page, seen, close } = await open();
  const now = Math.floor(Date.now() / 1000);
  const good = await made();
  const [header, , signature] = good.split(".");
  const tokens = {
    good: [good, "would be permitted"],
    expired: [await made({ iat: now - 900, exp: now - 300 }), "401 expired_token (expired)"],
    "of another audience": [await made({ aud: "https://elsewhere.example" }), "401 invalid_token (wrong_audience)"],
    "of another issuer": [await made({ iss: "https://elsewhere.example" }), "401 invalid_token (unknown_issuer)"],
    changed: [`${header}.${encoded({ iss: stack.issuer, aud: stack.worker, sub: "root", exp: now + 600, iat: now })}.${signature}`, "401 invalid_token (bad_signature)"],
    unsigned: [`${encoded({ alg: "none", typ: "at+jwt" })}.${encoded({ iss: stack.issuer, sub: "root", exp: now + 600 })}.`, "401 invalid_token (algorithm_not_allowed)"],
    "of an unknown key": [await made({}, { header: { kid: "another" } }), "401 invalid_token (unknown_key)"],
    "for a path that asks for more": [good, "403 insufficient_scope (missing_scope)", "/admin"],
  };
  for (const [name, [token, verdict, path = "/hello"]] of Object.entries(tokens)) {
    await page.fill("#path", path);
    await page.fill("#token", token);
    const said = await says(page, "#verdict", verdict);
    assert.ok(said.startsWith(`GET ${path}`), `${name}: ${said}`);
    const isSent = seen.requests.some(({ body, headers }) => `${body}${JSON.stringify(headers)}`.includes(token));
    assert.equal(isSent && name !== "for a path that asks for more", false, `${name} was sent`);
    await page.click("#ask-gate");
    await says(page, "#explanation", verdict);
    if (name === "good" || name === "expired" || name === "unsigned") await part(page, "#token-panel", `inspector-${name}`);
  }
  assert.match(await text(page, "#times"), /expires in/);
  for (const [token, warning] of [
    [tokens.unsigned[0], "nobody has signed it"],
    [`${header}.!.${signature}`, "cannot be decoded"],
  ]) {
    await page.fill("#token", token);
    await says(page, "#warnings", warning);
  }
  await page.fill("#token", "garbage");
  await says(page, "#verdict", "cannot be told here. It is no JWT");
  await part(page, "#token-panel", "inspector-garbage");
  await page.fill("#token", "");
  await page.waitForSelector("#inspection", { state: "hidden" });
  await close();
});

test("without its wasm the page says so, and everything that needs none works", async () => {
  const { page, close } = await open({ lost: "page.wasm" });
  await says(page, "#verdict", "Tokens cannot be read here. page.wasm, the gate’s own code, did not load (status 503).");
  assert.match(await text(page, "#admin-note"), /Connected/);
  const token = await getToken(page);
  assert.equal(await page.isVisible("#inspection"), false);
  await says(page, "#verdict", "Tokens cannot be read here.");
  assert.match(await send(page, "/hello"), /200 of the origin/);
  await page.click("#ask-gate");
  await says(page, "#explanation", "GET /hello: would be permitted");
  await page.click("#open-socket");
  await page.waitForSelector("article.socket");
  for (const id of ["revoke-token", "revoke-user", "revoke-older"]) assert.equal(await page.isDisabled(`#${id}`), true, id);
  assert.equal(await text(page, "#revoke-note"), "Tokens cannot be read without page.wasm.");
  await says(page, `.chart:has(h3:text-is("Open WebSockets")) .latest`, "supervised 1");
  await says(page, "#timeline", "tokens cannot be read");
  assert.equal(await page.inputValue("#token"), token);
  await shot(page, "without-wasm");
  await close();
  // By hand, too.
  const other = await open({ url: `${stack.worker}/_edgeward/`, lost: "page.wasm" });
  await other.page.fill("#admin-token", stack.admin);
  await other.page.click("#admin-button");
  await says(other.page, "#admin-note", "Connected.");
  await other.close();
});

test("a request shows what the origin received, and a denial why", async () => {
  const { page, close } = await open();
  await getToken(page);
  const passed = await send(page, "/hello");
  assert.match(passed, /GET \/hello: 200 of the origin in [0-9.]+ m?s/);
  assert.match(passed, /The origin sees dev-client \(read\), signed by this gate/);
  assert.match(passed, /"x-auth-subject": "dev-client"/);
  await shot(page, "request-passed");
  const bare = await send(page, "/hello", { withToken: false });
  assert.match(bare, /401 missing_token/);
  assert.match(bare, /Bearer realm=/);
  assert.match(bare, /"failure_id": "[0-9a-f]+-/);
  const forbidden = await send(page, "/admin");
  assert.match(forbidden, /403 insufficient_scope/);
  await page.locator("#answer button").click();
  await says(page, "#answer", "The gate says: GET /admin: would be refused: 403 insufficient_scope (missing_scope)");
  assert.equal(await page.locator("#answer .check-failed").textContent(), "✗rule: failed");
  await page.locator("summary", { hasText: "Headers" }).first().click();
  await page.fill("#headers", "X-Auth-Subject: root\nX-Note: seen");
  const forged = await send(page, "/public", { withToken: false });
  assert.match(forged, /200 of the origin/);
  assert.doesNotMatch(forged, /root/);
  await page.selectOption("#method", "POST");
  assert.match(await send(page, "/hello"), /POST \/hello: 200 of the origin/);
  const events = await page.locator("#timeline > li").allInnerTexts();
  for (const [at, words] of ["/hello: 200", "/public: 200", "GET /admin: would be refused", "/admin: 403", "/hello: 401", "/hello: 200", "a token from dev", "connected"].entries()) {
    assert.ok(events[at].includes(words), `${at}: ${events[at]}`);
    assert.match(events[at], /\+[0-9.]+ s/);
  }
  await page.locator("#timeline summary").first().click();
  await shot(page, "request-denied");
  await close();
});

test("a path that looks like another host is a path of this one", async () => {
  const { page, seen, close } = await open();
  await getToken(page);
  for (const path of ["//elsewhere.example/x", "https://elsewhere.example/x", "@elsewhere.example", "\\\\elsewhere.example"]) {
    await send(page, path);
    await page.fill("#socket-path", path);
    await page.click("#open-socket");
    await page.waitForTimeout(300);
  }
  // `close` fails if another host was asked.
  const asked = seen.requests.filter(({ url }) => url.includes("elsewhere.example"));
  assert.ok(asked.length >= 8 && asked.every(({ url }) => url.startsWith(`${stack.worker}/`)), JSON.stringify(asked));
  await close();
});

test("a request is repeated while it is wanted", async () => {
  const { page, close } = await open();
  await getToken(page);
  await page.check("#keep-asking");
  await page.waitForFunction(() => document.querySelectorAll("#timeline .kind").length >= 5);
  await page.uncheck("#keep-asking");
  await page.waitForTimeout(300);
  const count = await page.locator("#timeline > li").count();
  await page.waitForTimeout(1500);
  assert.equal(await page.locator("#timeline > li").count(), count);
  await close();
});

test("a WebSocket echoes, and ends with its token when that is revoked", async () => {
  const { page, close } = await open();
  await getToken(page);
  for (const name of ["#1", "#2"]) {
    await page.click("#open-socket");
    await page.waitForSelector(`article[aria-label="Socket ${name}"]`);
  }
  const first = page.locator('article[aria-label="Socket #1"]');
  await first.locator("input").fill("hello, gate");
  await first.locator("input").press("Enter");
  await first.locator("li.in", { hasText: "hello, gate" }).waitFor();
  assert.match(await first.locator("li.in").first().innerText(), /"trusted":true/);
  await page.click("#revoke-token");
  await says(page, "#measured", /First request refused: [0-9.]+ m?s after the acknowledgement, 401 revoked_token/);
  await says(page, "#measured", /Sockets closed: 2 of 2/);
  for (const name of ["#1", "#2"]) await says(page, `article[aria-label="Socket ${name}"] .status`, "closed: 4401 token_revoked");
  const events = (await page.locator("#timeline > li").allInnerTexts()).join("\n");
  for (const words of ["#1 sent", "#1 received", "#1 closed: 4401 token_revoked", "#2 closed: 4401 token_revoked", "first request refused: 401 revoked_token"]) {
    assert.ok(events.includes(words), `${words}: ${events}`);
  }
  await says(page, "#revocations", "2 of 2");
  await shot(page, "sockets-revoked");
  await close();
});

test("a socket that is closed here says so, and renewal goes on with another token", async () => {
  const { page, close } = await open();
  await getToken(page);
  await page.click("#open-socket");
  const socket = page.locator('article[aria-label="Socket #1"]');
  await socket.waitFor();
  const later = await getToken(page);
  await socket.getByRole("button", { name: "Renew" }).click();
  await socket.locator("li.in", { hasText: "edgeward.renew" }).waitFor();
  assert.ok(!(await socket.innerText()).includes(later));
  await socket.getByRole("button", { name: "Close" }).click();
  await says(page, 'article[aria-label="Socket #1"] .status', "closed: 1000");
  await socket.getByRole("button", { name: "Dismiss" }).click();
  assert.equal(await page.isVisible("#no-sockets"), true);
  await close();
});

test("a refused WebSocket has a reason, which the browser does not tell", async () => {
  const { page, close } = await open();
  await page.click("#open-socket");
  await says(page, "#socket-why", "Socket #1 was refused. Without the upgrade, the gate says: 401 missing_token");
  await says(page, "#socket-why", "The gate says: GET /socket: would be refused: 401 missing_token (no_credentials)");
  const now = Math.floor(Date.now() / 1000);
  await page.fill("#token", await made({ iat: now - 900, exp: now - 300 }));
  await page.click("#open-socket");
  await says(page, "#socket-why", "401 expired_token (expired)");
  await page.fill("#token", "{not a word}");
  await page.click("#open-socket");
  await says(page, "#socket-why", "400 invalid_request (malformed_credentials)");
  const events = (await page.locator("#timeline > li").allInnerTexts()).join("\n");
  for (const words of ["#2 refused: 1006", "#2: the gate says 401 expired_token"]) assert.ok(events.includes(words), events);
  await shot(page, "socket-refused");
  await close();
});

test("who logs out everywhere can log in again, and who is revoked cannot, until that is undone", async () => {
  const { page, close } = await open();
  await getToken(page);
  await page.click("#open-socket");
  await page.waitForSelector("article.socket");
  await page.click("#revoke-older");
  await says(page, "#measured", /First request refused: .* 401 revoked_token/);
  await says(page, "#measured", "1 of 1");
  // The token of this very second was meant, too, so the next one must be of a later one.
  await page.waitForTimeout(2000);
  await getToken(page);
  assert.match(await send(page, "/hello"), /200 of the origin/);
  await page.click("#revoke-user");
  await says(page, "#measured", "Revoked: all of dev-client.");
  await says(page, "#measured", /First request refused: .* 401 revoked_token/);
  await getToken(page);
  assert.match(await send(page, "/hello"), /401 revoked_token/);
  await shot(page, "user-revoked");
  await page.getByRole("button", { name: "Undo the revocation of all of dev-client" }).click();
  await says(page, "#timeline", "undone: all of dev-client");
  const deadline = Date.now() + 10_000;
  let said;
  do said = await send(page, "/hello");
  while (!said.includes("200") && Date.now() < deadline);
  assert.match(said, /200 of the origin/);
  await close();
});

test("an outage of the auth service is seen: stale, then the breaker, then the recovery", async () => {
  const { page, close } = await open();
  await getToken(page, { issuer: "1" });
  await says(page, "#verdict", "cannot be told here");
  assert.match(await send(page, "/hello"), /200 of the origin/);
  await page.click("#ask-gate");
  await says(page, "#explanation", "would be permitted");
  await page.getByLabel("never answers").check();
  await says(page, "#timeline", "the auth service never answers");
  // The last answer counts for five seconds.
  await page.waitForTimeout(5500);
  await page.check("#keep-asking");
  await says(page, "#answer", "200 degraded: stale");
  await says(page, "#service-state", /Breaker\s+open/);
  await says(page, "#timeline", "the breaker is open");
  await shot(page, "outage");
  await page.getByLabel("answers as usual").check();
  await says(page, "#service-state", /Breaker\s+closed/);
  await says(page, "#answer", "200 of the origin");
  await page.uncheck("#keep-asking");
  const events = (await page.locator("#timeline > li").allInnerTexts()).join("\n");
  assert.ok(events.includes("the breaker is closed"), events);
  await shot(page, "outage-over");
  await close();
});

test("the charts have what the metrics say, in words too", async () => {
  const { page, close } = await open();
  await getToken(page);
  await page.click("#open-socket");
  await page.check("#keep-asking");
  const latest = (title) => `.chart:has(h3:text-is("${title}")) .latest`;
  await says(page, latest("Decisions per second"), /permitted (0\.[1-9]|[1-9])/);
  await says(page, latest("Waiting before a decision"), /p50 [0-9.]+ ms\s+p99 [0-9.]+ ms/);
  await says(page, latest("Tokens known before"), /[0-9]+ %/);
  await says(page, latest("Breakers of auth services"), /closed 1\s+open 0/);
  await says(page, latest("Age of the list of revocations"), /age [0-9.]+ s\s+bound 30 s/);
  await says(page, latest("Open WebSockets"), "supervised 1");
  await page.waitForTimeout(3000);
  const drawn = await page.locator("#charts canvas").evaluateAll((all) =>
    all.map((canvas) => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size > 2),
  );
  assert.deepEqual(drawn, Array(6).fill(true));
  await page.uncheck("#keep-asking");
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  const [above, below] = await Promise.all([".timeline", ".charts"].map((selector) => page.locator(selector).boundingBox()));
  assert.ok(above.y + above.height <= below.y, "the timeline does not lie over the charts");
  await part(page, ".charts", "charts");
  await close();
});

test("counters that start anew leave a gap in the charts and no nonsense", () => {
  const page = (hits, misses, fast, all) =>
    samples(
      `auth_cache_hits_total{tier="l1"} ${hits}\nauth_cache_misses_total{tier="l1"} ${misses}\n` +
        `wait_bucket{le="1"} ${fast}\nwait_bucket{le="2"} ${all}\nwait_bucket{le="+Inf"} ${all}\n`,
    );
  const hits = (before, after) => share(before, after, "auth_cache_hits_total", "auth_cache_misses_total", { tier: "l1" });
  const median = (before, after) => quantile(buckets(before, "wait"), buckets(after, "wait"), 0.5);
  const before = page(100, 100, 50, 100);
  assert.deepEqual([hits(before, page(103, 101, 52, 104)), median(before, page(103, 101, 52, 104))], [0.75, 1]);
  assert.deepEqual([hits(before, before), median(before, before)], [undefined, undefined]);
  // The sum of both still grows.
  assert.equal(hits(before, page(20, 200, 0, 0)), undefined);
  assert.equal(hits(before, page(300, 20, 0, 0)), undefined);
  assert.equal(median(before, page(0, 0, 10, 120)), undefined);
  assert.equal(hits([], page(3, 1, 0, 0)), 0.75);
});

test("the keyboard is enough", async () => {
  const { page, close } = await open();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  const reached = new Set();
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id));
  }
  for (const id of ["admin-token", "issuer", "get-token", "token", "method", "path", "send", "with-token", "open-socket", "events", "clear"]) {
    assert.ok(reached.has(id), `${id} of ${[...reached]}`);
  }
  await page.focus("#get-token");
  await page.keyboard.press("Enter");
  await says(page, "#verdict", "would be permitted");
  await page.focus("#path");
  await page.keyboard.press("Enter");
  await says(page, "#answer", "200 of the origin");
  await close();
});

for (const [name, options] of Object.entries({
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  "phone-light": { colorScheme: "light", width: 360, height: 740 },
  "phone-dark": { colorScheme: "dark", width: 360, height: 740, reducedMotion: "reduce" },
})) {
  test(`axe finds nothing, and nothing sticks out: ${name}`, async () => {
    const { page, close } = await open(options);
    await getToken(page);
    await page.click("#ask-gate");
    await says(page, "#explanation", "would be permitted");
    await send(page, "/hello");
    await page.click("#open-socket");
    await page.waitForSelector("article.socket");
    await send(page, "/admin");
    await page.click("#revoke-token");
    await says(page, "#measured", /401 revoked_token/);
    await page.fill("#token", `${encoded({ alg: "none" })}.${encoded({ sub: "x" })}.`);
    await says(page, "#verdict", "would be refused");
    await page.locator("details").evaluateAll((all) => all.forEach((details) => (details.open = true)));
    await says(page, `.chart:has(h3:text-is("Breakers of auth services")) .latest`, "closed 1");
    // Not by a script element, which the policy of the page forbids.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 120)} ${failureSummary}`).join("\n")}`);
    assert.deepEqual(found, []);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= (options.width ?? 1440), `${width} pixels wide`);
    await shot(page, name);
    await close();
  });
}
