//! What docs/playbooks.md tells whoever was woken to type, typed at a gate to which all of it happens at once.

use std::{process::Command, time::Duration};

use futures_util::future::join_all;

use super::harness::{
    gate::ADMIN_TOKEN,
    guide::{block, blocks},
    mint::{P256, claims_with},
    prometheus::Prometheus,
    *,
};

const GUIDE: &str = "docs/playbooks.md";
const METRICS: &str = "/_edgeward/metrics";

/// Issuers whose auth service answers late, does not answer, or refuses us.
const ASKED_ABOUT: [&str; 3] = ["slow", "silent", "refusing"];

fn token(issuer: &str, number: usize) -> String {
    let claims = json!({ "iss": format!("https://{issuer}.example"), "jti": format!("{number}") });
    P256.token("ES256", &claims_with(claims))
}

fn provider(number: usize, setup: Setup, service: &Faults) -> Setup {
    let name = ASKED_ABOUT[number];
    setup.set(
        &format!("providers.{}", number + 1),
        json!({
            "name": name,
            "issuer": format!("https://{name}.example"),
            "audiences": [mint::AUDIENCE],
            "algorithms": ["ES256"],
            "keys": ["JWT_KEYS"],
            "introspection": {
                "url": format!("http://{}{INTROSPECT}", service.addr),
                "client_id": "edge",
                "client_secret": "CLIENT_SECRET",
                "on_outage": "signature",
                "degrade_after_ms": 1000,
            },
        }),
    )
}

/// Runs a line in bash, with what the guide has there defined first, but for the prompt.
async fn typed(line: &str, gate: &Gate, prometheus: &Prometheus) -> (bool, String) {
    let first = block(GUIDE, "bash", "gate()");
    let functions = first.split_once("read -rs ADMIN_TOKEN\n").unwrap().1;
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("set -o pipefail\n{functions}\n{line}")])
        .env("GATE", gate.url(""))
        .env("PROM", format!("http://{}", prometheus.addr))
        .env("ADMIN_TOKEN", ADMIN_TOKEN);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn every_command_of_the_playbooks_says_something() {
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/broken" => Answer::Raw(Vec::new()),
        _ => Answer::ok(),
    })
    .await;
    let (relays, kv) = (Relays::start().await, Kv::start().await);
    let issuer = Faults::answering(|_| Reply::new(200, mint::jwks(&[&P256]))).await;
    let mut services = Vec::new();
    for mode in [Mode::Slow(Duration::from_millis(300)), Mode::Refused, Mode::status(401)] {
        let service = says(json!({ "active": true })).await;
        service.set(mode).await;
        services.push(service);
    }
    let mut setup = Setup::new(&origin)
        .assertion(60)
        .relays(&relays)
        .kv(&kv)
        .var("ALLOW_DEGRADED_AUTH", "true")
        .secret("CLIENT_SECRET", "secret")
        .set("providers.0.algorithms", json!(["ES256"]))
        .set("providers.0.jwks_uri", format!("http://{}/jwks", issuer.addr))
        .set("providers.0.jwks.refresh_seconds", 10)
        .set("providers.0.jwks.cooldown_seconds", 1)
        .unset("providers.0.keys")
        .rule(json!({ "path": "/new", "enforce": "shadow", "scopes_all": ["nobody-has-it"] }));
    for (number, service) in services.iter().enumerate() {
        setup = provider(number, setup, service);
    }
    let gate = Gate::start(setup).await;
    let started = Prometheus::start(gate.addr, METRICS, ADMIN_TOKEN, 1).await;
    let Some(prometheus) = started else { return };
    let asked = async || !prometheus.query("up{job=\"edgeward\"} == 1").await.is_empty();
    eventually("it has asked", asked).await;

    let known = mint::token();
    get("/").bearer(&known).send(&gate).await.must_pass();
    issuer.set(Mode::status(500)).await;
    kv.faults.set(Mode::Hang).await;
    let unknown = P256.token_with_header(&json!({ "alg": "ES256", "kid": "x" }), &mint::claims());
    for round in 0..15 {
        let tokens = ASKED_ABOUT.map(|name| ("/", token(name, round)));
        let others = [("/", known.clone()), ("/broken", known.clone()), ("/", unknown.clone())];
        let requests = tokens.into_iter().chain(others).chain([("/new", known.clone())]);
        join_all(requests.map(|(target, token)| {
            let gate = &gate;
            async move { get(target).bearer(&token).send(gate).await }
        }))
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;

    let mut commands = 0;
    for playbook in blocks(GUIDE, "sh") {
        for line in playbook.lines().filter(|line| !line.starts_with("npx wrangler ")) {
            commands += 1;
            let (worked, said) = typed(line, &gate, &prometheus).await;
            println!("$ {line}\n{said}");
            assert!(worked && !said.trim().is_empty(), "{line}\n{said}");
            assert!(
                !said.contains("unauthorized") && !said.contains("not_found"),
                "{line}\n{said}"
            );
        }
    }
    assert!(commands >= 2 * 18, "{commands}");
}
