//! The services that stand in for others do what other tests rely on.

mod faults;
mod issuer;
mod kv;
mod prometheus;

use std::{fs, net::SocketAddr, process::Command};

use tempfile::TempDir;

use super::{
    harness::*,
    workerd::{self, Files, Workerd},
};

/// A Worker that does what it is told: `call` a function of a binding, say what a `binding` is, or
/// `fetch` a URL. It answers with `value` or `error`.
const OBEDIENT: &str = r#"
const plain = (value) => value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value ?? null;
export default {
  async fetch(request, env) {
    const { binding, call, args = [], fetch: url, patience = 20000 } = await request.json();
    try {
      if (url === undefined) {
        const value = call ? await env[binding][call](...args) : env[binding];
        return Response.json({ value: plain(value) });
      }
      const signal = AbortSignal.timeout(patience);
      const response = await fetch(url, { redirect: "manual", signal });
      return Response.json({ value: [response.status, (await response.text()).trim()] });
    } catch (error) {
      return Response.json({ error: String(error) });
    }
  },
};
"#;

/// A workerd with [`OBEDIENT`] and the bindings of a gate.
struct Obedient(Workerd);

impl Obedient {
    async fn start(setup: &Setup) -> Self {
        let (services, bindings) = setup.capnp();
        let start = move || {
            let directory = TempDir::new().unwrap();
            let module = directory.path().join("index.js");
            fs::write(&module, OBEDIENT).unwrap();
            let files = Files::new(&[module], &services, &bindings);
            Workerd::serve(files, Command::new(workerd::binary()))
        };
        Self(tokio::task::spawn_blocking(start).await.unwrap())
    }

    /// What comes of it: `value` or `error`.
    async fn told(&self, what: Value) -> Value {
        let request = request("POST", "/").body(&what.to_string());
        raw(self.0.address, &request.bytes()).await.json()
    }
}

/// Asks a server that is no gate.
async fn ask(addr: SocketAddr, target: &str) -> Reply {
    raw(addr, &get(target).bytes()).await
}

#[tokio::test]
async fn variables_of_plain_text_can_be_set() {
    let origin = Origin::start().await;
    let variable = || json!({ "binding": "ALLOW_DEGRADED_AUTH" });
    let usual = Obedient::start(&Setup::new(&origin)).await;
    assert_eq!(usual.told(variable()).await, json!({ "value": "false" }));

    let other = Setup::new(&origin).var("ALLOW_DEGRADED_AUTH", "true").var("COLOUR", "green");
    let other = Obedient::start(&other).await;
    assert_eq!(other.told(variable()).await, json!({ "value": "true" }));
    assert_eq!(other.told(json!({ "binding": "COLOUR" })).await, json!({ "value": "green" }));
}
