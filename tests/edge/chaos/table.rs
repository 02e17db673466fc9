//! What a run was, for people.

use std::collections::BTreeMap;

use super::{
    Ms,
    judge::Judge,
    orders::Order,
    sockets::{Ended, Socket},
    tokens::Class,
    traffic::{Attempt, Outcome},
};

/// Prints what was sent and what came of it, which faults there were, and what was checked.
pub fn print(
    end: Ms,
    judge: &Judge<'_>,
    attempts: &[Attempt],
    sockets: &[Socket],
    orders: &[Order],
) {
    let mut sent: BTreeMap<Class, BTreeMap<String, usize>> = BTreeMap::new();
    for attempt in attempts {
        let has_arrived = judge.arrivals.contains_key(&attempt.number);
        let came = match &attempt.outcome {
            _ if has_arrived => "at the origin".to_owned(),
            Outcome::Answer(status, code) => {
                format!("{status} {}", code.as_deref().unwrap_or_default()).trim().to_owned()
            }
            Outcome::Nothing(_) => "no answer".to_owned(),
        };
        *sent.entry(attempt.token.class).or_default().entry(came).or_default() += 1;
    }
    println!("\n{} requests\n", attempts.len());
    println!("| tokens | sent | what became of them |\n|--|--:|--|");
    for (class, came) in sent {
        println!("| {class:?} | {} | {} |", came.values().sum::<usize>(), counted(&came));
    }

    let mut faults: BTreeMap<String, (usize, Ms)> = BTreeMap::new();
    for one in judge.happened {
        let fault = faults.entry(one.what.name()).or_default();
        fault.0 += 1;
        fault.1 += one.to - one.from;
    }
    println!("\n| fault | times | seconds in all |\n|--|--:|--:|");
    for (name, (times, lasted)) in faults {
        println!("| {name} | {times} | {}.{} |", lasted / 1_000, lasted % 1_000 / 100);
    }

    let done = orders.iter().filter(|order| order.made.done.is_some()).count();
    let undone = orders.iter().filter_map(|order| order.undone.as_ref());
    let undone = undone.filter(|undone| undone.done.is_some()).count();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for order in orders {
        *kinds.entry(order.kind.to_owned()).or_default() += 1;
    }
    println!(
        "\n{} revocations, {done} acknowledged, {undone} undone: {}",
        orders.len(),
        counted(&kinds)
    );
    println!("{} opaque tokens withdrawn by their issuer", judge.withdrawn.len());
    let [usual, strict] = judge.last_permit;
    println!("last permit after an acknowledgement: {usual} ms later, by strict rules {strict} ms");

    let mut ended: BTreeMap<String, usize> = BTreeMap::new();
    for socket in sockets {
        let how = match &socket.ended {
            Ended::ByClient => "by its client".to_owned(),
            Ended::Closed(code, reason) => format!("{code} {reason}"),
            Ended::Gone => "gone".to_owned(),
        };
        *ended.entry(how).or_default() += 1;
    }
    println!("{} sockets: {}", sockets.len(), counted(&ended));
    println!("{} requests sent to the origin once more by the runtime", judge.repeated);
    let allowed = [
        ("no list", &judge.windows.list),
        ("no list for strict rules", &judge.windows.strict),
        ("no published keys", &judge.windows.keys),
        ("no auth service", &judge.windows.asked),
        ("no answer", &judge.windows.silent),
    ];
    let shares = allowed.map(|(name, spans)| {
        let lasts = spans.iter().flatten().map(|(from, to)| (*to).min(end).saturating_sub(*from));
        format!("{name} {} %", 100 * lasts.sum::<Ms>() / (end * spans.len() as Ms))
    });
    println!("part of the time in which the policy allows: {}", shares.join(", "));
    println!("{} checks, {} violations\n", judge.checks, judge.violations.len());
}

fn counted(all: &BTreeMap<String, usize>) -> String {
    let all: Vec<_> = all.iter().map(|(name, count)| format!("{name} {count}")).collect();
    all.join(", ")
}
