// The bills of materials (tools/sbom.mjs) against what the compiler was given and what is in build/. They are
// written anew; the compiler's part is that of the last `make build`.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";

const NAMES = ["worker", "page", "cli"];
const WASM = "/wasm32-unknown-unknown/release/";

const out = mkdtempSync(`${tmpdir()}/edgeward-sbom-`);
after(() => rmSync(out, { recursive: true }));
const texts = write();
const bills = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, JSON.parse(text)]));

function write() {
  execFileSync(process.execPath, ["tools/sbom.mjs", "--out", out]);
  return Object.fromEntries(NAMES.map((name) => [name, readFileSync(`${out}/${name}.cdx.json`, "utf8")]));
}

// What a build says about itself: crates whose library it made where `isShipped` says, and all of them.
function compiled(messages, isShipped) {
  const made = messages
    .split("\n")
    .filter((line) => line.includes('"compiler-artifact"'))
    .map((line) => JSON.parse(line));
  const names = (some) => [...new Set(some.map((one) => crate(one.package_id)))].sort();
  return { all: names(made), shipped: names(made.filter((one) => isShipped(one))) };
}

// In the identifier of a package, the folder may stand for its name.
function crate(id) {
  const [, folder, name = folder, version] = id.match(/([^/]+)#(?:(.+)@)?(.+)$/);
  return `${name}@${version}`;
}

// The crates of a bill, named in the same way.
function crates(bill, isMeant) {
  const found = [bill.metadata.component, ...bill.components].filter(({ purl }) => purl.startsWith("pkg:cargo/"));
  return found.filter(isMeant).map(({ name, version }) => `${name.replace(/^edgeward-.*/, "edgeward")}@${version}`).sort();
}

function isShipped({ scope }) {
  return scope !== "excluded";
}

for (const [name, build] of [
  ["worker", "worker-edge"],
  ["page", "page"],
]) {
  test(`the bill of the ${name} names the crates that were compiled for it and no others`, () => {
    const { all, shipped } = compiled(readFileSync(`target/${build}.json`, "utf8"), ({ filenames }) =>
      filenames.some((file) => file.includes(WASM)),
    );
    assert.ok(shipped.length > 20);
    assert.deepEqual(crates(bills[name], isShipped), shipped);
    assert.deepEqual(crates(bills[name], () => true), all);
  });
}

test("the bill of the tool names the crates that were compiled for it and no others", () => {
  const messages = execFileSync("cargo", ["build", "--locked", "--bin", "edgeward", "--message-format", "json"], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const { all } = compiled(messages, () => true);
  assert.ok(all.length > 50);
  assert.deepEqual(crates(bills.cli, () => true), all);
});

test("of npm nothing is in the Worker, and uPlot alone in the page", () => {
  const npm = ({ components }) => components.filter(({ purl }) => purl.startsWith("pkg:npm/")).map(({ name }) => name);
  assert.deepEqual(npm(bills.worker), []);
  assert.deepEqual(npm(bills.page), ["uplot"]);
  assert.deepEqual(npm(bills.cli), []);
});

test("the bills have the hashes of every file of the build", () => {
  const files = ["index.js", "index_bg.wasm", ...readdirSync("build/www").map((file) => `www/${file}`)].sort();
  const told = [...bills.worker.metadata.component.components, ...bills.page.metadata.component.components];
  assert.deepEqual(
    told.map(({ name, hashes }) => [name, hashes[0].content]).sort(),
    files.map((file) => [file, createHash("sha256").update(readFileSync(`build/${file}`)).digest("hex")]),
  );
});

test("everything has a licence, and what comes from a registry has its hash", () => {
  for (const { components } of Object.values(bills)) {
    for (const { name, licenses, hashes } of components) {
      assert.ok(licenses[0].expression, name);
      assert.ok(name === "rust-std" || hashes[0].content.length >= 64, name);
    }
  }
});

test("every reference leads to something", () => {
  for (const { metadata, components, dependencies } of Object.values(bills)) {
    const known = [metadata.component, ...components].map((one) => one["bom-ref"]);
    assert.equal(new Set(known).size, known.length);
    for (const { ref, dependsOn } of dependencies) {
      for (const one of [ref, ...dependsOn]) assert.ok(known.includes(one), one);
    }
  }
});

test("they are the same each time, and do not say where", () => {
  assert.deepEqual(write(), texts);
  for (const text of Object.values(texts)) assert.ok(!text.includes(process.cwd()));
});
