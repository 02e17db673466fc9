// What wrangler makes of settings in TOML: those of the environment `production`, as JSON. `guide.rs` starts it,
// with the text as JSON in the only argument.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unstable_readConfig } from "wrangler";

const directory = mkdtempSync(join(tmpdir(), "edgeward-settings-"));
const config = join(directory, "wrangler.toml");
writeFileSync(config, `name = "edgeward"\ncompatibility_date = "2026-11-17"\n${JSON.parse(process.argv[2])}`);
const settings = unstable_readConfig({ config, env: "production" }, { hideWarnings: true });
rmSync(directory, { recursive: true });
console.log(JSON.stringify(settings));
