// Writes the bills of materials of what is shipped, in CycloneDX: of the Worker, of its test page, and of the command
// line tool. The same commit gives the same files, on whatever day; so they have neither a date nor a serial number.
// usage: node tools/sbom.mjs      after `make build`; `make sbom` does both
//
// What `cargo metadata` says about features includes those that only the tests ask for, and with them crates that
// nobody gets. `cargo tree` says what is built.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const WASM = ["--target", "wasm32-unknown-unknown"];
const PRODUCTS = [
  {
    name: "worker",
    description: "edgeward, the Worker",
    cargo: ["--features", "edge", ...WASM],
    bundles: ["target/worker-edge.bundle.json"],
    files: ["index.js", "index_bg.wasm"],
  },
  {
    name: "page",
    description: "edgeward, its test page",
    cargo: ["--features", "page", ...WASM],
    bundles: ["target/page.bundle.json", "target/page.styles.json"],
    files: readdirSync("build/www").map((file) => `www/${file}`),
  },
  { name: "cli", description: "edgeward, the command line tool", cargo: [], bundles: [], files: [] },
];

const { values } = parseArgs({ options: { out: { type: "string", default: "build" } } });
const rust = Object.fromEntries(
  run("rustc", ["--version", "--verbose"]).split("\n").map((line) => line.split(": ")),
);
const packages = new Map(
  JSON.parse(run("cargo", ["metadata", "--locked", "--all-features", "--format-version", "1"])).packages.map((one) => [
    `${one.name} ${one.version}`,
    one,
  ]),
);
const checksums = new Map(
  [...readFileSync("Cargo.lock", "utf8").matchAll(/^name = "(.*)"\nversion = "(.*)"\nsource = .*\nchecksum = "(.*)"$/gm)].map(
    ([, name, version, checksum]) => [`${name} ${version}`, checksum],
  ),
);
const lock = JSON.parse(readFileSync("package-lock.json", "utf8")).packages;

for (const product of PRODUCTS) {
  const file = `${values.out}/${product.name}.cdx.json`;
  writeFileSync(file, `${JSON.stringify(bill(product), null, 2)}\n`);
  console.log(file);
}

function bill({ name, description, cargo, bundles, files }) {
  const shipped = crates(cargo, "normal,no-proc-macro");
  const all = crates(cargo, "normal,build");
  const root = [...shipped.keys()].find((crate) => crate.startsWith("edgeward "));
  const npm = npmPackages(bundles);
  const edges = [...all].map(([crate, needs]) => ({ ref: ref(crate), dependsOn: [...needs].map(ref).sort() }));
  edges.find((edge) => edge.ref === ref(root)).dependsOn.push(...[standardLibrary(), ...npm].map((one) => one["bom-ref"]));
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        ...component(root),
        type: "application",
        name: `edgeward-${name}`,
        description,
        components: files.sort().map(shippedFile),
      },
    },
    components: [
      standardLibrary(),
      ...npm,
      ...[...all.keys()]
        .filter((crate) => crate !== root)
        .sort()
        .map((crate) => ({ ...component(crate), scope: shipped.has(crate) ? "required" : "excluded" })),
    ],
    dependencies: edges.sort((one, other) => (one.ref < other.ref ? -1 : 1)),
  };
}

// Crates with what each needs, as they are built.
function crates(cargo, edges) {
  const found = new Map();
  const above = [];
  const tree = run("cargo", ["tree", "--locked", "--edges", edges, "--prefix", "depth", "--format", " {p}", ...cargo]);
  for (const [, depth, name, version] of tree.matchAll(/^(\d+) (\S+) v(\S+)/gm)) {
    const crate = `${name} ${version}`;
    if (!found.has(crate)) found.set(crate, new Set());
    above[depth] = crate;
    if (depth > 0) found.get(above[depth - 1]).add(crate);
  }
  return found;
}

function component(crate) {
  const { name, version, license, description, repository } = packages.get(crate);
  const checksum = checksums.get(crate);
  return {
    type: "library",
    "bom-ref": ref(crate),
    name,
    version,
    description: description?.trim().replace(/\s+/g, " "),
    hashes: checksum && [{ alg: "SHA-256", content: checksum }],
    // With the slash, which older crates have, it would be no expression of SPDX.
    licenses: [{ expression: license.replaceAll("/", " OR ") }],
    purl: ref(crate),
    externalReferences: repository ? [{ type: "vcs", url: repository }] : undefined,
  };
}

function ref(crate) {
  const [name, version] = crate.split(" ");
  return `pkg:cargo/${name}@${version.replace("+", "%2B")}`;
}

// It is linked into everything, and Cargo does not count it.
function standardLibrary() {
  const purl = `pkg:github/rust-lang/rust@${rust.release}`;
  return {
    type: "library",
    "bom-ref": purl,
    name: "rust-std",
    version: rust.release,
    description: "The standard library of Rust",
    scope: "required",
    licenses: [{ expression: "MIT OR Apache-2.0" }],
    purl,
  };
}

// What the bundler has put into the files.
function npmPackages(bundles) {
  const inputs = bundles.flatMap((bundle) => Object.keys(JSON.parse(readFileSync(bundle, "utf8")).inputs));
  const paths = inputs.flatMap((input) => input.match(/node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+/) ?? []);
  return [...new Set(paths)].sort().map((path) => {
    const { version, license, integrity } = lock[path];
    const name = path.replace(/^.*node_modules\//, "");
    const [algorithm, hash] = integrity.split("-");
    const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
    return {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      scope: "required",
      hashes: [{ alg: algorithm.replace("sha", "SHA-"), content: Buffer.from(hash, "base64").toString("hex") }],
      licenses: [{ expression: license }],
      purl,
    };
  });
}

function shippedFile(name) {
  const content = createHash("sha256").update(readFileSync(`build/${name}`)).digest("hex");
  return { type: "file", name, hashes: [{ alg: "SHA-256", content }] };
}

function run(program, options) {
  return execFileSync(program, options, { encoding: "utf8", maxBuffer: 1 << 28 });
}
