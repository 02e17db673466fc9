//! A second matcher of rules, against which the table is tested and fuzzed.

use std::collections::BTreeSet;

use edgeward::core::path::RequestPath;
use edgeward::core::rules::Match;

/// The rules that a request must satisfy, as the documentation of the matcher reads, rule by rule: slowly.
#[must_use]
pub fn obvious(
    rules: &[Match],
    host: &str,
    method: &str,
    path: &RequestPath<'_>,
) -> Vec<Option<usize>> {
    let segments = |path: &str| {
        let inner: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        if inner == [""] { Vec::new() } else { inner }
    };
    let best = |reading: &str, folded: bool| {
        let covers = |rule: &Match| {
            let rule_path = RequestPath::parse(&rule.path).expect("a rule of a table");
            let rule_path = if folded { rule_path.folded() } else { rule_path.literal() };
            let method_fits = rule.methods.is_empty()
                || rule.methods.iter().any(|known| known == method)
                || (method == "HEAD" && rule.methods.iter().any(|known| known == "GET"));
            let host_fits = rule.hosts.is_empty() || rule.hosts.iter().any(|known| known == host);
            segments(reading).starts_with(&segments(rule_path)) && method_fits && host_fits
        };
        let rank = |rule: &Match| {
            (segments(&rule.path).len(), !rule.hosts.is_empty(), !rule.methods.is_empty())
        };
        let covering = rules.iter().enumerate().filter(|(_, rule)| covers(rule));
        covering.max_by_key(|(_, rule)| rank(rule)).map(|(index, _)| index)
    };
    let mut found = vec![best(path.literal(), false), best(path.folded(), true)];
    found.extend(path.cut().map(|cut| best(cut, true)));
    let mut seen = BTreeSet::new();
    found.retain(|rule| seen.insert(*rule));
    found
}
