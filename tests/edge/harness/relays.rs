//! The Durable Objects of a gate: their disk, which outlives workerd, and what can go wrong with them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::{Asked, Faults, Gate, Reply, client, get};
use crate::workerd;

/// Where hub and relays keep what they know, and the faults that they have. Several gates, one after
/// the other, can have the same.
pub struct Relays {
    disk: TempDir,
    faults: Faults,
    script: Arc<Mutex<Script>>,
}

/// What becomes of the next calls: the first that fits.
type Script = Vec<(String, Fault)>;

/// What can happen to a call of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The object is not reached.
    Down,
    /// No answer comes.
    Hang,
    /// It answers what makes no sense.
    Garbage,
    /// It does what it is asked, and its answer is lost.
    AnswerLost,
    /// It does what it is asked, and its answer comes so late.
    Slow(Duration),
}

impl Fault {
    fn name(self) -> String {
        match self {
            Self::Down => "down".to_owned(),
            Self::Hang => "hang".to_owned(),
            Self::Garbage => "garbage".to_owned(),
            Self::AnswerLost => "lost".to_owned(),
            Self::Slow(delay) => format!("slow {}", delay.as_millis()),
        }
    }
}

impl Relays {
    /// With an empty disk.
    pub async fn start() -> Self {
        let script: Arc<Mutex<Script>> = Arc::default();
        let played = Arc::clone(&script);
        let faults = Faults::answering(move |asked: &Asked| {
            let script = played.lock().unwrap();
            let fault = script.iter().find(|(path, _)| asked.path().starts_with(path.as_str()));
            Reply::new(200, fault.map_or_else(String::new, |(_, fault)| fault.name()))
        })
        .await;
        Self { disk: TempDir::new().unwrap(), faults, script }
    }

    /// Lets all calls fail whose path begins like this, such as `/hub/`, `/relay/pull` or
    /// `/relay/push/weur-0`, until it is mended.
    pub fn fail(&self, path: &str, fault: Fault) {
        self.script.lock().unwrap().push((path.to_owned(), fault));
    }

    /// Such calls work again, but for what else fails.
    pub fn heal(&self, path: &str, fault: Fault) {
        let mut script = self.script.lock().unwrap();
        if let Some(at) = script.iter().position(|(known, one)| known == path && *one == fault) {
            script.remove(at);
        }
    }

    /// Everything works.
    pub fn mend(&self) {
        self.script.lock().unwrap().clear();
    }

    /// How many leashes a relay of this gate holds.
    pub async fn leashes(&self, gate: &Gate, name: &str) -> usize {
        let question = get(&format!("/relays-of-the-test/count/{name}")).bytes();
        loop {
            // One that is being killed cannot say, and a runtime with thousands of sockets to look after may
            // break a connection off.
            match client::try_raw(gate.addr, &question).await {
                Ok(reply) if reply.status == 200 => return reply.text().parse().unwrap(),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// How many rows a relay of this gate, or what is called `hub`, is billed for having written since it was
    /// started. Asking starts it.
    pub async fn rows_written(&self, gate: &Gate, name: &str) -> usize {
        let reply = get(&format!("/relays-of-the-test/rows/{name}")).send(gate).await;
        reply.text().parse().unwrap()
    }

    /// Ends a relay of this gate at once; with the next call it is there again.
    pub async fn kill(&self, gate: &Gate, name: &str) {
        get(&format!("/relays-of-the-test/kill/{name}")).send(gate).await;
    }

    /// Ends the instance of the wasm in an isolate of this gate, as a panic would.
    pub async fn reset(&self, gate: &Gate) {
        let reply = get("/relays-of-the-test/reset").send(gate).await;
        assert!(reply.text().starts_with("Error"), "{} {}", reply.status, reply.text());
    }

    /// Takes the disk of all objects of this class away. Only while no workerd has it.
    pub fn lose_disk_of(&self, class: &str) {
        std::fs::remove_dir_all(self.disk.path().join(class)).unwrap();
    }

    /// How many calls there were whose path begins like this, whatever became of them.
    pub fn calls(&self, path: &str) -> usize {
        self.faults.count_of(|_, asked| asked.starts_with(path))
    }

    /// The module that the runtime starts with.
    pub(super) fn module() -> PathBuf {
        workerd::root().join("tests/edge/harness/relays.mjs")
    }

    /// Services and bindings for workerd.
    pub(super) fn services(&self) -> (String, String) {
        let (objects, bindings) = workerd::objects_service(self.disk.path());
        let faults = format!(
            "(name = \"faults\", external = (address = \"{}\", http = ())),\n",
            self.faults.addr,
        );
        (objects + &faults, bindings + "(name = \"FAULTS\", service = \"faults\"),\n")
    }
}
