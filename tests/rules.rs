//! Which rules a request must satisfy.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy does not take the helpers of a test for a test"
)]

use edgeward::core::path::{PathError, RequestPath};
use edgeward::core::rules::{
    HostProblem, Match, MethodProblem, PathProblem, RuleError, RuleTable, Standing, normalize_host,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::obvious::obvious;

#[path = "support/obvious.rs"]
mod obvious;

fn rule(path: &str, methods: &[&str], hosts: &[&str]) -> Match {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Match { path: path.to_owned(), methods: owned(methods), hosts: owned(hosts) }
}

/// A table whose payload is the path of the rule.
fn table(rules: &[Match]) -> Result<RuleTable<String>, Vec<RuleError>> {
    RuleTable::build(rules.iter().map(|rule| (rule.clone(), rule.path.clone())).collect())
}

fn paths(paths: &[&str]) -> RuleTable<String> {
    let rules: Vec<Match> = paths.iter().map(|path| rule(path, &[], &[])).collect();
    table(&rules).unwrap()
}

/// The indices of the rules that a request must satisfy, or why its path is refused.
fn required<T>(
    table: &RuleTable<T>,
    host: &str,
    method: &str,
    raw_path: &str,
) -> Result<Vec<Option<usize>>, PathError> {
    let path = RequestPath::parse(raw_path)?;
    Ok(table.matching(host, method, &path).iter().map(|rule| rule.map(|rule| rule.index)).collect())
}

#[test]
fn a_rule_covers_its_path_and_whole_segments_below() {
    let table = paths(&["/admin"]);
    for covered in ["/admin", "/admin/", "/admin/x", "/admin/x/y/z", "/admin//"] {
        assert_eq!(required(&table, "h", "GET", covered), Ok(vec![Some(0)]), "{covered}");
    }
    for other in ["/", "/administrator", "/admin-x", "/x/admin", "/admi", "/admin.json"] {
        assert_eq!(required(&table, "h", "GET", other), Ok(vec![None]), "{other}");
    }
}

#[test]
fn the_root_covers_everything_and_no_rule_covers_nothing() {
    for path in ["/", "//", "/x", "/x/y/", "/%ff", "/X;y"] {
        assert_eq!(required(&paths(&["/"]), "h", "GET", path), Ok(vec![Some(0)]), "{path}");
        assert_eq!(required(&paths(&[]), "h", "GET", path), Ok(vec![None]), "{path}");
    }
}

#[test]
fn the_most_specific_rule_wins_and_what_does_not_fit_falls_back() {
    let table = table(&[
        rule("/", &[], &[]),                                  // 0
        rule("/api", &[], &[]),                               // 1
        rule("/api", &["POST"], &[]),                         // 2
        rule("/api", &[], &["a.example", "b.example"]),       // 3
        rule("/api", &["POST"], &["a.example"]),              // 4
        rule("/api/v1/users", &["DELETE"], &["a.example"]),   // 5
        rule("/api/v1", &["GET"], &[]),                       // 6
        rule("/only", &["PURGE"], &["a.example"]),            // 7
        rule("/api/v1/users/me", &["LINK", "M-SEARCH"], &[]), // 8
    ])
    .unwrap();
    let cases = [
        ("a.example", "POST", "/api", 4),
        ("a.example", "GET", "/api", 3),
        ("b.example", "POST", "/api", 3),
        ("c.example", "POST", "/api", 2),
        ("c.example", "PUT", "/api/x", 1),
        ("c.example", "PUT", "/x", 0),
        ("a.example", "GET", "/api/v1/x", 6),
        ("a.example", "HEAD", "/api/v1/x", 6),
        ("a.example", "POST", "/api/v1/x", 4),
        ("a.example", "DELETE", "/api/v1/users/7", 5),
        ("c.example", "DELETE", "/api/v1/users/7", 1),
        ("c.example", "GET", "/api/v1/users/7", 6),
        ("a.example", "GET", "/only", 0),
        ("a.example", "PURGE", "/only", 7),
        ("c.example", "M-SEARCH", "/api/v1/users/me/x/y", 8),
        ("c.example", "get", "/api/v1/x", 1),
    ];
    for (host, method, path, index) in cases {
        let found = required(&table, host, method, path);
        assert_eq!(found, Ok(vec![Some(index)]), "{host} {method} {path}");
    }
}

#[test]
fn a_head_request_does_not_slip_past_a_rule_for_get() {
    let table = table(&[rule("/", &[], &[]), rule("/admin", &["GET"], &[])]).unwrap();
    assert_eq!(required(&table, "h", "HEAD", "/admin"), Ok(vec![Some(1)]));
    assert_eq!(required(&table, "h", "OPTIONS", "/admin"), Ok(vec![Some(0)]));
}

#[test]
fn the_host_of_a_request_counts_without_port_case_and_trailing_dot() {
    let table = table(&[
        rule("/", &[], &["App.Example."]),
        rule("/", &[], &["[2001:DB8:0::1]"]),
        rule("/", &[], &["192.0.2.1"]),
    ])
    .unwrap();
    let cases = [
        ("app.example", Some(0)),
        ("APP.example", Some(0)),
        ("app.example.", Some(0)),
        ("app.example:8443", Some(0)),
        ("app.example.:443", Some(0)),
        ("app.example:", Some(0)),
        ("[2001:db8::1]", Some(1)),
        ("[2001:DB8::0:1]:443", Some(1)),
        ("192.0.2.1:80", Some(2)),
        ("x.app.example", None),
        ("app.example.evil", None),
        ("app.example@evil", None),
        ("evil@app.example", None),
        ("app.example:x", None),
        ("", None),
        ("[", None),
        ("2001:db8::1", None),
    ];
    for (host, index) in cases {
        assert_eq!(required(&table, host, "GET", "/x"), Ok(vec![index]), "{host}");
    }
}

#[test]
fn a_host_that_is_normal_already_is_borrowed() {
    for host in ["app.example", "[::1]", "192.0.2.1", "app.example:443", "app.example."] {
        assert!(matches!(normalize_host(host), std::borrow::Cow::Borrowed(_)), "{host}");
    }
}

#[test]
fn a_request_must_satisfy_the_rule_of_every_reading() {
    let table = paths(&["/public", "/admin", "/public/admin"]);
    let cases: [(&str, &[Option<usize>]); 14] = [
        ("/public/x", &[Some(0)]),
        ("/PUBLIC", &[None, Some(0)]),
        ("/Admin", &[None, Some(1)]),
        ("//admin", &[None, Some(1)]),
        ("/admin;x", &[None, Some(1)]),
        ("/admin/%2561", &[Some(1)]),
        ("/public//admin", &[Some(0), Some(2)]),
        ("/public/%61dmin", &[Some(0), Some(2)]),
        ("/public%2fadmin", &[None, Some(2)]),
        ("/public/x%2fadmin", &[Some(0)]),
        ("/public/../admin", &[Some(1)]),
        ("/admin%3f/x", &[None, Some(1)]),
        ("/public/admin%3f", &[Some(0), Some(2)]),
        ("/public/Admin%3f/x", &[Some(0), Some(2)]),
    ];
    for (path, expected) in cases {
        assert_eq!(required(&table, "h", "GET", path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn a_rule_in_upper_case_is_found_by_exact_and_by_folded_readings() {
    let table = paths(&["/", "/Admin"]);
    assert_eq!(required(&table, "h", "GET", "/Admin/x"), Ok(vec![Some(1)]));
    assert_eq!(required(&table, "h", "GET", "/admin/x"), Ok(vec![Some(0), Some(1)]));
    assert_eq!(required(&table, "h", "GET", "/ADMIN/x"), Ok(vec![Some(0), Some(1)]));
}

#[test]
fn a_rule_for_an_encoded_path_covers_its_other_encodings() {
    let table = paths(&["/", "/caf%C3%A9"]);
    assert_eq!(required(&table, "h", "GET", "/café"), Ok(vec![Some(1)]));
    for path in ["/caf%c3%a9", "/CAF%C3%89", "/caf%E9", "/caf%25C3%25A9"] {
        assert_eq!(required(&table, "h", "GET", path), Ok(vec![Some(0), Some(1)]), "{path}");
    }
}

#[test]
fn a_protected_path_is_not_reached_under_another_spelling() {
    let table = paths(&["/", "/admin"]);
    let spellings = [
        "//admin",
        "/./admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/x\\..\\admin",
        "\\admin",
        "/%61dmin",
        "/%2561dmin",
        "/%252561dmin",
        "/%25252561dmin",
        "/ADMIN",
        "/admin/",
        "/admin//",
        "/admin%2f",
        "/admin%2fx",
        "/admin%5cx",
        "/%2fadmin",
        "/%5cadmin",
        "/x%2f..%2fadmin",
        "/x/..%2fadmin",
        "/x/..;/admin",
        "/x/..;a=b/admin",
        "/x/%252e%252e/admin",
        "/x/%c0%ae%c0%ae/admin",
        "/%c0%afadmin",
        "/;/admin",
        "/;x=y/admin",
        "/admin;x",
        "/admin;x=y/z",
        "/admin%3bx",
        "/admin.",
        "/admin./x",
        "/admin%2e",
        "/admin%20",
        "/admin%20/x",
        "/admin%00",
        "/admin%00.png",
        "/admin%0a",
        "/admin%09/x",
        "/ad%0dmin",
        "/admin?a=/public",
        "/admin#/public",
        "/admin%23",
        "/admin%3f",
        "/admin%3fa=/public",
        "/admin%253fx",
        "/ａｄｍｉｎ",
        "/%EF%BC%A1dmin",
        "／admin",
        "/%EF%BC%8Fadmin",
        "/%u0061dmin",
        "/.../admin",
        "/ad\tmin",
        "*",
        "http://origin/admin",
    ];
    for spelling in spellings {
        if let Ok(found) = required(&table, "h", "GET", spelling) {
            assert!(found.contains(&Some(1)), "{spelling}: {found:?}");
        }
    }
}

#[test]
fn a_path_in_a_rule_has_one_spelling() {
    let respell = |write: &str| PathProblem::Respell { write: write.to_owned() };
    let pattern = |fixed: &str| PathProblem::Pattern { fixed: fixed.to_owned() };
    let cases = [
        ("", respell("/")),
        ("admin", respell("/admin")),
        ("/admin/", respell("/admin")),
        ("//", respell("/")),
        ("/a//b", respell("/a/b")),
        ("/a/./b", respell("/a/b")),
        ("/a/../b", respell("/b")),
        ("/a/%2e%2e/b", respell("/b")),
        ("/a\\b", respell("/a/b")),
        ("/a?b=c", respell("/a")),
        ("/a#b", respell("/a")),
        ("/a;b", respell("/a")),
        ("/a.", respell("/a")),
        ("/.../a", respell("/a")),
        ("/a%20/b", respell("/a/b")),
        ("/a b", respell("/a%20b")),
        ("/café", respell("/caf%C3%A9")),
        ("/caf%c3%a9", respell("/caf%C3%A9")),
        ("/%61dmin", respell("/admin")),
        ("/admin/*", pattern("/admin")),
        ("/admin*", pattern("/")),
        ("/users/{id}/x", pattern("/users")),
        ("/users/:id", pattern("/users")),
        ("/**", pattern("/")),
        ("/admin/%2A", pattern("/admin")),
        ("/a%2fb", PathProblem::Encoding),
        ("/a%5Cb", PathProblem::Encoding),
        ("/a%3Bb", PathProblem::Encoding),
        ("/a%3Fb", PathProblem::Encoding),
        ("/a%23b", PathProblem::Encoding),
        ("/100%", PathProblem::Encoding),
        ("/100%25", PathProblem::Encoding),
        ("/a%09b", PathProblem::Encoding),
        ("/caf%E9", PathProblem::Encoding),
        ("/a%EF%BC%8Fb", PathProblem::Encoding),
        ("/a%00", PathProblem::Refused(PathError::Nul)),
        ("/..;/a", PathProblem::Refused(PathError::HiddenDotSegment)),
    ];
    for (path, problem) in cases {
        let found = path.to_owned();
        let expected = vec![RuleError::Path { rule: 1, found, problem }];
        let built = table(&[rule("/fine", &[], &[]), rule(path, &[], &[])]);
        assert_eq!(built.unwrap_err(), expected, "{path}");
    }
    for path in ["/", "/a", "/A/b", "/a%20b", "/caf%C3%A9", "/.well-known/x", "/v1/x:run", "/a,b=c"]
    {
        assert!(table(&[rule(path, &[], &[])]).is_ok(), "{path}");
    }
}

#[test]
fn a_host_in_a_rule_is_a_host_and_nothing_more() {
    let respell = |write: &str| HostProblem::Respell { write: write.to_owned() };
    let cases = [
        ("app.example:443", respell("app.example")),
        ("https://app.example", respell("app.example")),
        ("https://me@app.example:8443/x", respell("app.example")),
        ("app.example/x", respell("app.example")),
        ("[::1]:80", respell("[::1]")),
        ("::1", respell("[::1]")),
        ("*.example", HostProblem::Wildcard),
        ("*", HostProblem::Wildcard),
        ("", HostProblem::NotAHost),
        (".", HostProblem::NotAHost),
        ("a..b", HostProblem::NotAHost),
        ("münchen.example", HostProblem::NotAHost),
        ("app example", HostProblem::NotAHost),
        ("[::1", HostProblem::NotAHost),
        ("[x]", HostProblem::NotAHost),
    ];
    for (host, problem) in cases {
        let found = host.to_owned();
        let expected = vec![RuleError::Host { rule: 0, position: 1, found, problem }];
        assert_eq!(table(&[rule("/", &[], &["a", host])]).unwrap_err(), expected, "{host}");
    }
}

#[test]
fn a_method_in_a_rule_is_a_token_in_upper_case() {
    let respell = |write: &str| MethodProblem::Respell { write: write.to_owned() };
    let cases = [
        ("get", respell("GET")),
        ("Post", respell("POST")),
        ("", MethodProblem::NotAToken),
        ("GET POST", MethodProblem::NotAToken),
        ("GET,POST", MethodProblem::NotAToken),
        ("GÉT", MethodProblem::NotAToken),
    ];
    for (method, problem) in cases {
        let found = method.to_owned();
        let expected = vec![RuleError::Method { rule: 0, position: 1, found, problem }];
        assert_eq!(table(&[rule("/", &["PUT", method], &[])]).unwrap_err(), expected, "{method}");
    }
    assert!(table(&[rule("/", &["*", "GET", "GET", "VERSION-CONTROL"], &[])]).is_ok());
}

#[test]
fn rules_that_no_order_tells_apart_are_an_error_that_names_both() {
    let conflicts: [(Match, Match); 9] = [
        (rule("/a", &[], &[]), rule("/a", &[], &[])),
        (rule("/", &[], &[]), rule("/", &[], &[])),
        (rule("/Admin", &[], &[]), rule("/admin", &[], &[])),
        (rule("/caf%C3%A9", &[], &[]), rule("/CAF%C3%89", &[], &[])),
        (rule("/a", &["GET", "PUT"], &[]), rule("/a", &["PUT", "POST"], &[])),
        (rule("/a", &["GET"], &[]), rule("/a", &["HEAD"], &[])),
        (rule("/a", &[], &["x", "y"]), rule("/a", &[], &["Y.", "z"])),
        (rule("/a", &[], &["[::1]"]), rule("/a", &[], &["[0:0::1]"])),
        (rule("/a", &["GET", "PUT"], &["x", "y"]), rule("/A", &["PUT", "GET"], &["x", "y"])),
    ];
    for (one, other) in conflicts {
        let built = table(&[one.clone(), rule("/between", &[], &[]), other.clone()]);
        let expected = vec![RuleError::Conflict { rule: 2, other: 0 }];
        assert_eq!(built.unwrap_err(), expected, "{one:?} {other:?}");
    }
    let distinct: [(Match, Match); 5] = [
        (rule("/a", &[], &[]), rule("/a/b", &[], &[])),
        (rule("/a", &["GET"], &[]), rule("/a", &["PUT"], &[])),
        (rule("/a", &["GET"], &[]), rule("/a", &[], &["x"])),
        (rule("/a", &[], &["x"]), rule("/A", &[], &["y"])),
        (rule("/a", &["PUT"], &["x"]), rule("/a", &["PUT"], &[])),
    ];
    for (one, other) in distinct {
        assert!(table(&[one.clone(), other.clone()]).is_ok(), "{one:?} {other:?}");
    }
}

#[test]
fn every_mistake_is_reported_at_once_with_its_key_and_its_mend() {
    let errors = table(&[
        rule("/admin/*", &["GET", "post"], &["app.example:443"]),
        rule("/a", &[], &[]),
        rule("/A", &[], &[]),
    ])
    .unwrap_err();
    let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "rules[0].path: found \"/admin/*\"; expected a path without pattern: a rule covers \
             everything below its path; the part before the pattern is `/admin`",
            "rules[0].methods[1]: found \"post\"; expected `POST`",
            "rules[0].hosts[0]: found \"app.example:443\"; expected `app.example`",
            "rules[2]: found the path, a host and a method of rules[1] again (case does not count \
             in paths, `GET` covers `HEAD`); expected rules[2] and rules[1] to cover no request in \
             common, or one of them to be more specific",
        ]
    );
}

fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(names, 0..=2)
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

/// Rules over few names, so that they overlap, without those that conflict with an earlier one.
fn some_rules() -> impl Strategy<Value = Vec<Match>> {
    let path = proptest::collection::vec(select(&["a", "b", "A", "c%20d", "%C3%A9"][..]), 0..4);
    let rule = (path, some_of(&["GET", "HEAD", "PUT"]), some_of(&["x", "y"])).prop_map(
        |(path, methods, hosts)| Match { path: format!("/{}", path.join("/")), methods, hosts },
    );
    proptest::collection::vec(rule, 0..12).prop_map(|candidates| {
        let mut rules = Vec::new();
        for candidate in candidates {
            rules.push(candidate);
            if table(&rules).is_err() {
                rules.pop();
            }
        }
        rules
    })
}

fn some_path() -> impl Strategy<Value = String> {
    let pieces = [
        "/", "/", "/", "/", "a", "a", "b", "A", "c%20d", "c d", "%C3%A9", "é", "%61", ";", "%2f",
        "%3f", ".", "..", "//",
    ];
    proptest::collection::vec(select(pieces.to_vec()), 0..10)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// A path in which each separator, letter and end of a segment is written in a way that some origin
/// takes for the plain one.
fn respelled(segments: &'static [&'static str]) -> impl Strategy<Value = String> {
    let separator = prop_oneof![
        4 => Just("/"),
        4 => select(&["//", "/./", "/x/../", "/x/%2e%2E/", "\\", "/x\\..\\", "/\t"][..]),
        2 => select(&["%2f", "%5C", "%252f", "/;/", "/;x/", "/.../", "／", "%2f%2F"][..]),
        1 => select(&["/x/..;/", "/x%2f../", "/x/%252e%252e/", "/x/..%5c", "/%c0%af"][..]),
    ];
    let letter = |letter: char| {
        let code = u32::from(letter);
        let wide = char::from_u32(code + 0xfee0).map(String::from).unwrap_or_default();
        prop_oneof![
            8 => Just(letter.to_string()),
            1 => Just(letter.to_uppercase().to_string()),
            1 => Just(format!("%{code:02x}")),
            1 => Just(format!("%25{code:02X}")),
            1 => Just(format!("%2525{code:02x}")),
            1 => Just(format!("%252525{code:02x}")),
            1 => Just(wide),
            1 => Just(format!("%0a{letter}")),
        ]
    };
    let end = prop_oneof![
        6 => Just(""),
        4 => select(&[";x", ";x=1", ";", "%3bx", ".", "..", "%2e", "%20", " ", ". .", "%09"][..]),
        1 => select(&["%00", "%2500", "%e0%80%ae"][..]),
    ];
    let rest =
        select(&["", "", "", "/", "//", "/x", "%3f", "%3Fa=/a", "%23", "%253f/x", "%2fx"][..]);
    let segments: Vec<_> = segments
        .iter()
        .map(|segment| {
            let letters: Vec<_> = segment.chars().map(letter).collect();
            (separator.clone(), letters, end.clone()).prop_map(|(separator, letters, end)| {
                format!("{separator}{}{end}", letters.concat())
            })
        })
        .collect();
    (segments, rest).prop_map(|(segments, rest)| format!("{}{rest}", segments.concat()))
}

/// How a rule stands to a request, by asking it alone: without the others, it decides about everything that
/// it covers.
fn alone(rule: &Match, decides: bool, host: &str, method: &str, raw: &str) -> Standing {
    let covers = |rule: Match| {
        required(&table(&[rule]).unwrap(), host, method, raw).unwrap().contains(&Some(0))
    };
    let without = |hosts: bool, methods: bool| {
        let mut rule = rule.clone();
        if hosts {
            rule.hosts.clear();
        }
        if methods {
            rule.methods.clear();
        }
        covers(rule)
    };
    match () {
        () if decides => Standing::Decides,
        () if !without(true, true) => Standing::OtherPath,
        () if !without(false, true) => Standing::OtherHost,
        () if !without(false, false) => Standing::OtherMethod,
        () => Standing::LessSpecific,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_table_finds_what_the_obvious_matcher_finds(
        rules in some_rules(),
        requests in proptest::collection::vec(
            (select(&["x", "y", "z"][..]), select(&["GET", "HEAD", "PUT", "LINK"][..]), some_path()),
            1..20,
        ),
    ) {
        let table = table(&rules).unwrap();
        for (host, method, raw) in requests {
            if let Ok(path) = RequestPath::parse(&raw) {
                prop_assert_eq!(
                    required(&table, host, method, &raw).unwrap(),
                    obvious(&rules, host, method, &path),
                    "{} {} {}", host, method, raw
                );
                let matched = table.matching(host, method, &path);
                let standings = table.standings(host, method, &path, &matched);
                for (index, standing) in standings.enumerate() {
                    let decides = matched.iter().flatten().any(|rule| rule.index == index);
                    let expected = alone(&rules[index], decides, host, method, &raw);
                    prop_assert_eq!(standing, expected, "{} {} {} {}", index, host, method, raw);
                }
            }
        }
    }

    #[test]
    fn the_order_in_the_file_makes_no_difference(
        (rules, shuffled) in some_rules().prop_flat_map(|rules| {
            let numbered: Vec<(usize, Match)> = rules.iter().cloned().enumerate().collect();
            (Just(rules), Just(numbered).prop_shuffle())
        }),
        host in select(&["x", "y", "z"][..]),
        method in select(&["GET", "HEAD", "PUT"][..]),
        raw in some_path(),
    ) {
        let numbered = rules.into_iter().enumerate().map(|(number, rule)| (rule, number));
        let in_order = RuleTable::build(numbered.collect()).unwrap();
        let swapped = shuffled.into_iter().map(|(number, rule)| (rule, number)).collect();
        let swapped = RuleTable::build(swapped).unwrap();
        if let Ok(path) = RequestPath::parse(&raw) {
            let numbers = |table: &RuleTable<usize>| -> Vec<Option<usize>> {
                let matched = table.matching(host, method, &path);
                matched.iter().map(|rule| rule.map(|rule| *rule.requirement)).collect()
            };
            prop_assert_eq!(numbers(&in_order), numbers(&swapped));
        }
    }

    #[test]
    fn a_respelled_path_is_refused_or_meets_the_rule_that_protects_it(
        outer in respelled(&["admin"]),
        inner in respelled(&["a", "admin"]),
    ) {
        let table = paths(&["/", "/a", "/admin", "/a/admin"]);
        for (raw, protected) in [(outer, 2), (inner, 3)] {
            if let Ok(found) = required(&table, "h", "GET", &raw) {
                prop_assert!(found.contains(&Some(protected)), "{:?}: {:?}", raw, found);
            }
        }
    }

    #[test]
    fn no_rule_that_covers_the_literal_is_lost_in_folding(rules in some_rules(), raw in some_path()) {
        let table = table(&rules).unwrap();
        if let Ok(path) = RequestPath::parse(&raw) {
            let found: Vec<_> = table.matching("x", "GET", &path).iter().collect();
            prop_assert!((1..=3).contains(&found.len()));
            prop_assert!(found[0].is_none() || found.iter().all(Option::is_some), "{}", raw);
        }
    }

    #[test]
    fn a_suggested_spelling_is_accepted(path in "[/a-cA.%2fé;? ]{0,10}", host in "[a.:/*@é1]{0,10}") {
        let errors = table(&[rule(&path, &[], &[&host])]).err().unwrap_or_default();
        for error in errors {
            let mended = match error {
                RuleError::Path { problem: PathProblem::Respell { write }, .. } => rule(&write, &[], &[]),
                RuleError::Host { problem: HostProblem::Respell { write }, .. } => {
                    rule("/", &[], &[&write])
                }
                _ => continue,
            };
            prop_assert!(table(std::slice::from_ref(&mended)).is_ok(), "{:?}", mended);
        }
    }

    #[test]
    fn normalizing_a_host_twice_changes_nothing(
        host in prop_oneof![any::<String>(), "[A-Za-c.:\\[\\]01]{0,16}"],
    ) {
        let once = normalize_host(&host);
        prop_assert_eq!(normalize_host(&once), once.as_ref());
    }

    #[test]
    fn no_input_panics(
        rules in proptest::collection::vec((any::<String>(), any::<String>(), any::<String>()), 0..4),
        host in any::<String>(),
        method in any::<String>(),
        raw in any::<String>(),
    ) {
        let rules = rules.iter().map(|(path, method, host)| rule(path, &[method], &[host]));
        let _ = table(&rules.collect::<Vec<_>>());
        let _ = required(&paths(&["/", "/a"]), &host, &method, &format!("/{raw}"));
    }
}
