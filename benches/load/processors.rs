//! Who has how much of the processors. A process that is near its limit would be what is measured;
//! one that waits shows that the machine had other work to do.

use serde::Serialize;
use tokio::time::Instant;

use super::workerd::{ProcessorTimes, processor_times};

/// What the processes of a load do with their processors: parts of the time.
#[derive(Clone, Copy, Serialize)]
pub struct Processors {
    pub workerd: Use,
    pub nginx: Use,
    pub driver: Use,
}

/// What one process does with its processor.
#[derive(Clone, Copy, Serialize)]
pub struct Use {
    /// It computed.
    pub computed: f64,
    /// It could have, but something else did.
    pub waited: f64,
}

/// Looks again and again.
pub struct Meter {
    pids: [u32; 3],
    last: Instant,
    times: [ProcessorTimes; 3],
}

impl Meter {
    /// Begins now.
    pub fn start(workerd: u32, nginx: u32) -> Self {
        let pids = [workerd, nginx, std::process::id()];
        Self { pids, last: Instant::now(), times: pids.map(processor_times) }
    }

    /// What was done since the last call.
    pub fn take(&mut self) -> Processors {
        let before = std::mem::replace(&mut self.times, self.pids.map(processor_times));
        let passed = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        let part = |process: usize| {
            let (before, now) = (&before[process], &self.times[process]);
            Use {
                computed: now.used.saturating_sub(before.used).as_secs_f64() / passed,
                waited: now.waited.saturating_sub(before.waited).as_secs_f64() / passed,
            }
        };
        Processors { workerd: part(0), nginx: part(1), driver: part(2) }
    }
}
