//! What a relay was handed by its isolates, added up.
//!
//! Counts are kept for good; how things are in an isolate is believed for a while. What was handed over is kept
//! once it is written, with the number of the last batch of each isolate: only then does the isolate hear of
//! it. A relay that was restarted has what it has written, and is sent the rest again. In scope: the sums.
//! Out of scope: where they are written, and when.

use super::super::claims::Millis;
use super::handover::Batch;
use super::{Kind, Readings};

/// How things are in an isolate, or at a relay, is believed for so long after it was heard of, in
/// milliseconds.
const RECENT_MS: Millis = 60_000;

/// How many isolates are remembered, those that were heard of last. An isolate of which nothing is known any
/// more, and which sends a batch again, counts twice: in most regions that many live for days.
const MOST_ISOLATES: usize = 4_096;

/// The sums, and who has contributed to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    counts: Readings,
    isolates: Vec<Isolate>,
    /// Whether anything is not written yet.
    is_changed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Isolate {
    id: u64,
    /// The last batch that is among the counts.
    taken: u32,
    /// The last one that is written with them.
    kept: u32,
    heard_at: Millis,
    /// How things are there; nothing after a restart.
    state: Readings,
}

impl Ledger {
    /// Takes a batch, unless it is there already.
    pub fn take(&mut self, batch: Batch, now: Millis) {
        let Batch { isolate: id, number, readings } = batch;
        if !self.isolates.iter().any(|known| known.id == id) {
            if self.isolates.len() >= MOST_ISOLATES
                && let Some(oldest) = self.isolates.iter().map(|known| known.heard_at).min()
            {
                self.isolates.retain(|known| known.heard_at != oldest);
            }
            self.isolates.push(Isolate::new(id, 0, now));
        }
        let Some(isolate) = self.isolates.iter_mut().find(|known| known.id == id) else { return };
        isolate.heard_at = now;
        if number > isolate.taken {
            isolate.taken = number;
            self.counts.take_all(&readings.of(Kind::Count));
            self.is_changed = true;
        }
        isolate.state = readings.of(Kind::Sum);
        isolate.state.take_all(&readings.of(Kind::Greatest));
    }

    /// What is to be written, if anything is.
    #[must_use]
    pub fn unwritten(&self) -> Option<String> {
        self.is_changed.then(|| {
            let isolates = self.isolates.iter().map(|Isolate { id, taken, heard_at, .. }| {
                format!("{id:016x} {taken} {heard_at}\n")
            });
            isolates.chain([self.counts.lines()]).collect()
        })
    }

    /// It is written.
    pub fn is_written(&mut self) {
        self.is_changed = false;
        self.isolates.iter_mut().for_each(|isolate| isolate.kept = isolate.taken);
    }

    /// What was written before.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let isolate = |line: &str| {
            let mut parts = line.split(' ');
            let id = u64::from_str_radix(parts.next()?, 16).ok()?;
            let taken = parts.next()?.parse().ok()?;
            let heard_at = parts.next()?.parse().ok()?;
            Some(Isolate::new(id, taken, heard_at))
        };
        Self {
            counts: Readings::read(text.lines()),
            isolates: text.lines().filter_map(isolate).collect(),
            is_changed: false,
        }
    }

    /// Up to which batch all of an isolate are kept.
    #[must_use]
    pub fn kept(&self, isolate: u64) -> u32 {
        let known = self.isolates.iter().find(|known| known.id == isolate);
        known.map_or(0, |known| known.kept)
    }

    /// What the hub is told: the counts, which must be written by now, and how things are.
    #[must_use]
    pub fn report(&mut self, now: Millis) -> Readings {
        let mut report = self.counts.clone();
        for Isolate { state, heard_at, .. } in &mut self.isolates {
            if (0..RECENT_MS).contains(&now.saturating_sub(*heard_at)) {
                report.take_all(state);
            } else {
                *state = Readings::default();
            }
        }
        report
    }
}

impl Isolate {
    /// One that has handed over so many batches, and of which nothing else is known.
    fn new(id: u64, kept: u32, heard_at: Millis) -> Self {
        Self { id, taken: kept, kept, heard_at, state: Readings::default() }
    }
}

/// What the hub was told by a relay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What it has counted, ever.
    counts: Readings,
    /// How things were when it was last heard of.
    state: Readings,
    heard_at: Millis,
    /// Whether there are counts that are not written yet.
    is_changed: bool,
}

impl Account {
    /// What was written before.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self { counts: Readings::read(text.lines()), ..Self::default() }
    }

    /// The relay reports. A report that was overtaken takes nothing away.
    pub fn hear(&mut self, report: &Readings, now: Millis) {
        let before = self.counts.clone();
        self.counts.take_later(&report.of(Kind::Count));
        self.is_changed |= self.counts != before;
        self.state = report.of(Kind::Sum);
        self.state.take_all(&report.of(Kind::Greatest));
        self.state.take(Kind::Sum, "auth_relays", 1);
        self.heard_at = now;
    }

    /// More was counted.
    pub fn count(&mut self, more: &Readings) {
        self.counts.take_all(more);
        self.is_changed = true;
    }

    /// What is to be written, if anything is.
    #[must_use]
    pub fn unwritten(&self) -> Option<String> {
        self.is_changed.then(|| self.counts.lines())
    }

    /// It is written.
    pub const fn is_written(&mut self) {
        self.is_changed = false;
    }

    /// Adds this to what others have told.
    pub fn add_to(&self, sum: &mut Readings, now: Millis) {
        sum.take_all(&self.counts);
        if (0..RECENT_MS).contains(&now.saturating_sub(self.heard_at)) {
            sum.take_all(&self.state);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::handover::Handover;
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn counted(series: &str, number: u64) -> Readings {
        let mut readings = Readings::default();
        readings.take(Kind::Count, series, number);
        readings
    }

    fn take(ledger: &mut Ledger, batch: &str, now: Millis) {
        ledger.take(Batch::read(batch).unwrap(), now);
    }

    #[test]
    fn what_is_written_is_pinned() {
        let mut ledger = Ledger::default();
        take(&mut ledger, "EWM1 000000000000abcd 1\n+a{b=\"c, d\"} 2\n#e 3\n^f 4\n", NOW);
        let written = "000000000000abcd 1 1800000000000\n+a{b=\"c, d\"} 2\n";
        assert_eq!(ledger.unwritten().as_deref(), Some(written));
        assert_eq!(ledger.report(NOW).lines(), "+a{b=\"c, d\"} 2\n#e 3\n^f 4\n");
        assert_eq!(ledger.kept(0xabcd), 0);
        ledger.is_written();
        assert_eq!((ledger.kept(0xabcd), ledger.unwritten()), (1, None));
        // How things are is forgotten with a restart, and after a while.
        assert_eq!(Ledger::read(written).report(NOW).lines(), "+a{b=\"c, d\"} 2\n");
        assert_eq!(ledger.report(NOW + 60_000).lines(), "+a{b=\"c, d\"} 2\n");
        assert_eq!(Ledger::read(written).kept(0xabcd), 1);
    }

    #[test]
    fn of_too_many_isolates_those_are_forgotten_that_were_heard_of_first() {
        let mut ledger = Ledger::default();
        for id in 1..=MOST_ISOLATES + 1 {
            let now = NOW + i64::try_from(id).unwrap();
            take(&mut ledger, &format!("EWM1 {id:x} 1\n+a 1\n"), now);
        }
        ledger.is_written();
        assert_eq!((ledger.kept(1), ledger.kept(2)), (0, 1));
        assert_eq!(ledger.report(NOW).get("a"), 4_097);
    }

    #[test]
    fn a_report_that_was_overtaken_takes_nothing_away() {
        let mut account = Account::default();
        account.hear(&counted("a", 5), NOW);
        assert_eq!(account.unwritten().as_deref(), Some("+a 5\n"));
        account.is_written();
        account.hear(&counted("a", 3), NOW);
        assert_eq!(account.unwritten(), None);
        let mut sum = counted("a", 1);
        account.add_to(&mut sum, NOW + RECENT_MS - 1);
        assert_eq!(sum.lines(), "+a 6\n#auth_relays 1\n");
        let mut sum = Readings::default();
        account.add_to(&mut sum, NOW + RECENT_MS);
        assert_eq!(sum.lines(), "+a 5\n");
    }

    /// What can happen between an isolate, its relay and the hub.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// Something is counted.
        Count,
        /// A batch is sent; whether it comes, and whether the answer does.
        Send { arrives: bool, returns: bool },
        /// The relay writes what it has.
        Write,
        /// It is gone, and begins with what it has written.
        Restart,
        /// It writes and tells the hub; whether that comes.
        Report { arrives: bool },
    }

    fn event() -> impl Strategy<Value = (usize, Event)> {
        let event = prop_oneof![
            Just(Event::Count),
            (any::<bool>(), any::<bool>())
                .prop_map(|(arrives, returns)| Event::Send { arrives, returns }),
            Just(Event::Write),
            Just(Event::Restart),
            any::<bool>().prop_map(|arrives| Event::Report { arrives }),
        ];
        (0_usize..3, event)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_counts_twice(events in prop::collection::vec(event(), 0..80)) {
            let mut isolates: Vec<_> =
                (0..3).map(|id| (Handover::new(id), Readings::default())).collect();
            let mut ledger = Ledger::default();
            let mut disk = String::new();
            let mut hub = Account::default();
            let mut seen = 0;
            let end = [Event::Send { arrives: true, returns: true }, Event::Write];
            // In the end everything comes through, as often as it takes.
            let end = (0..15).flat_map(|at| end.map(|event| (at % 3, event)));
            let last = (0, Event::Report { arrives: true });
            let mut all = 0;
            for (at, event) in events.into_iter().chain(end).chain([last]) {
                let (handover, readings) = &mut isolates[at];
                match event {
                    Event::Count => {
                        readings.take(Kind::Count, "a", 1);
                        all += 1;
                    }
                    Event::Send { arrives, returns } => {
                        let batch = handover.batch(readings);
                        if arrives {
                            take(&mut ledger, &batch, NOW);
                            if returns {
                                handover.are_kept(ledger.kept(at as u64));
                            }
                        }
                    }
                    Event::Restart => ledger = Ledger::read(&disk),
                    Event::Write | Event::Report { .. } => {
                        if let Some(unwritten) = ledger.unwritten() {
                            disk = unwritten;
                            ledger.is_written();
                        }
                    }
                }
                if let Event::Report { arrives: true } = event {
                    hub.hear(&ledger.report(NOW), NOW);
                    let mut sum = Readings::default();
                    hub.add_to(&mut sum, NOW);
                    prop_assert!((seen..=all).contains(&sum.get("a")));
                    seen = sum.get("a");
                }
            }
            prop_assert_eq!(seen, all);
            for (handover, readings) in &isolates {
                prop_assert!(!handover.is_owed(readings));
            }
        }
    }
}
