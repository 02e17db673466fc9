//! Rules and requests: the table finds what the obvious matcher finds.
//!
//! One line each: `PATH METHODS HOSTS` for a rule, in which commas separate what are several and `-` is none,
//! up to an empty line; then `HOST METHOD PATH` for a request.

use edgeward::core::path::RequestPath;
use edgeward::core::rules::{Match, RuleTable, Standing, normalize_host};

use super::obvious::obvious;

/// Checks an input.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut rules: Vec<Match> = lines
        .by_ref()
        .take_while(|line| !line.is_empty())
        .take(16)
        .filter_map(|line| {
            let [path, methods, hosts] = fields(line)?;
            let list = |text: &str| match text {
                "-" => Vec::new(),
                text => text.split(',').map(str::to_owned).collect(),
            };
            Some(Match { path: path.to_owned(), methods: list(methods), hosts: list(hosts) })
        })
        .collect();
    let table = match table(&rules) {
        Ok(table) => table,
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.to_string().starts_with("rules["), "{error}");
            }
            return;
        }
    };
    for rule in &mut rules {
        for host in &mut rule.hosts {
            *host = normalize_host(host).into_owned();
        }
    }
    for line in lines.take(16) {
        let Some([host, method, raw]) = fields(line) else { continue };
        let Ok(path) = RequestPath::parse(raw) else { continue };
        let matched = table.matching(host, method, &path);
        let found: Vec<Option<usize>> =
            matched.iter().map(|rule| rule.map(|rule| rule.index)).collect();
        let plain_host = normalize_host(host);
        assert_eq!(found, obvious(&rules, &plain_host, method, &path), "{line}");
        assert!(matched.iter().flatten().all(|rule| *rule.requirement == rule.index));
        let standings: Vec<Standing> = table.standings(host, method, &path, &matched).collect();
        for (index, standing) in standings.iter().enumerate() {
            assert_eq!(*standing == Standing::Decides, found.contains(&Some(index)), "{line}");
        }
    }
}

fn table(rules: &[Match]) -> Result<RuleTable<usize>, Vec<edgeward::core::rules::RuleError>> {
    RuleTable::build(rules.iter().cloned().zip(0..).collect())
}

fn fields(line: &str) -> Option<[&str; 3]> {
    let fields: Vec<&str> = line.split(' ').collect();
    fields.try_into().ok()
}
