//! The gates in JavaScript of the guide, run in Node.js as they stand there.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::gate::NOW;

/// The Worker's surroundings: a clock that stands still, an issuer that publishes its keys, an origin that
/// answers 200, and requests whose statuses are what is printed.
const SURROUNDINGS: &str = r"
{
  const { now, keys, requests } = GIVEN
  globalThis.Date = class extends Date {
    constructor(...given) { given.length ? super(...given) : super(now * 1000) }
    static now() { return now * 1000 }
  }
  globalThis.fetch = async (request) => {
    const url = new URL(request.url ?? request)
    if (url.href === 'https://issuer.example/jwks.json') return Response.json(keys)
    if (url.host === 'origin.app.example') return new Response('the origin')
    throw new Error(`nobody is at ${url}`)
  }
  const statuses = []
  for (const { method, path, headers } of requests) {
    const request = new Request(`https://app.example${path}`, { method, headers })
    statuses.push((await worker.fetch(request, {}, {})).status)
  }
  console.log(JSON.stringify(statuses))
}
";

/// What a request is, for JavaScript.
pub fn request(method: &str, path: &str, headers: &[(String, String)]) -> Value {
    json!({ "method": method, "path": path, "headers": headers })
}

/// The statuses with which a Worker answers these requests.
pub fn statuses(worker: &str, keys: &Value, requests: &[Value]) -> Vec<u64> {
    let given = json!({ "now": NOW, "keys": keys, "requests": requests });
    // As a module of its own it would have to be a file inside of the repository.
    let worker = worker.replace("export default ", "const worker = ");
    let program = format!("{worker}\n{}", SURROUNDINGS.replace("GIVEN", &given.to_string()));
    let root = env!("CARGO_MANIFEST_DIR");
    let mut node = Command::new(format!("{root}/node_modules/.bin/node"))
        .args(["--input-type=module", "-"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node_modules/.bin/node starts; `npm ci` installs it");
    node.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}
