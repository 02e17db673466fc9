//! What operators measure, from one isolate to the whole deployment.
//!
//! An isolate counts ([`super::tally`]) and hands over what has come since ([`handover`]), its relay adds
//! that up ([`ledger`]), the hub adds up relays, and the page shows the sum in the text format of
//! Prometheus (<https://prometheus.io/docs/instrumenting/exposition_formats/>). In scope: names, labels and
//! units, how numbers are sent, kept and shown. Out of scope: counting, and what carries the messages.
//!
//! Numbers are whole: what a name calls seconds is kept in milliseconds, and divided when it is shown.

pub mod handover;
pub mod ledger;

use super::claims::Millis;

/// A metric with all its series.
pub struct Family {
    /// The name of the metric; those of its series begin with it.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    kind: &'static str,
    help: &'static str,
}

const fn family(name: &'static str, kind: &'static str, help: &'static str) -> Family {
    Family { name, kind, help }
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";
const HISTOGRAM: &str = "histogram";

/// All of them, in the order of the page.
pub const FAMILIES: [Family; 26] = [
    family(
        "auth_requests_total",
        COUNTER,
        "Decisions, and permitted requests that the origin failed.",
    ),
    family("auth_denials_total", COUNTER, "Refused requests, by the exact reason."),
    family(
        "auth_validation_errors_total",
        COUNTER,
        "Requests refused through no fault of theirs: a check could not be made.",
    ),
    family(
        "auth_validation_duration_seconds",
        HISTOGRAM,
        "From the arrival of a request to its decision; 0 unless something was asked.",
    ),
    family(
        "auth_cache_hits_total",
        COUNTER,
        "Tokens known to the isolate (l1), entries in KV (l2).",
    ),
    family("auth_cache_misses_total", COUNTER, "Good tokens that were not known, and no entry."),
    family("auth_cache_errors_total", COUNTER, "Entries that do not count, and KV too late."),
    family("auth_service_requests_total", COUNTER, "Calls of auth services, by what came of them."),
    family("auth_service_duration_seconds", HISTOGRAM, "How long auth services took."),
    family("auth_breaker_state", GAUGE, "Isolates whose breaker is in this state."),
    family("auth_degraded_total", COUNTER, "Permits that rest on less than was asked for."),
    family("auth_jwks_refresh_total", COUNTER, "Attempts to fetch a published key set."),
    family("auth_keys", GAUGE, "Keys that can verify, by where they are from and how old."),
    family("auth_jwks_age_seconds", GAUGE, "Age of the oldest published key set in use."),
    family("auth_jwks_limit_seconds", GAUGE, "The age at which it does not count any more."),
    family("auth_revocation_list_age_seconds", GAUGE, "Age of the oldest list in use."),
    family("auth_revocation_bound_seconds", GAUGE, "The age at which it does not count any more."),
    family("auth_revocation_entries", GAUGE, "Revocations that the hub keeps."),
    family(
        "auth_revocation_propagation_seconds",
        HISTOGRAM,
        "From a revocation to the confirmation of each relay.",
    ),
    family("auth_websockets_open", GAUGE, "Supervised WebSockets that are open."),
    family("auth_websockets_closed_total", COUNTER, "Supervised WebSockets that ended."),
    family("auth_shadow_rules", GAUGE, "Rules that only record what they would refuse."),
    family("auth_misconfigured", GAUGE, "1 while no request can pass for want of configuration."),
    family("auth_isolates", GAUGE, "Isolates that were heard of within a minute."),
    family("auth_relays", GAUGE, "Relays that were heard of within a minute."),
    family("auth_hub_up", GAUGE, "1 if the hub has answered; the counters are its."),
];

/// The upper bounds of the buckets of every histogram, in milliseconds.
const BOUNDS: [(Millis, &str); BUCKETS] = [
    (1, "0.001"),
    (5, "0.005"),
    (10, "0.01"),
    (25, "0.025"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1_000, "1"),
    (2_500, "2.5"),
    (5_000, "5"),
];

/// How many buckets a histogram has, besides that without a bound.
pub const BUCKETS: usize = 11;

/// How many series there may be in one place: many times those of a configuration with many providers.
/// More are not taken.
pub const MOST_SERIES: usize = 4_096;

/// The bucket of a duration; [`BUCKETS`] for one beyond all bounds.
#[must_use]
pub fn bucket(millis: Millis) -> usize {
    BOUNDS.iter().position(|(bound, _)| millis <= *bound).unwrap_or(BUCKETS)
}

/// The text that names a series.
#[must_use]
pub fn series(family: &str, labels: &[(&str, &str)]) -> String {
    let mut series = family.to_owned();
    for (number, (name, word)) in labels.iter().enumerate() {
        series.push(if number == 0 { '{' } else { ',' });
        for part in [name, "=\"", word, "\""] {
            series.push_str(part);
        }
    }
    if !labels.is_empty() {
        series.push('}');
    }
    series
}

/// How numbers of several places become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They are added, and never become less: what was counted.
    Count,
    /// They are added: what there is of something.
    Sum,
    /// The greatest stands for all.
    Greatest,
}

impl Kind {
    const ALL: [(Self, char); 3] = [(Self::Count, '+'), (Self::Sum, '#'), (Self::Greatest, '^')];

    /// What a line begins with.
    fn mark(self) -> char {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or('+', |(_, mark)| *mark)
    }

    fn of_mark(mark: char) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == mark).map(|(kind, _)| *kind)
    }
}

/// A histogram of one event, which took so long.
#[must_use]
pub fn histogram(family: &str, took: Millis) -> Readings {
    let mut buckets = [0; BUCKETS + 1];
    if let Some(number) = buckets.get_mut(bucket(took)) {
        *number = 1;
    }
    let mut readings = Readings::default();
    readings.take_histogram(family, &buckets, u64::try_from(took).unwrap_or(0));
    readings
}

/// Numbers by series, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings(Vec<Reading>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    series: String,
    kind: Kind,
    number: u64,
}

impl Readings {
    /// Takes a number into account.
    pub fn take(&mut self, kind: Kind, series: &str, number: u64) {
        self.with(kind, series, |known| match kind {
            Kind::Count | Kind::Sum => known.saturating_add(number),
            Kind::Greatest => known.max(number),
        });
    }

    /// Takes all numbers of another place into account.
    pub fn take_all(&mut self, others: &Self) {
        for Reading { series, kind, number } in &others.0 {
            self.take(*kind, series, *number);
        }
    }

    /// Takes later numbers of the same place: of two counts, the greater one is the later.
    pub fn take_later(&mut self, later: &Self) {
        for Reading { series, kind, number } in &later.0 {
            self.with(*kind, series, |known| known.max(*number));
        }
    }

    /// A histogram: how many are in each bucket, and how long all of them took, in milliseconds.
    pub fn take_histogram(&mut self, family: &str, buckets: &[u64], sum: u64) {
        let bucket = format!("{family}_bucket");
        // As they are shown: each has those below it, too.
        let mut count = 0_u64;
        for (number, (_, bound)) in buckets.iter().zip(BOUNDS) {
            count = count.saturating_add(*number);
            self.take(Kind::Count, &series(&bucket, &[("le", bound)]), count);
        }
        count = count.saturating_add(buckets.get(BUCKETS).copied().unwrap_or(0));
        self.take(Kind::Count, &format!("{family}_count"), count);
        self.take(Kind::Count, &format!("{family}_sum"), sum);
    }

    /// What was counted since others, which are of the same place and earlier.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.0.iter().filter(|reading| reading.kind == Kind::Count);
        let grown = counts.filter_map(|reading| {
            let number = reading.number.saturating_sub(earlier.get(&reading.series));
            (number > 0).then(|| Reading { number, ..reading.clone() })
        });
        Self(grown.collect())
    }

    /// Those of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Self {
        Self(self.0.iter().filter(|reading| reading.kind == kind).cloned().collect())
    }

    /// The same counts, before anything was counted.
    #[must_use]
    pub fn zeros(&self) -> Self {
        let Self(mut zeros) = self.of(Kind::Count);
        for reading in &mut zeros {
            reading.number = 0;
        }
        Self(zeros)
    }

    /// The number of a series; 0 if there is none.
    #[must_use]
    pub fn get(&self, series: &str) -> u64 {
        self.place(series).ok().and_then(|at| self.0.get(at)).map_or(0, |reading| reading.number)
    }

    /// How many series there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they are sent and stored: a line for each, of a mark for its kind, the series, a space and the
    /// number.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for Reading { series, kind, number } in &self.0 {
            lines.push(kind.mark());
            for part in [series, " ", &number.to_string(), "\n"] {
                lines.push_str(part);
            }
        }
        lines
    }

    /// Reads such lines. What is none is passed over.
    #[must_use]
    pub fn read<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let mut readings = Self::default();
        for line in lines {
            let mut rest = line.chars();
            let kind = rest.next().and_then(Kind::of_mark);
            let Some((kind, (series, number))) = kind.zip(rest.as_str().rsplit_once(' ')) else {
                continue;
            };
            if let Ok(number) = number.parse() {
                readings.take(kind, series, number);
            }
        }
        readings
    }

    /// The page. Series whose metric is not known here are left out: they are of another version.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::new();
        for Family { name, kind, help } in &FAMILIES {
            let is_of = |reading: &&Reading| {
                let rest = reading.series.strip_prefix(name);
                rest.is_some_and(|rest| {
                    let is_part =
                        ["_bucket{", "_count", "_sum"].iter().any(|one| rest.starts_with(one));
                    rest.is_empty() || rest.starts_with('{') || *kind == HISTOGRAM && is_part
                })
            };
            let mut readings = self.0.iter().filter(is_of).peekable();
            if readings.peek().is_none() {
                continue;
            }
            for part in ["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"] {
                page.push_str(part);
            }
            for Reading { series, number, .. } in readings {
                let is_count = *kind == HISTOGRAM && series.ends_with("_count");
                let is_time = *kind == GAUGE || series.ends_with("_sum");
                let number = if is_time && name.ends_with("_seconds") {
                    format!("{}.{:03}", number / 1_000, number % 1_000)
                } else {
                    number.to_string()
                };
                if is_count {
                    for part in [name, "_bucket{le=\"+Inf\"} ", &number, "\n"] {
                        page.push_str(part);
                    }
                }
                for part in [series, " ", &number, "\n"] {
                    page.push_str(part);
                }
            }
        }
        page
    }

    fn place(&self, series: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|known| known.series.as_str().cmp(series))
    }

    fn with(&mut self, kind: Kind, series: &str, change: impl FnOnce(u64) -> u64) {
        match self.place(series) {
            Ok(at) => {
                if let Some(reading) = self.0.get_mut(at) {
                    reading.number = change(reading.number);
                }
            }
            // No version of this has so many.
            Err(_) if self.0.len() >= MOST_SERIES => {}
            Err(at) => {
                let reading = Reading { series: series.to_owned(), kind, number: change(0) };
                self.0.insert(at, reading);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tally::Tally;

    #[test]
    fn the_buckets_are_those_of_their_bounds() {
        for (took, at) in
            [(-5, 0), (0, 0), (1, 0), (2, 1), (5, 1), (6, 2), (5_000, 10), (5_001, 11)]
        {
            assert_eq!(bucket(took), at, "{took}");
        }
    }

    #[test]
    fn every_series_has_a_family() {
        let all = Tally::new().readings();
        let page = all.page();
        for Reading { series, .. } in &all.0 {
            assert!(page.contains(&format!("\n{series} 0")), "{series}");
        }
    }

    #[test]
    fn lines_that_are_none_are_passed_over() {
        let lines = ["+a 1", "", "b 2", "+c", "+d x", "+e -1", "^f 18446744073709551615", "+a 2"];
        assert_eq!(Readings::read(lines.into_iter()).lines(), "+a 3\n^f 18446744073709551615\n");
    }

    #[test]
    fn a_page_has_no_more_series_than_it_may() {
        let mut readings = Readings::default();
        for number in 0..=MOST_SERIES {
            readings.take(Kind::Count, &format!("a{number}"), 1);
        }
        assert_eq!(readings.len(), MOST_SERIES);
    }
}
