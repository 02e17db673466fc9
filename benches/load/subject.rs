//! The Worker under load: edgeward or, to know which part of what is measured is workerd's own, one
//! without authentication.

use serde_json::Value;

use super::edgeward;
use super::origin::Origin;
use super::pinning::Cpus;
use super::traffic::{ALGORITHM, Mix};
use super::workerd::{Files, Workerd, binary, origin_service, root};

/// A Worker.
pub enum Subject {
    Edgeward,
    /// One of those in benches/peers that let everything through.
    Peer(String),
}

/// The room that V8 gives to new objects, in MiB; 0 is as much as it likes, which becomes 16.
///
/// When that room is full, workerd destroys at once what all requests since the last time have left
/// behind, headers above all. With 16 MiB that takes a tenth of a second, with or without a gate.
#[derive(Clone, Copy)]
pub struct Young(pub u32);

impl Young {
    fn flags(self) -> Vec<String> {
        match self.0 {
            0 => Vec::new(),
            size => vec![format!("--max-semi-space-size={size}")],
        }
    }
}

impl std::fmt::Display for Young {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => f.write_str("New objects get as much room as V8 likes"),
            size => write!(f, "New objects get {size} MiB"),
        }
    }
}

impl Subject {
    /// The one that `EDGEWARD_LOAD_WORKER` names.
    pub fn of_environment() -> Self {
        match std::env::var("EDGEWARD_LOAD_WORKER") {
            Ok(name) if !name.is_empty() && name != "edgeward" => Self::Peer(name),
            _ => Self::Edgeward,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Edgeward => "edgeward",
            Self::Peer(name) => name,
        }
    }

    /// What can be sent to it.
    pub fn mix(&self) -> Mix {
        match self {
            Self::Edgeward => Mix::All,
            Self::Peer(_) => Mix::Valid,
        }
    }

    /// Starts it in front of the origin, for tokens that this key verifies.
    pub fn start(&self, origin: &Origin, key: Value, young: Young, cpus: &Cpus) -> Workerd {
        let (services, binding) = origin_service(origin.address);
        let files = match self {
            Self::Edgeward => {
                let algorithms = [ALGORITHM.to_owned()];
                let bindings = edgeward::bindings("service:ORIGIN", &algorithms, &[key]) + &binding;
                Files::built(&edgeward::build_directory(), &services, &bindings)
            }
            Self::Peer(name) => {
                let module = root().join("target/bench/peers").join(name).with_extension("js");
                Files::new(&[module], &services, &binding)
            }
        };
        let files = files.with_v8_flags(&young.flags());
        Workerd::serve(files, cpus.for_workerd(&binary()))
    }
}
