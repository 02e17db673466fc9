//! What abuse costs those who are welcome: `make abuse`. A hundred users of the built Worker in workerd ask as
//! fast as they get answers, beside a thousand connections that do the same with tokens that are no good, with
//! heads that never end, with headers that nobody needs. They must get at least nine tenths of what they get
//! beside a thousand connections with good tokens: abuse costs no more than use, unless it is of an algorithm
//! whose verification is dear. Then come millions of
//! requests of which none is like another, and memory must not grow.
//!
//! The variables that change it are in tools/abuse.sh.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a panic says what is wrong with a measurement, and who measures asks for the time"
)]

#[path = "support/connection.rs"]
mod connection;
#[path = "abuse/crowd.rs"]
mod crowd;
#[allow(dead_code, reason = "other measurements use the rest")]
#[path = "support/edgeward.rs"]
mod edgeward;
#[path = "abuse/kinds.rs"]
mod kinds;
#[path = "support/machine.rs"]
mod machine;
#[path = "abuse/memory.rs"]
mod memory;
#[allow(
    dead_code,
    clippy::needless_pass_by_value,
    reason = "the tests use more of it, in one line"
)]
#[path = "../tests/edge/harness/mint.rs"]
mod mint;
#[path = "support/origin.rs"]
mod origin;
#[path = "support/pinning.rs"]
mod pinning;
#[path = "abuse/publisher.rs"]
mod publisher;
#[path = "abuse/report.rs"]
mod report;
#[path = "support/variables.rs"]
mod variables;
#[path = "../tests/support/workerd.rs"]
mod workerd;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crowd::Others;
use kinds::{ASKED_ISSUER, Kind, PUBLISHING_ISSUER, Supply};
use origin::Origin;
use pinning::Cpus;
use publisher::Publisher;
use report::{Report, Row};
use variables::above_zero;
use workerd::{Files, Workerd, binary, origin_service, text_binding};

/// How long each kind of abuse lasts in each round, and how many rounds there are, unless it is said.
const SECONDS: u32 = 10;
const ROUNDS: u32 = 3;
/// An hour of a thousand requests a second.
const FLOOD: u32 = 3_600_000;
/// How often the keys of an issuer may be fetched for tokens whose key is not there.
pub const COOLDOWN: Duration = Duration::from_secs(30);
/// As with `make load`: see docs/performance.md, "Under load".
const V8_FLAGS: [&str; 1] = ["--max-semi-space-size=1"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let duration =
        Duration::from_secs(above_zero("EDGEWARD_ABUSE_SECONDS").unwrap_or(SECONDS).into());
    let rounds = above_zero("EDGEWARD_ABUSE_ROUNDS").unwrap_or(ROUNDS);
    let flood = above_zero("EDGEWARD_ABUSE_FLOOD").unwrap_or(FLOOD);
    let cpus = Cpus::take();
    let origin = Origin::start();
    let publisher = Publisher::start(mint::jwks(&[&mint::P384, &mint::P256])).await;
    let supply = Arc::new(Supply::new());

    let mut rows = Vec::new();
    let began = tokio::time::Instant::now();
    let workerd = start(&origin, &publisher, None, &cpus);
    let references = [Others::Send(Kind::REFERENCE), Others::Idle];
    let sending = Kind::ABUSE.map(Others::Send);
    let all = references.into_iter().chain([Others::Nobody, Others::Drip, Others::Huge]);
    for round in 0..rounds {
        for others in all.clone().chain(sending) {
            let outcome = crowd::gather(workerd.address, &supply, others, duration).await;
            eprintln!("round {}: {}: {:.0}/s", round + 1, report::name(others), outcome.users);
            rows.push(Row { round, others, outcome });
        }
    }
    let asked = (publisher.asked(), began.elapsed());
    drop(workerd);

    eprintln!("{flood} requests of which none is like another");
    let auth_service = Publisher::start(json!({ "active": false }).to_string()).await;
    let workerd = start(&origin, &publisher, Some(&auth_service), &cpus);
    let flood = memory::flood(&workerd, &supply, flood.into()).await;
    let asked_about = auth_service.asked();

    let report = Report { facts: machine::facts(&cpus), rows, asked, flood, asked_about };
    print!("{}", report.text());
    report.save();
    if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The gate in front of the origin, with two issuers: of one it has a key of each kind, the other publishes. With an
/// auth service, there is a third one, whose tokens nobody else can read.
fn start(
    origin: &Origin,
    publisher: &Publisher,
    auth_service: Option<&Publisher>,
    cpus: &Cpus,
) -> Workerd {
    let (services, binding) = origin_service(origin.address);
    let algorithms = mint::ALGORITHMS.map(str::to_owned);
    let mut settings = edgeward::settings("service:ORIGIN", &algorithms);
    let providers = settings["providers"].as_array_mut().expect("a list");
    providers.push(json!({
        "name": "publishing",
        "issuer": PUBLISHING_ISSUER,
        "audiences": [mint::AUDIENCE],
        "algorithms": ["ES256"],
        "token_types": ["at+jwt"],
        "jwks_uri": format!("http://{}/jwks", publisher.address),
        "jwks": { "cooldown_seconds": COOLDOWN.as_secs() },
    }));
    providers.extend(auth_service.map(|service| {
        json!({
            "name": "asked",
            "issuer": ASKED_ISSUER,
            "audiences": [mint::AUDIENCE],
            "algorithms": ["ES256"],
            "keys": ["JWT_KEYS"],
            "introspection": {
                "url": format!("http://{}/introspect", service.address),
                "client_id": "edge",
                "client_secret": "CLIENT_SECRET",
                "opaque_tokens": "accept",
            },
        })
    }));
    let keys: Vec<Value> = mint::all().iter().map(|key| key.jwk()).collect();
    let secret = text_binding("CLIENT_SECRET", "the secret of the benchmark");
    let bindings = edgeward::bindings_with(&settings, &keys) + &binding + &secret;
    let files = Files::built(&edgeward::build_directory(), &services, &bindings)
        .with_v8_flags(&V8_FLAGS.map(str::to_owned));
    Workerd::serve(files, cpus.for_workerd(&binary()))
}
