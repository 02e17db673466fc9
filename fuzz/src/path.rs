//! The path of a request, and whether it reaches what a rule protects.

use edgeward::core::path::{MAX_PATH_BYTES, RequestPath};
use edgeward::core::rules::{Match, RuleTable};

use super::model;

/// Checks an input.
pub fn check(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data) else { return };
    let Ok(path) = RequestPath::parse(raw) else { return };
    let literal = path.literal();
    assert!(literal.starts_with('/') && literal.len() <= MAX_PATH_BYTES);
    assert!(literal.bytes().all(|byte| byte.is_ascii_graphic()), "{literal:?}");
    assert!(!literal.contains(['?', '#', '\\']), "{literal:?}");
    let is_dot = |one: &str| matches!(one.to_lowercase().replace("%2e", ".").as_str(), "." | "..");
    assert!(!literal.split('/').any(is_dot), "{literal:?}");

    // What is forwarded is read as what was decided about.
    let again = RequestPath::parse(literal).expect("a literal is a path");
    assert_eq!(
        (again.literal(), again.folded(), again.cut()),
        (literal, path.folded(), path.cut())
    );

    for reading in path.other_readings().chain([path.folded()]) {
        assert!(reading.starts_with('/') && !reading.contains("//"), "{reading:?}");
        assert!(!reading.bytes().any(|byte| byte.is_ascii_uppercase()) || reading == literal);
        assert!(!reading.split('/').any(is_dot), "{reading:?}");
    }
    check_protection(raw, &path);
}

/// Whoever decodes what is forwarded, up to three times, and takes no notice of case, does not find `/admin`
/// unless the rule of `/admin` was met.
fn check_protection(raw: &str, path: &RequestPath<'_>) {
    let rule = |path: &str| (Match { path: path.to_owned(), ..Match::default() }, ());
    let table = RuleTable::build(vec![rule("/admin"), rule("/")]).expect("these are rules");
    let is_met = table.matching("h", "GET", path).iter().flatten().any(|rule| rule.index == 0);
    let mut seen = path.literal().as_bytes().to_vec();
    for _ in 0..4 {
        let lower = seen.to_ascii_lowercase();
        let separators: Vec<u8> =
            lower.iter().map(|one| if *one == b'\\' { b'/' } else { *one }).collect();
        let first = separators.split(|one| *one == b'/').find(|segment| !segment.is_empty());
        let is_admin = first.is_some_and(|segment| {
            segment.strip_prefix(b"admin").is_some_and(|rest| rest.is_empty() || rest[0] == b';')
        });
        assert!(is_met || !is_admin, "{raw:?}");
        seen = model::percent_decoded(&seen);
    }
}
