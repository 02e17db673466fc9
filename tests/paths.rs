//! The readings of a request path.
#![allow(
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "clippy does not take the helpers of a test for a test"
)]

#[path = "support/vectors.rs"]
mod vectors;

use edgeward::core::path::{MAX_PATH_BYTES, PathError, RequestPath};
use proptest::prelude::*;
use url::Url;

/// The pathname that an independent URL parser gives. The query keeps it from trimming the end.
fn pathname(raw_path: &str) -> String {
    let url = Url::parse(&format!("http://origin{raw_path}?")).expect("a path cannot make it fail");
    // `^` joined the path percent-encode set in 2025, with whatwg/url commit 9bc33c3; the runtime
    // follows it and url 2.5.8 does not.
    url.path().replace('^', "%5E")
}

#[test]
fn the_literal_is_what_a_url_parser_makes_of_the_path() {
    let cases = [
        ("/", "/"),
        ("/app", "/app"),
        ("/app/", "/app/"),
        ("/App/X", "/App/X"),
        ("/a//b", "/a//b"),
        ("//a", "//a"),
        ("/a\\b", "/a/b"),
        ("/\\a", "//a"),
        ("/a\tb\nc\rd", "/abcd"),
        ("/.\t./a", "/a"),
        ("/./a", "/a"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/../b", "/b"),
        ("/../../b", "/b"),
        ("/a/b/../c", "/a/c"),
        ("/a//../b", "/a/b"),
        ("/a/%2e/b", "/a/b"),
        ("/a/%2E%2e/b", "/b"),
        ("/a/.%2E/b", "/b"),
        ("/a/%2e./b", "/b"),
        ("/a\\..\\b", "/b"),
        ("/a%2ex", "/a%2ex"),
        ("/a b", "/a%20b"),
        ("/a^b", "/a%5Eb"),
        ("/\"<>`{}", "/%22%3C%3E%60%7B%7D"),
        ("/é", "/%C3%A9"),
        ("/\u{1}\u{7f}", "/%01%7F"),
        ("/!$&'()*+,-._~:;=@[]|", "/!$&'()*+,-._~:;=@[]|"),
        ("/%zz%4%", "/%zz%4%"),
        ("/%41%c3%a9", "/%41%c3%a9"),
        ("/...", "/..."),
    ];
    for (raw, literal) in cases {
        let path = RequestPath::parse(raw);
        assert_eq!(path.as_ref().map(RequestPath::literal), Ok(literal), "{raw:?}");
        assert_eq!(pathname(raw), literal, "{raw:?}");
    }
}

#[test]
fn the_other_readings_are_those_of_origins_that_decode_or_strip_more() {
    let cases: [(&str, &[&str]); 37] = [
        ("/app/x", &[]),
        ("/app/", &[]),
        ("/.well-known/a.b", &[]),
        ("/a:b@c!$&'()*+,=~", &[]),
        ("/App", &["/app"]),
        ("/%61pp", &["/app"]),
        ("/%2561pp", &["/app"]),
        ("/%252561pp", &["/app"]),
        ("/app%2Fx", &["/app/x"]),
        ("/app%5cx", &["/app/x"]),
        ("/app%252fx", &["/app/x"]),
        ("//app", &["/app"]),
        ("/a//b///c", &["/a/b/c"]),
        ("/a//", &["/a/"]),
        ("/app;v=1/x", &["/app/x"]),
        ("/app%3bv=1/x", &["/app/x"]),
        ("/;/app", &["/app"]),
        ("/app.", &["/app"]),
        ("/app./x", &["/app/x"]),
        ("/app%20", &["/app"]),
        ("/app%20.%20/x", &["/app/x"]),
        ("/.../app", &["/app"]),
        ("/app%3Fx", &["/app?x", "/app"]),
        ("/app%23/x", &["/app#/x", "/app"]),
        ("/app%253f/x", &["/app?/x", "/app"]),
        ("/App;%3f/x", &["/app/x", "/app"]),
        ("/app;%3f", &["/app"]),
        ("/app.%3fx", &["/app.?x", "/app"]),
        ("/%3fx", &["/?x", "/"]),
        ("/%EF%BD%81pp", &["/app"]),
        ("/ａｐｐ／x", &["/app/x"]),
        ("/％61pp", &["/app"]),
        ("/a%09p%0ap", &["/app"]),
        ("/%2\u{1}561pp", &["/app"]),
        ("/CAF%C3%89", &["/café"]),
        ("/caf%E9", &["/café"]),
        ("/%zz%4", &[]),
    ];
    for (raw, readings) in cases {
        let path = RequestPath::parse(raw).unwrap_or_else(|error| panic!("{raw:?}: {error}"));
        let found: Vec<&str> = path.other_readings().collect();
        assert_eq!(found, readings, "{raw:?}");
    }
}

#[test]
fn letters_that_meet_in_upper_case_meet_in_the_folded_reading() {
    for raw in ["/\u{17f}ecret", "/SECRET", "/%C5%BFecret"] {
        assert_eq!(RequestPath::parse(raw).as_ref().map(RequestPath::folded), Ok("/secret"));
    }
    assert_eq!(RequestPath::parse("/\u{212a}eys").as_ref().map(RequestPath::folded), Ok("/keys"));
}

#[test]
fn a_path_without_a_safe_reading_is_refused() {
    let cases = [
        ("", PathError::NotOriginForm),
        ("*", PathError::NotOriginForm),
        ("app", PathError::NotOriginForm),
        ("\\app", PathError::NotOriginForm),
        ("\t/app", PathError::NotOriginForm),
        ("http://origin/app", PathError::NotOriginForm),
        ("origin:443", PathError::NotOriginForm),
        ("/app?a=/public", PathError::NotOriginForm),
        ("/app#x", PathError::NotOriginForm),
        ("/a\0b", PathError::Nul),
        ("/a%00b", PathError::Nul),
        ("/a%2500b", PathError::Nul),
        ("/a%252500b", PathError::Nul),
        ("/a%25252500b", PathError::EncodedTooDeep),
        ("/a%2f..", PathError::HiddenDotSegment),
        ("/a%2f../b", PathError::HiddenDotSegment),
        ("/a%2f%2e%2e%2fb", PathError::HiddenDotSegment),
        ("/a%5c..", PathError::HiddenDotSegment),
        ("/..%5cb", PathError::HiddenDotSegment),
        ("/a%2f.%2fb", PathError::HiddenDotSegment),
        ("/a/..;/b", PathError::HiddenDotSegment),
        ("/a/..;x=y/b", PathError::HiddenDotSegment),
        ("/a/.;/b", PathError::HiddenDotSegment),
        ("/a/..%3b/b", PathError::HiddenDotSegment),
        ("/a/%2e%2e;/b", PathError::HiddenDotSegment),
        ("/a/%252e%252e/b", PathError::HiddenDotSegment),
        ("/a/%252e/b", PathError::HiddenDotSegment),
        ("/a/%25252e%25252e/b", PathError::HiddenDotSegment),
        ("/a/..%20/b", PathError::HiddenDotSegment),
        ("/a/.. /b", PathError::HiddenDotSegment),
        ("/a/%20../b", PathError::HiddenDotSegment),
        ("/a/..%20../b", PathError::HiddenDotSegment),
        ("/a/..%09/b", PathError::HiddenDotSegment),
        ("/a/.%0a./b", PathError::HiddenDotSegment),
        ("/a/..%3fx", PathError::HiddenDotSegment),
        ("/a/..%23", PathError::HiddenDotSegment),
        ("/a/．．/b", PathError::HiddenDotSegment),
        ("/a;x%2fb", PathError::SeparatorAmongParameters),
        ("/a%2fb;x", PathError::SeparatorAmongParameters),
        ("/a;x%5Cb", PathError::SeparatorAmongParameters),
        ("/a%3bx%2fb", PathError::SeparatorAmongParameters),
        ("/a%3bx%252fb", PathError::SeparatorAmongParameters),
        ("/a;%2f..%2fb", PathError::SeparatorAmongParameters),
        ("/%25252541", PathError::EncodedTooDeep),
        ("/%2525252525", PathError::EncodedTooDeep),
        ("/%u0061dmin", PathError::UnicodeEscape),
        ("/%U0061dmin", PathError::UnicodeEscape),
        ("/%25u0061dmin", PathError::UnicodeEscape),
        ("/％u0061dmin", PathError::UnicodeEscape),
        ("/%c0%ae%c0%ae/b", PathError::OverlongUtf8),
        ("/%c0%af", PathError::OverlongUtf8),
        ("/%C1%9C", PathError::OverlongUtf8),
        ("/%25c0%25af", PathError::OverlongUtf8),
        ("/%e0%80%af", PathError::OverlongUtf8),
        ("/%e0%9f%bf", PathError::OverlongUtf8),
        ("/%f0%80%80%af", PathError::OverlongUtf8),
        ("/%f0%8f%bf%bf", PathError::OverlongUtf8),
        ("/%f8%80%80%80%af", PathError::OverlongUtf8),
        ("/%fc%80%80%80%80%af", PathError::OverlongUtf8),
    ];
    for (raw, error) in cases {
        assert_eq!(RequestPath::parse(raw), Err(error), "{raw:?}");
    }
}

#[test]
fn what_only_looks_suspicious_passes() {
    let cases = [
        "/100%25",
        "/100%2525",
        "/100%25%20off",
        "/%u006",
        "/%ux061",
        "/%zz",
        "/%",
        "/a%2fb",
        "/a;x=1/b%2fc",
        "/..a",
        "/a..",
        "/a..b",
        "/....",
        "/%e0%a0%80",
        "/%f0%90%80%80",
        "/%ff%fe",
        "/~user/[1]",
    ];
    for raw in cases {
        assert!(RequestPath::parse(raw).is_ok(), "{raw:?}");
    }
}

#[test]
fn the_limit_holds_before_and_after_encoding() {
    let longest = format!("/{}", "a".repeat(MAX_PATH_BYTES - 1));
    assert!(RequestPath::parse(&longest).is_ok());
    assert_eq!(RequestPath::parse(&format!("{longest}a")), Err(PathError::TooLong));
    let grows = format!("/{}", " ".repeat(MAX_PATH_BYTES / 2));
    assert_eq!(RequestPath::parse(&grows), Err(PathError::TooLong));
}

#[test]
fn no_reading_outgrows_the_limit_by_more_than_case_folding_does() {
    let parts = ["%25", "/", "\\", "../", "%2e/", ";", "%3f/", "%ce%90", ".", "%ff", "%ef%bc%85"];
    for part in parts {
        let raw = format!("/{}", part.repeat((MAX_PATH_BYTES - 1) / part.len()));
        if let Ok(path) = RequestPath::parse(&raw) {
            let readings = path.other_readings().chain([path.literal()]);
            assert!(readings.into_iter().all(|text| text.len() <= 3 * MAX_PATH_BYTES), "{part:?}");
        }
    }
}

/// Text from the pieces that path parsers disagree about.
fn tricky_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("\\"),
        Just("."),
        Just(".."),
        Just("%2e"),
        Just("%2E"),
        Just("%25"),
        Just("%2f"),
        Just("%5c"),
        Just("%3b"),
        Just("%3f"),
        Just("%23"),
        Just("%00"),
        Just("%20"),
        Just("%09"),
        Just("%c3%a9"),
        Just("%e9"),
        Just("%u0061"),
        Just("%"),
        Just("2e"),
        Just(";"),
        Just("^"),
        Just(" "),
        Just("\t"),
        Just("\n"),
        Just("\u{0}"),
        Just("é"),
        Just("．"),
        Just("％"),
        Just("|"),
        Just("a"),
        Just("B"),
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof![tricky_path(), any::<String>().prop_map(|text| format!("/{text}")), "/[ -~]{0,24}",]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_literal_agrees_with_an_independent_url_parser(raw in any_path()) {
        if let Ok(path) = RequestPath::parse(&raw) {
            prop_assert_eq!(path.literal(), pathname(&raw));
        }
    }

    #[test]
    fn parsing_the_literal_again_changes_nothing(raw in any_path()) {
        if let Ok(path) = RequestPath::parse(&raw) {
            prop_assert_eq!(RequestPath::parse(path.literal()), Ok(path.clone()));
        }
    }

    #[test]
    fn no_reading_has_a_dot_segment_or_an_empty_one(raw in any_path()) {
        if let Ok(path) = RequestPath::parse(&raw) {
            for reading in [Some(path.folded()), path.cut()].into_iter().flatten() {
                let inner = reading.strip_prefix('/').expect("every reading is rooted");
                let inner = inner.strip_suffix('/').unwrap_or(inner);
                let bad = |segment: &str| segment == "." || segment == ".." || segment.is_empty();
                prop_assert!(inner.is_empty() || !inner.split('/').any(bad), "{:?}", reading);
            }
            prop_assert!(!path.literal().split('/').any(|segment| segment == ".."));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(raw in any::<String>()) {
        let _ = RequestPath::parse(&raw);
    }
}

/// Request targets of the Istio project (istio/istio 86c9f01,
/// `tests/integration/security/normalization_test.go`, Apache-2.0), where they are at hand.
#[test]
fn the_literal_of_istios_targets_agrees_with_an_independent_url_parser() {
    let Some(lines) = vectors::read("istio_path_normalisation.jsonl") else { return };
    let mut compared = 0;
    for line in lines.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let raw = case["path"].as_str().unwrap();
        if let Ok(path) = RequestPath::parse(raw) {
            assert_eq!(path.literal(), pathname(raw), "{raw:?}");
            compared += 1;
        }
    }
    assert!(compared > 250, "most of them are honest, but only {compared} were read");
}
