//! The Workers that are compared, each in a workerd of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use super::edgeward;
use super::mint;
use super::pinning::Cpus;
use super::tokens::Tokens;
use super::workerd::{Files, Workerd, binary, json_binding, origin_service, root, text_binding};

/// The origin as a service binding.
const SERVICE: &str = "service:ORIGIN";

/// A Worker that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// Answers without an origin.
    Empty,
    /// Hands requests on.
    Forward,
    /// Hands requests on with two edits of headers: the limit for every gate.
    Edits,
    /// The same, with an origin that has a URL.
    EditsByUrl,
    /// Hands requests on with all the edits that edgeward makes, none of which it has to find out.
    EightEdits,
    /// Refuses everything.
    Refuse,
    Edgeward,
    /// Without the signed assertion, of which the peers have nothing like it.
    EdgewardUnsigned,
    EdgewardByUrl,
    /// With the Durable Objects, so that it asks for revocations, and counts for `/metrics`.
    EdgewardWithObjects,
    /// edgeward as it was, see [`edgeward::before_directory`].
    Before,
    BeforeWithObjects,
    Jose,
    Hono,
}

/// What all contenders are given.
pub struct Surroundings<'a> {
    pub origin: SocketAddr,
    pub alg: &'a str,
    /// The issuer's keys; the first is the one of `alg`.
    pub keys: &'a [Value],
    /// The first key, if it is a text.
    pub secret: Option<String>,
    pub cpus: &'a Cpus,
}

impl<'a> Surroundings<'a> {
    /// Those for the tokens of one algorithm.
    pub fn new(origin: SocketAddr, tokens: &'a Tokens, cpus: &'a Cpus) -> Self {
        let keys = std::slice::from_ref(&tokens.jwk);
        Self { origin, alg: &tokens.alg, keys, secret: tokens.secret(), cpus }
    }
}

impl Contender {
    /// Its name in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Forward => "forward",
            Self::Edits => "edits",
            Self::EditsByUrl => "edits by URL",
            Self::EightEdits => "eight edits",
            Self::Refuse => "refuse",
            Self::EdgewardUnsigned => "edgeward without assertion",
            Self::Edgeward => "edgeward",
            Self::EdgewardByUrl => "edgeward by URL",
            Self::EdgewardWithObjects => "edgeward with objects",
            Self::Before => "before",
            Self::BeforeWithObjects => "before with objects",
            Self::Jose => "jose",
            Self::Hono => "hono",
        }
    }

    /// Whether it refuses anything.
    pub fn is_gate(self) -> bool {
        self.is_edgeward() || matches!(self, Self::Jose | Self::Hono)
    }

    fn is_edgeward(self) -> bool {
        use Contender::{
            Before, BeforeWithObjects, Edgeward, EdgewardByUrl, EdgewardUnsigned,
            EdgewardWithObjects,
        };
        let now = [Edgeward, EdgewardUnsigned, EdgewardByUrl, EdgewardWithObjects];
        now.contains(&self) || [Before, BeforeWithObjects].contains(&self)
    }

    /// The same with the build of before, if that is measured, too.
    pub fn before(self) -> Option<Self> {
        edgeward::before_directory()?;
        match self {
            Self::Edgeward => Some(Self::Before),
            Self::EdgewardWithObjects => Some(Self::BeforeWithObjects),
            _ => None,
        }
    }

    /// Its modules and its configuration, written.
    pub fn files(self, surroundings: &Surroundings) -> Files {
        let (services, origin) = origin_service(surroundings.origin);
        let (algorithms, keys) = (algorithms(surroundings), surroundings.keys);
        let bindings = match self {
            Self::Edgeward | Self::EdgewardWithObjects | Self::Before | Self::BeforeWithObjects => {
                edgeward::bindings(SERVICE, &algorithms, keys)
            }
            Self::EdgewardUnsigned => {
                edgeward::bindings_without_assertion(SERVICE, &algorithms, keys)
            }
            Self::EdgewardByUrl => {
                edgeward::bindings(&surroundings.origin_url(), &algorithms, keys)
            }
            _ => peer_bindings(surroundings),
        };
        let bindings = bindings + &origin;
        if let Some(script) = self.script() {
            return Files::new(&[script], &services, &bindings);
        }
        let build = match self {
            Self::Before | Self::BeforeWithObjects => {
                edgeward::before_directory().expect("it is measured")
            }
            _ => edgeward::build_directory(),
        };
        if matches!(self, Self::EdgewardWithObjects | Self::BeforeWithObjects) {
            Files::built_with_objects(&build, &services, &bindings)
        } else {
            Files::built(&build, &services, &bindings)
        }
    }

    /// Starts it.
    pub fn start(self, surroundings: &Surroundings) -> Workerd {
        Workerd::serve(self.files(surroundings), surroundings.cpus.for_workerd(&binary()))
    }

    /// The only module of those that are written in JavaScript.
    fn script(self) -> Option<PathBuf> {
        let name = match self {
            edgeward if edgeward.is_edgeward() => return None,
            Self::EditsByUrl => "edits-url",
            Self::EightEdits => "eight-edits",
            other => other.name(),
        };
        Some(root().join("target/bench/peers").join(name).with_extension("js"))
    }
}

impl Surroundings<'_> {
    fn origin_url(&self) -> String {
        format!("http://{}", self.origin)
    }
}

fn peer_bindings(surroundings: &Surroundings) -> String {
    [
        text_binding("ALG", surroundings.alg),
        text_binding("ISSUER", mint::ISSUER),
        text_binding("AUDIENCE", mint::AUDIENCE),
        text_binding("ORIGIN_URL", &surroundings.origin_url()),
        text_binding("SECRET", surroundings.secret.as_deref().unwrap_or_default()),
        json_binding("KEY", &surroundings.keys[0]),
    ]
    .concat()
}

/// Those that the keys are for.
fn algorithms(surroundings: &Surroundings) -> Vec<String> {
    let mut algorithms = vec![surroundings.alg.to_owned()];
    for key in &surroundings.keys[1..] {
        let alg = if key["kty"] == "RSA" { "RS256" } else { "EdDSA" };
        algorithms.push(alg.to_owned());
    }
    algorithms
}
