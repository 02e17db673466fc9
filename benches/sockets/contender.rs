//! The ways to the origin that are compared.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::edgeward_setup::{ADMIN_TOKEN, build_directory, provider};
use super::ends::Origin;
use super::mint;
use super::pinning::Cpus;
use super::workerd::{
    self, Extras, Files, Workerd, binary, json_binding, origin_service, root, text_binding,
};

/// Where sockets are not supervised.
const NATIVE: &str = "/native";

/// A way to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// Supervised by edgeward.
    Supervised,
    /// The same, and each socket hears of revocations.
    Leashed,
    /// The handshake by edgeward, the messages by the runtime.
    Handshake,
    /// A Worker in JavaScript that passes messages on without auth.
    Pump,
    /// The same, and each socket has one more to a Durable Object.
    LeashedPump,
    /// No Worker.
    Direct,
}

/// A contender that runs; it ends with this value.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process, if it is not the origin itself.
    pub workerd: Option<Workerd>,
    /// What the process reads.
    _directories: [TempDir; 2],
}

impl Contender {
    /// Those whose messages are measured. Revocations change nothing about them.
    pub const OF_MESSAGES: [Self; 4] =
        [Self::Direct, Self::Handshake, Self::Pump, Self::Supervised];
    /// Those whose memory is measured.
    pub const OF_MEMORY: [Self; 5] =
        [Self::Handshake, Self::Pump, Self::Supervised, Self::LeashedPump, Self::Leashed];

    /// Its name in the results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supervised => "edgeward",
            Self::Leashed => "edgeward with revocations",
            Self::Handshake => "edgeward, handshake only",
            Self::Pump => "pump",
            Self::LeashedPump => "pump with a third socket",
            Self::Direct => "direct",
        }
    }

    /// What its memory is compared with.
    pub const fn peer(self) -> Option<Self> {
        match self {
            Self::Supervised | Self::Handshake => Some(Self::Pump),
            Self::Leashed => Some(Self::LeashedPump),
            Self::Pump | Self::LeashedPump | Self::Direct => None,
        }
    }

    /// Whether it is edgeward.
    pub const fn is_edgeward(self) -> bool {
        matches!(self, Self::Supervised | Self::Leashed | Self::Handshake)
    }

    /// The target of its handshakes.
    pub const fn path(self) -> &'static str {
        if matches!(self, Self::Handshake) { NATIVE } else { "/supervised" }
    }

    /// Starts it, with these flags for V8 and a way to have garbage collected (`collect.mjs`) if there
    /// are any.
    pub fn start(self, origin: &Origin, cpus: &Cpus, v8_flags: &[&str]) -> Running {
        let [disk, modules] = [(); 2].map(|()| TempDir::new().expect("a temporary directory"));
        if self == Self::Direct {
            let address = origin.address;
            return Running { address, workerd: None, _directories: [disk, modules] };
        }
        let mut files = self.modules(modules.path());
        if !v8_flags.is_empty() {
            files.insert(0, root().join("benches/sockets/collect.mjs"));
        }
        let (mut services, mut bindings) = origin_service(origin.address);
        let mut extras = Extras::default();
        if self.is_edgeward() {
            bindings.push_str(&self.bindings());
        }
        if matches!(self, Self::Leashed | Self::LeashedPump) {
            let objects = workerd::objects_service(disk.path());
            services.push_str(&objects.0);
            bindings.push_str(&objects.1);
            extras.first = workerd::objects_members();
        }
        let flags: Vec<_> = v8_flags.iter().map(|&flag| flag.to_owned()).collect();
        let files = Files::with(&files, &services, &bindings, &extras).with_v8_flags(&flags);
        let workerd = Workerd::serve(files, cpus.for_workerd(&binary()));
        let address = workerd.address;
        Running { address, workerd: Some(workerd), _directories: [disk, modules] }
    }

    /// Its modules, the main one of which is called `index.js` in all of them.
    fn modules(self, directory: &Path) -> Vec<PathBuf> {
        if self.is_edgeward() {
            return ["index.js", "index_bg.wasm"].map(|it| build_directory().join(it)).to_vec();
        }
        let module = directory.join("index.js");
        fs::copy(root().join("target/bench/peers/pump.js"), &module)
            .expect("tools/build-peers.sh has built it");
        vec![module]
    }

    fn bindings(self) -> String {
        let mut settings = json!({
            "origin": "service:ORIGIN",
            "providers": [provider(&["ES256"])],
            "rules": [
                { "path": "/", "access": "required" },
                { "path": NATIVE, "access": "required", "websocket": "handshake" },
            ],
        });
        if self == Self::Leashed {
            settings["revocation"] = json!({});
        }
        [
            json_binding("AUTH", &settings),
            text_binding("JWT_KEYS", &mint::jwks(&[&mint::P256])),
            text_binding("ADMIN_TOKEN", ADMIN_TOKEN),
        ]
        .concat()
    }
}
