// Chromium with two pages of different origins, which `browser.rs` starts. Each line that it writes to this is
// a call of the script of one of them, and gets what comes of it.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { launch } from "../../support/chromium.mjs";

const { executablePath } = JSON.parse(process.argv[2]);
const html = `<!doctype html><script>${readFileSync(new URL("page.js", import.meta.url), "utf8")}</script>`;
const browser = await launch(executablePath);
const context = await browser.newContext();
const pages = {};
for (const name of ["app", "other"]) {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8").end(html);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}`);
  pages[name] = page;
}
say({ origin: new URL(pages.app.url()).origin });

createInterface({ input: process.stdin })
  .on("line", async (line) => say((await answer(JSON.parse(line))) ?? null))
  // Whoever started this is gone, however that came.
  .on("close", async () => {
    await browser.close();
    process.exit(0);
  });

function answer({ page, call, given, cookie }) {
  if (cookie) return context.addCookies([cookie]);
  return pages[page].evaluate(([call, given]) => globalThis.calls[call](...given), [call, given]);
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
