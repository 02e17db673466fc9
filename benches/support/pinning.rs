//! Which processor runs what. With two, workerd has one for itself and the load comes from the
//! other, so that neither is measured with the other's work in it.

use std::path::Path;
use std::process::{Command, Stdio};

/// The two processors, if there are two.
pub struct Cpus {
    /// workerd's and that of everything else.
    pair: Option<[&'static str; 2]>,
}

impl Cpus {
    /// Takes processors 0 and 1, and moves this process to the second.
    pub fn take() -> Self {
        let pair = ["0", "1"];
        let usable =
            pair.iter().all(|cpu| succeeds(Command::new("taskset").args(["-c", cpu, "true"])));
        let own = std::process::id().to_string();
        let moved =
            usable && succeeds(Command::new("taskset").args(["-a", "-p", "-c", pair[1], &own]));
        Self { pair: moved.then_some(pair) }
    }

    /// Starts this program where the measured code runs. What is started otherwise runs where this
    /// process does.
    pub fn for_workerd(&self, program: &Path) -> Command {
        match self.pair {
            Some([cpu, _]) => pinned(cpu, program),
            None => Command::new(program),
        }
    }

    /// What was done, for the reader of the results.
    pub fn note(&self) -> &'static str {
        match self.pair {
            Some(_) => "workerd on CPU 0, the origin and the client on CPU 1",
            None => "not pinned: the machine has no two processors, or no taskset",
        }
    }
}

fn pinned(cpu: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cpu]).arg(program);
    command
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
