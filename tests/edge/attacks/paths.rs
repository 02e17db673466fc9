//! The path that is judged is the path that arrives, over spellings that nobody has listed.

use edgeward::core::path::RequestPath;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use url::{Position, Url};

use super::*;
use mint::{token, token_with};

/// A target whose segments are names of ours and of others, each written as some parser would read it.
fn tricky_target() -> impl Strategy<Value = String> {
    let separators = [
        "/",
        "/",
        "/",
        "//",
        "/./",
        "/../",
        "/x/../",
        "/x/%2e%2E/",
        "\\",
        "/.%2e/",
        "%2f",
        "%5C",
        "%252f",
        "/;/",
        "/;x/",
        "/..;/",
        "/x/..;/",
        "/.../",
        "/%09/",
        "/ /",
        "/%20/",
        "\u{ef}\u{bc}\u{8f}",
    ];
    let names = [
        "admin",
        "admin",
        "admin",
        "ADMIN",
        "Admin",
        "%61dmin",
        "a%64min",
        "%2561dmin",
        "%41DMIN",
        "admin.",
        "admin;x",
        "admin;",
        "admin%20",
        "admin%00",
        "admin%0a",
        "admin%3b",
        "\u{ef}\u{bd}\u{81}dmin",
        "%EF%BD%81dmin",
        "ad%u006din",
        "adm%c4%b1n",
        "public",
        "Public",
        "a",
        "",
        "..",
        ".",
        "%2e%2e",
        "%2E",
        "%c0%ae%c0%ae",
        "_edgeward",
        "%5fedgeward",
        "x",
    ];
    let ends = [
        "",
        "",
        "",
        "/",
        "?",
        "?a=/public",
        "?/../admin",
        "%3fx",
        "%3Fa=/public",
        "#x",
        "%23",
        "/..",
        "/.",
        ";",
        ".",
        "..",
        "%2f",
        "\\",
        "%00",
        "%",
        "%zz",
        "&",
        "?%2f..%2fadmin",
        "\u{e9}",
        "{}",
        "\"",
        "|",
        "^",
        "`",
        "'",
    ];
    let part =
        (proptest::sample::select(separators.to_vec()), proptest::sample::select(names.to_vec()));
    let parts = proptest::collection::vec(part, 1..4);
    (parts, proptest::sample::select(ends.to_vec())).prop_map(|(parts, end)| {
        let path: String =
            parts.into_iter().flat_map(|(separator, name)| [separator, name]).collect();
        let slash = if path.starts_with(['/', '\\']) { "" } else { "/" };
        format!("{slash}{path}{end}")
    })
}

/// One way in which an origin may read a path.
struct Reading {
    rounds: usize,
    is_windows: bool,
    has_parameters: bool,
    cuts: bool,
}

impl Reading {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for rounds in 0..3 {
            for bits in 0..8 {
                all.push(Self {
                    rounds,
                    is_windows: bits & 1 > 0,
                    has_parameters: bits & 2 > 0,
                    cuts: bits & 4 > 0,
                });
            }
        }
        all
    }

    /// The segments that are left when such an origin has read it.
    fn segments(&self, path: &str) -> Vec<String> {
        let mut path = path.to_owned();
        for _ in 0..self.rounds {
            path = decoded(&path);
        }
        if self.cuts {
            path = path.split(['?', '#', '\0']).next().unwrap_or_default().to_owned();
        }
        let is_separator = |letter: char| letter == '/' || self.is_windows && letter == '\\';
        let mut segments = Vec::new();
        for segment in path.split(is_separator) {
            let segment = match segment.split_once(';') {
                Some((name, _)) if self.has_parameters => name,
                _ => segment,
            };
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                name if self.is_windows => {
                    segments.push(name.trim_end_matches(['.', ' ']).to_ascii_lowercase());
                }
                name => segments.push(name.to_owned()),
            }
        }
        segments
    }
}

/// Percent-decoded once; a byte is a character.
fn decoded(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let (mut at, mut found) = (0, String::new());
    while at < bytes.len() {
        let digits: String = bytes[at + 1..].iter().take(2).collect();
        match u8::from_str_radix(&digits, 16) {
            Ok(byte) if bytes[at] == '%' && digits.len() == 2 && !digits.starts_with('+') => {
                found.push(char::from(byte));
                at += 3;
            }
            _ => {
                found.push(bytes[at]);
                at += 1;
            }
        }
    }
    found
}

/// Path and query of a target as an independent URL parser reads them. A character of the target is a byte on
/// the wire.
fn as_any_url_parser_reads(target: &str) -> String {
    let bytes: Vec<u8> = target.chars().map(|letter| u8::try_from(letter).unwrap()).collect();
    let target = String::from_utf8_lossy(&bytes);
    let url = Url::parse(&format!("http://{}{target}", client::HOST)).unwrap();
    let (path, query) = (&url[Position::BeforePath..Position::AfterPath], url.query());
    // As in tests/paths.rs: the runtime encodes `^` in a path, as the standard has it since 2025.
    let path = path.replace('^', "%5E");
    query.map_or(path.clone(), |query| format!("{path}?{query}"))
}

#[tokio::test]
async fn the_path_that_is_judged_is_the_path_that_arrives_however_it_is_written() {
    let mut siege = Siege::of(|setup| {
        setup.access("/", "public").rule(json!({ "path": "/admin", "scopes_all": ["admin"] }))
    })
    .await;
    let (user, admin) = (token(), token_with(json!({ "scope": "admin" })));
    let (mut runner, strategy) = (TestRunner::deterministic(), tricky_target());
    let readings = Reading::all();
    let (mut arrived, mut refused, mut shut) = (0, 0, 0);
    for _ in 0..700 {
        let target = strategy.new_tree(&mut runner).unwrap().current();
        let sent = async |asked: client::Request| {
            let before = siege.origin.count();
            // The runtime may end the connection without an answer.
            let reply = client::try_raw(siege.gate.addr, &asked.bytes()).await;
            let status = reply.map_or(400, |reply| reply.status);
            let seen = (siege.origin.count() > before).then(|| siege.origin.last());
            (status, seen)
        };
        let (nobody, user, admin) = (
            sent(get(&target)).await,
            sent(get(&target).bearer(&user)).await,
            sent(get(&target).bearer(&admin)).await,
        );
        for (who, (status, seen)) in [("nobody", &nobody), ("a user", &user), ("the admin", &admin)]
        {
            assert!(matches!(status, 200 | 400 | 401 | 403 | 404 | 405), "{target}: {status}");
            let Some(seen) = seen else {
                assert_ne!(*status, 200, "{target}");
                continue;
            };
            // What has arrived is what the core calls its normal form, and stays so when it is read again.
            let path = seen.target.split('?').next().unwrap();
            let parsed = RequestPath::parse(path).unwrap();
            assert_eq!(parsed.literal(), path, "{target}");
            assert!(!path.contains(['#', '\\', '\t', ' ']) && path.is_ascii(), "{target}: {path}");
            // And it is what was sent, as others read it, too.
            assert_eq!(seen.target, as_any_url_parser_reads(&target), "{target}");
            for reading in &readings {
                let segments = reading.segments(path);
                let first = segments.first().map_or("", String::as_str);
                assert!(
                    who == "the admin" || first != "admin",
                    "{who} got to {path} by {target}: {segments:?}"
                );
                assert_ne!(first, "_edgeward", "{who}: {path} by {target}");
            }
        }
        match (&nobody, &user, &admin) {
            // One decision, for all who have the same rights.
            ((200, Some(_)), (200, Some(_)), (200, Some(_))) => arrived += 1,
            ((401, None), (403, None), (200, Some(_))) => shut += 1,
            ((status, None), (other, None), (third, None)) if *status >= 400 => {
                assert!(status == other && other == third, "{target}: {status} {other} {third}");
                refused += 1;
            }
            other => panic!("{target}: {:?}", [other.0.0, other.1.0, other.2.0]),
        }
    }
    // The generator makes enough of all of them.
    assert!(arrived > 100 && refused > 50 && shut > 50, "{arrived} {refused} {shut}");
    siege.passes("good", &get("/")).await;
    siege.gate.must_be_calm();
}

#[tokio::test]
async fn the_host_that_is_judged_is_the_host_that_arrives() {
    let siege = Siege::of(|setup| {
        setup
            .access("/", "public")
            .rule(json!({ "path": "/", "hosts": ["inner.example"], "access": "required" }))
    })
    .await;
    let mut arrived = 0;
    for target in [
        "/x",
        "//inner.example/x",
        "http://inner.example/x",
        "http://outer.example/x",
        "HTTP://INNER.EXAMPLE/x",
        "https://inner.example/x",
        "ws://inner.example/x",
        "ftp://inner.example/x",
        "http://inner.example:80/x",
        "http://a@inner.example/x",
        "http://inner.example@outer.example/x",
        "http:inner.example/x",
        "http:/inner.example/x",
        "http:///x",
        "javascript:x",
        "inner.example/x",
        "*",
        "@inner.example/x",
        "?@inner.example/x",
        ".inner.example/x",
        ":80/x",
        "\\\\inner.example\\x",
    ] {
        for host in [
            "inner.example",
            "outer.example",
            "INNER.example.",
            "inner.example:8080",
            "inner.example.",
            "outer.example:80",
            "outer.example/",
            "outer.example#",
            "outer.example?",
            "inner.example@outer.example",
            "outer.example@inner.example",
            "outer.example\\inner.example",
            "inner%2eexample",
            "inner.example%00",
            "\u{ef}\u{bd}\u{89}nner.example",
            "inner\u{ad}.example",
            "[::1]",
            "127.0.0.1",
            "2130706433",
            "inner.example,outer.example",
            "inner.example outer.example",
            "",
        ] {
            let before = siege.origin.count();
            let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            // As bytes of UTF-8.
            let reply = client::try_raw(siege.gate.addr, bytes.as_bytes()).await;
            if siege.origin.count() > before {
                arrived += 1;
                let seen = siege.origin.last();
                let told = seen.header("x-forwarded-host")[0].to_ascii_lowercase();
                let name = told.split(':').next().unwrap().trim_end_matches('.');
                assert_ne!(name, "inner.example", "{target} at {host}: {seen:?}");
                assert!(seen.target.starts_with('/'), "{target} at {host}: {seen:?}");
                assert_eq!(seen.header("host"), [siege.origin.addr.to_string()]);
            } else if let Ok(reply) = reply {
                assert!(
                    matches!(reply.status, 400 | 401 | 405),
                    "{target} at {host}: {}",
                    reply.status
                );
            }
        }
    }
    assert!(arrived > 20, "{arrived}");
    let last = get("/x").header("Host", "outer.example").send(&siege.gate).await;
    last.must_pass();
    siege.gate.must_be_calm();
}
