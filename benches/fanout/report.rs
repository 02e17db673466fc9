//! The runs as tables, in Markdown, with what had to hold.

use hdrhistogram::Histogram;

use super::assumptions::{MAX_STALENESS, OBJECT_LIMIT, REGIONS, Region};
use super::clockwork::{Micros, SECOND};
use super::scenario::{BEGIN, Scenario};
use super::tally::{Rate, Tally};
use super::world::{self, Isolate};

/// A run, and what came of it.
pub struct Outcome {
    pub scenario: Scenario,
    pub tally: Tally,
}

/// Something that had to hold.
struct Verdict {
    what: String,
    found: String,
    holds: bool,
    /// The run fails without it.
    is_vital: bool,
}

/// Prints all. Whether everything vital holds.
pub fn print(outcomes: &[Outcome], is_repeatable: bool) -> bool {
    print_regions();
    print_latencies(outcomes);
    print_bounds(outcomes);
    print_traffic(outcomes);
    println!();
    let verdicts = verdicts(outcomes, is_repeatable);
    for Verdict { what, found, holds, .. } in &verdicts {
        println!("- {}: {what}: {found}", if *holds { "holds" } else { "DOES NOT HOLD" });
    }
    verdicts.iter().all(|verdict| verdict.holds || !verdict.is_vital)
}

fn print_regions() {
    let centres = world::centres(1);
    let isolates = world::isolates(100_000, BEGIN);
    println!(
        "\n| region | data centres | isolates of 100,000 | round trip to the hub, median, ms \
         |\n|--|--:|--:|--:|"
    );
    for (at, Region { name, centres: count, hub_ms }) in REGIONS.iter().enumerate() {
        let is_here = |isolate: &&Isolate| centres[usize::from(isolate.centre)].region == at;
        let here = isolates.iter().filter(is_here).count() as u64;
        println!("| {name} | {count} | {} | {hub_ms} |", thousands(here));
    }
}

fn print_latencies(outcomes: &[Outcome]) {
    println!(
        "\nLatency: for how many seconds after a revocation is durable a request that comes is permitted. \
         None is while the list does not count, nor while a first request would wait for a pull that \
         comes in time. Over isolates, every pair of a revocation and an isolate counts once; over \
         requests, as often as requests come to the isolate. > 2 s: the part, over requests, in which one \
         was permitted later than that and a round trip between hub and isolate.\n\n\
         | isolates | revoked/s | varied | isolates: p50 | p90 | p99 | max \
         | requests: p50 | p90 | p99 | p99.9 | > 2 s |\n\
         |--:|--:|--|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for Outcome { scenario, tally } in outcomes {
        println!(
            "| {} | {} | {} | {} | {} |",
            name(scenario),
            quantiles(&tally.latency, &[0.5, 0.9, 0.99]),
            seconds(tally.latency.max()),
            quantiles(&tally.latency_by_request, &[0.5, 0.9, 0.99, 0.999]),
            percent(tally.late_by_request, tally.latency_by_request.len()),
        );
    }
}

fn print_bounds(outcomes: &[Outcome]) {
    println!(
        "\nAcknowledged: seconds from durable until the admin is told. Last permit: seconds from durable \
         until the last request that any isolate permitted, over all revocations and isolates. Waited: \
         requests that waited for a pull, as the isolate was idle or the list did not count; refused: \
         those for which it failed, and those that might not pull yet, while the list did not count and \
         with `on_stale = \"deny\"`; both of a million.\n\n\
         | isolates | revoked/s | varied | acknowledged: p50 | p99 | last permit | waited | refused |\n\
         |--:|--:|--|--:|--:|--:|--:|--:|"
    );
    for Outcome { scenario, tally } in outcomes {
        let traffic = &tally.traffic;
        let of_a_million = |count: f64| thousands((count * 1e6 / traffic.requests).round() as u64);
        println!(
            "| {} | {} | {} | {} | {} |",
            name(scenario),
            quantiles(&tally.acknowledgement, &[0.5, 0.99]),
            seconds(tally.last_permit),
            of_a_million(traffic.waited),
            of_a_million(traffic.refused),
        );
    }
}

fn print_traffic(outcomes: &[Outcome]) {
    println!(
        "\nTraffic, in a second: requests that reach the hub (revocations and questions) and that it \
         sends (pushes); that reach the busiest relay, and that in its busiest second (pulls and pushes); \
         pulls of all isolates, and the part of them that the cache of the data centre answers; KB out of \
         the hub and out of all relays; bytes of all messages for each isolate.\n\n\
         | isolates | revoked/s | varied | to the hub | pushes | busiest relay | peak | pulls | cached \
         | KB hub | KB relays | bytes/isolate |\n\
         |--:|--:|--|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for Outcome { scenario, tally } in outcomes {
        let traffic = &tally.traffic;
        let rate = |count: u64| thousands(per_second(scenario, count).round() as u64);
        let busiest = busiest(tally);
        let bytes = traffic.hub_bytes + traffic.relay_bytes + traffic.isolate_bytes;
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            name(scenario),
            rate(traffic.hub_requests),
            rate(traffic.pushes),
            rate(busiest.count),
            thousands(busiest.peak),
            rate(traffic.pulls),
            percent(traffic.hits, traffic.lookups),
            rate(traffic.hub_bytes / 1_000),
            rate(traffic.relay_bytes / 1_000),
            rate(bytes / scenario.isolates as u64),
        );
    }
}

fn verdicts(outcomes: &[Outcome], is_repeatable: bool) -> Vec<Verdict> {
    let last_permit = outcomes.iter().map(|it| it.tally.last_permit).max().unwrap_or_default();
    let overrated: u64 = outcomes.iter().map(|it| it.tally.overrated).sum();
    let undecided: u64 = outcomes.iter().map(|it| it.tally.undecided).sum();
    let mut verdicts = vec![
        Verdict {
            what: format!(
                "no request is permitted {} s after a revocation is durable",
                MAX_STALENESS / SECOND
            ),
            found: format!("the last one {} s after it", seconds(last_permit)),
            holds: last_permit < MAX_STALENESS,
            is_vital: true,
        },
        Verdict {
            what: "no isolate takes an answer for younger than it is".to_owned(),
            found: format!("{overrated} were"),
            holds: overrated == 0,
            is_vital: true,
        },
        Verdict {
            what: "every pair of a revocation and an isolate is decided in the end".to_owned(),
            found: format!("{undecided} were not"),
            holds: undecided == 0,
            is_vital: true,
        },
        Verdict {
            what: "the same run has the same result".to_owned(),
            found: if is_repeatable { "it has" } else { "it has another" }.to_owned(),
            holds: is_repeatable,
            is_vital: true,
        },
    ];
    for (what, most) in [
        ("relay", most_requests(outcomes, |tally| busiest(tally).count)),
        ("hub", most_requests(outcomes, |tally| tally.traffic.hub_requests)),
    ] {
        verdicts.push(Verdict {
            what: format!("no {what} gets more than {OBJECT_LIMIT} requests/s"),
            found: if most.is_empty() { "none does".to_owned() } else { most.join("; ") },
            holds: most.is_empty(),
            is_vital: false,
        });
    }
    verdicts
}

/// In which runs an object gets more than it may.
fn most_requests(outcomes: &[Outcome], count: impl Fn(&Tally) -> u64) -> Vec<String> {
    let rates = outcomes.iter().map(|it| (it, per_second(&it.scenario, count(&it.tally))));
    let above = rates.filter(|(_, rate)| *rate > OBJECT_LIMIT);
    above.map(|(it, rate)| format!("{rate:.0} ({})", label(&it.scenario))).collect()
}

fn label(scenario: &Scenario) -> String {
    let what = format!(
        "{} isolates, {} revoked/s, {}",
        thousands(scenario.isolates as u64),
        thousands(scenario.revocations.into()),
        scenario.name
    );
    what.trim_end_matches(", ").to_owned()
}

fn busiest(tally: &Tally) -> Rate {
    *tally.traffic.relay_requests.iter().max_by_key(|relay| relay.count).unwrap()
}

fn name(scenario: &Scenario) -> String {
    let [isolates, revocations] =
        [scenario.isolates as u64, scenario.revocations.into()].map(thousands);
    format!("{isolates} | {revocations} | {}", scenario.name)
}

fn per_second(scenario: &Scenario, count: u64) -> f64 {
    count as f64 * SECOND as f64 / scenario.measured as f64
}

fn quantiles(histogram: &Histogram<u64>, wanted: &[f64]) -> String {
    let values = wanted.iter().map(|quantile| seconds(histogram.value_at_quantile(*quantile)));
    values.collect::<Vec<_>>().join(" | ")
}

fn seconds(time: Micros) -> String {
    format!("{:.2}", time as f64 / SECOND as f64)
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

/// 12,345.
fn thousands(number: u64) -> String {
    match number / 1_000 {
        0 => number.to_string(),
        above => format!("{},{:03}", thousands(above), number % 1_000),
    }
}
