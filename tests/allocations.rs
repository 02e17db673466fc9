//! How much memory hostile input can take: a multiple of its own length, and no more.
//!
//! In a binary of its own, whose allocator counts. It counts for each thread, since tests run side by side.
#![allow(unsafe_code, reason = "an allocator cannot be had without it")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test that cannot go on says so by panicking, and its items are for itself alone"
)]
#![cfg(not(target_arch = "wasm32"))]

#[allow(dead_code, reason = "the targets are for another test")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::config::Settings;
use edgeward::core::introspection;
use edgeward::core::json::parse_strict;
use edgeward::core::mutate::{Edits, HeaderMap};
use edgeward::core::path::RequestPath;
use edgeward::core::remote_keys::{KeptSet, jwks_uri};
use edgeward::core::request::RequestHead;
use edgeward::core::revocation::delta::Delta;
use edgeward::core::revocation::order::Order;
use edgeward::core::revocation::published::Published;
use edgeward::core::sealed::Purpose;
use edgeward::core::secret;
use edgeward::core::subprotocol;
use edgeward::core::token::UntrustedToken;
use edgeward::core::validation::Validation;
use edgeward::gate::{Findings, RevocationCall, Revoker};
use serde_json::Value;

use targets::fixture::{ISSUER, NOW, gate, sealing_key, settings};

struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(live.get())));
    });
}

// SAFETY: everything is handed on to the allocator of the system as it came; only numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were in use at once while this was done, beyond those before.
fn most_bytes<T>(work: impl FnOnce() -> T) -> usize {
    let before = LIVE.get();
    MOST.set(before);
    drop(work());
    (MOST.get() - before).cast_unsigned()
}

/// What all may take that reads something, however short that is: messages about it.
const FEW: usize = 16 * 1024;

/// A text of this length that is made of a piece, between two others.
fn of_length(before: &str, piece: &str, after: &str, bytes: usize) -> String {
    let number = bytes.saturating_sub(before.len() + after.len()) / piece.len();
    format!("{before}{}{after}", piece.repeat(number))
}

/// JSON that takes the most memory for its length, as far as we know.
fn dense_json(bytes: usize) -> Vec<String> {
    let different: Vec<String> =
        (0..bytes / 8).map(|number| format!(",\"{number:x}\":0")).collect();
    let different = different.concat();
    vec![
        of_length("[0", ",0", "]", bytes),
        of_length("[[]", ",[]", "]", bytes),
        of_length("[[0]", ",[0]", "]", bytes),
        of_length("[{}", ",{}", "]", bytes),
        of_length(r#"[{"":0}"#, r#",{"":0}"#, "]", bytes),
        of_length(r#"{"a":[{"":0}"#, r#",{"":0}"#, "]}", bytes),
        of_length(r#"[{"":[0]}"#, r#",{"":[0]}"#, "]", bytes),
        of_length(r#"[""#, r"\u0000", r#""]"#, bytes),
        of_length("[", "[", "", bytes),
        of_length("", r#"{"a":"#, "", bytes),
        format!("{{\"a\":0{different}}}"),
        "7".repeat(bytes),
    ]
}

fn assert_bounded(what: &str, input: &[u8], factor: usize, read: impl FnOnce(&[u8])) {
    let most = most_bytes(|| read(input));
    let bound = FEW + factor * input.len();
    let start = String::from_utf8_lossy(input.get(..40).unwrap_or(input)).into_owned();
    assert!(most <= bound, "{what}: {most} bytes for {} of {start:?}", input.len());
}

/// 98 were seen: an object of 7 bytes of text takes a node of a tree, and a list that has just grown is there
/// twice.
const JSON_FACTOR: usize = 128;

/// 464 were seen: each mistake is told with its place, what was found and what is expected.
const CONFIGURATION_FACTOR: usize = 600;

/// 14 were seen.
const REQUEST_FACTOR: usize = 16;

/// 20 were seen: a number like 1e15 is written out, and each is a text of its own until they are joined.
const HEADERS_FACTOR: usize = 24;

#[test]
fn the_allocator_counts() {
    assert_eq!(most_bytes(|| Vec::<u8>::with_capacity(1_000)), 1_000);
    assert_eq!(most_bytes(|| (vec![0_u8; 600], vec![0_u8; 500])), 1_100);
    assert_eq!(most_bytes(|| drop(vec![0_u8; 600])), 600);
}

#[test]
fn json_takes_a_multiple_of_its_length() {
    for bytes in [1_000, 8_192, 65_536, 1_000_000] {
        for text in dense_json(bytes) {
            assert_bounded("JSON", text.as_bytes(), JSON_FACTOR, |text| drop(parse_strict(text)));
        }
    }
}

#[test]
fn a_token_takes_a_multiple_of_its_length_and_none_that_is_too_long_takes_anything() {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    for bytes in [1_000, 8_192, 131_072] {
        let dots = ".".repeat(bytes);
        let texts = dense_json(bytes).into_iter().map(|json| URL_SAFE_NO_PAD.encode(json));
        let tokens = texts.flat_map(|part| {
            [
                format!("{header}.{part}.AA"),
                format!("{part}.{part}."),
                format!("{header}.e30.{part}"),
            ]
        });
        for token in tokens.chain([dots]) {
            let read = |text: &[u8], most| {
                drop(UntrustedToken::parse(std::str::from_utf8(text).unwrap(), most));
            };
            assert_bounded("a token", token.as_bytes(), JSON_FACTOR, |text| read(text, usize::MAX));
            assert_eq!(most_bytes(|| read(token.as_bytes(), token.len() - 1)), 0);
        }
    }
}

#[test]
fn secrets_and_configurations_take_a_multiple_of_their_length() {
    for bytes in [1_000, 16_384, 65_000] {
        let pem = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n";
        let others = [
            of_length("", pem, "", bytes),
            of_length("", "-----BEGIN ", "", bytes),
            of_length("", "\\n", "", bytes),
            of_length("", "\\", "", bytes),
            of_length("", "\"", "", bytes),
            of_length("base64:", "AAAA", "", bytes),
            of_length("hex:", "a5", "", bytes),
            of_length("", "MIIB", "", bytes),
            of_length(r#"{"keys":[{}"#, ",{}", "]}", bytes),
            of_length(r#"{"keys":[{"kid":"a"}"#, r#",{"kid":"a"}"#, "]}", bytes),
        ];
        let tables = [
            of_length(r#"{"rules":[{"path":"/a"}"#, r#",{"path":"/a"}"#, "]}", bytes),
            of_length(r#"{"providers":[{}"#, ",{}", "]}", bytes),
            of_length(r#"{"token":{"sources":["""#, r#","""#, "]}}", bytes),
        ];
        for text in dense_json(bytes).into_iter().chain(others).chain(tables) {
            assert_bounded("a secret", text.as_bytes(), JSON_FACTOR, |text| {
                let text = std::str::from_utf8(text).unwrap();
                drop(secret::parse("JWT_KEYS", text));
                drop(secret::parse_assertion_key("KEY", text));
                drop(secret::parse_client_key("KEY", text));
            });
            assert_bounded("a configuration", text.as_bytes(), CONFIGURATION_FACTOR, |text| {
                drop(Settings::parse(std::str::from_utf8(text).unwrap()));
            });
        }
    }
}

#[test]
fn what_kv_and_an_auth_service_say_takes_a_multiple_of_its_length() {
    let validations = sealing_key(Purpose::Validation);
    let revocations = sealing_key(Purpose::Revocations);
    for bytes in [1_000, 16_384, 65_536] {
        for text in dense_json(bytes) {
            assert_bounded("an answer", text.as_bytes(), JSON_FACTOR, |text| {
                drop(introspection::read(200, text));
            });
            let value = validations.seal("k", text.as_bytes());
            assert_bounded("an entry", &value, JSON_FACTOR, |value| {
                drop(Validation::open(&validations, "k", value, ISSUER, NOW, 0));
            });
            let value = revocations.seal(&Published::head_key(), text.as_bytes());
            assert_bounded("a list", &value, JSON_FACTOR, |value| {
                drop(Published::open(&revocations, value));
            });
        }
        // What is not sealed is not parsed: it takes the room of its MAC.
        let unsealed = of_length("1.", "A", &format!(".{}", "[".repeat(900)), bytes);
        let most =
            most_bytes(|| Validation::open(&validations, "k", unsealed.as_bytes(), ISSUER, NOW, 0));
        assert!(most < 256, "{most}");
    }
}

/// Sets of keys that take the most memory for their length, as far as we know.
fn dense_sets(bytes: usize) -> [String; 6] {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let key =
        |number: usize| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{number:x}","x":"{x}"}}"#);
    let good: Vec<String> = (0..bytes / key(0xfff).len()).map(key).collect();
    [
        format!(r#"{{"keys":[{}]}}"#, good.join(",")),
        of_length(r#"{"keys":[{}"#, ",{}", "]}", bytes),
        of_length(r#"{"keys":[1"#, ",1", "]}", bytes),
        of_length(r#"{"keys":[{"kty":"RSA"}"#, r#",{"kty":"RSA"}"#, "]}", bytes),
        of_length(r#"{"keys":[{"kty":"OKP","kid":""#, r"\n", r#""}]}"#, bytes),
        of_length(r#"{"keys":[{"kty":"RSA","e":"AQAB","n":""#, "AAAA", r#""}]}"#, bytes),
    ]
}

#[test]
fn published_keys_take_a_multiple_of_their_length_also_from_kv() {
    let sealing = sealing_key(Purpose::KeySet);
    for bytes in [1_000, 16_384, 30_000, 65_536] {
        let metadata = of_length(
            r#"{"issuer":"https://issuer.example","jwks_uri":"https://a/"#,
            "a",
            "\"}",
            bytes,
        );
        assert!(jwks_uri(metadata.as_bytes(), ISSUER).is_ok(), "it is read to its end");
        let sets = dense_sets(bytes);
        let set: Value = serde_json::from_str(&sets[0]).unwrap();
        // Of more than so many none is taken.
        let taken = secret::published(&set).map_or(0, |(keys, _)| keys.len());
        assert_eq!(taken, if bytes == 1_000 { 10 } else { 0 }, "they are good keys");
        for text in dense_json(bytes).into_iter().chain(sets).chain([metadata]) {
            assert_bounded("metadata", text.as_bytes(), JSON_FACTOR, |text| {
                drop(jwks_uri(text, ISSUER));
            });
            assert_bounded("a set", text.as_bytes(), JSON_FACTOR, |text| {
                drop(parse_strict(text).ok().map(|set| secret::published(&set)));
            });
            let payload = format!(r#"{{"fetched_at":{NOW},"set":{text}}}"#);
            let value = sealing.seal("k", payload.as_bytes());
            assert_bounded("a kept set", &value, JSON_FACTOR, |value| {
                drop(KeptSet::open(&sealing, "k", value, NOW, 0));
            });
        }
    }
}

#[test]
fn what_admins_and_clients_send_takes_a_multiple_of_its_length() {
    let (gate, settings) = (gate(), settings());
    let head = RequestHead::unpack("POST\nhttps://edge.example/_edgeward/explain");
    let calls =
        [Revoker::Admin, Revoker::Client("app".to_owned())].map(RevocationCall::RevokeToken);
    let mut now = NOW * 1_000;
    for bytes in [1_000, 16_384, 131_072] {
        let quoted = |start: &str, end: &str| of_length(start, "a.", end, bytes);
        let many: Vec<String> =
            (0..bytes / 16).map(|number| format!("\"x-{number:x}\":\"\"")).collect();
        let bodies = [
            of_length(r#"{"tokens":[""#, r#"",""#, r#""]}"#, bytes),
            of_length(r#"{"tokens":["#, r#"{"a":0},"#, "0]}", bytes),
            quoted(r#"{"tokens":[""#, r#""]}"#),
            quoted(r#"{"token":""#, r#""}"#),
            quoted(r#"{"jti":""#, r#""}"#),
            quoted(r#"{"jti":"a","reason":""#, r#""}"#),
            quoted(r#"{"path":"/"#, r#""}"#),
            quoted(r#"{"headers":{"cookie":""#, r#""}}"#),
            // Each of them is compared with all before, but none is kept twice.
            format!(r#"{{"headers":{{{}}}}}"#, many.join(",")),
            of_length("token=", "%41", "", bytes),
            of_length("token=", "%ff", "", bytes),
            of_length("token=", "+", "", bytes),
            of_length("token=a", "&%74oken=a", "", bytes),
            of_length("", "a&", "", bytes),
        ];
        for body in dense_json(bytes).into_iter().chain(bodies) {
            let body = body.as_bytes();
            assert_bounded("an order", body, JSON_FACTOR, |body| {
                drop(Order::read(body, &settings, NOW));
            });
            for call in &calls {
                assert_bounded("a form", body, REQUEST_FACTOR, |body| {
                    drop(gate.hub_call(call, Some(body), false, NOW * 1_000));
                });
            }
            // Later than any pause after the last list.
            now += 60_000;
            assert_bounded("a list", body, JSON_FACTOR, |body| drop(gate.prewarm(Some(body), now)));
            assert_bounded("a question", body, JSON_FACTOR, |body| {
                if let Ok(asked) = gate.explaining(Some(body), &head) {
                    drop(gate.explain(&asked, NOW * 1_000, &mut Findings::default()));
                }
            });
        }
    }
}

#[test]
fn claims_become_headers_of_a_multiple_of_their_length() {
    let names = ["X-User-Id", "X-Scopes", "Tenant"];
    let own = HeaderMap::build(names.into_iter().zip(["sub", "scope", "org.id"])).unwrap();
    for bytes in [1_000, 8_192, 65_536] {
        let claims = ["sub", "scope", "org.id"].map(|claim| {
            let start = format!("{{\"{claim}\":");
            [
                of_length(&format!("{start}\""), r"\u0000", "\"}", bytes),
                of_length(&format!("{start}\""), "é", "\"}", bytes),
                of_length(&format!("{start}\""), "a ", "\"}", bytes),
                of_length(&format!("{start}[\"\""), ",\"\"", "]}", bytes),
                of_length(&format!("{start}[0"), ",0", "]}", bytes),
                of_length(&format!("{start}[1e15"), ",1e15", "]}", bytes),
                of_length(&format!("{start}["), "[", "", bytes),
            ]
        });
        for text in claims.concat() {
            let Ok(Value::Object(claims)) = parse_strict(text.as_bytes()) else {
                assert!(text.ends_with('['), "{text:.40}");
                continue;
            };
            assert_bounded("headers", text.as_bytes(), HEADERS_FACTOR, |_| {
                drop(own.lines(&claims));
            });
        }
    }
}

#[test]
fn a_part_of_the_log_of_revocations_takes_nothing_until_it_is_taken() {
    let mut bytes = b"EWR1".to_vec();
    for number in [7, 0, 1, 100_000, 100_000_u64] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    for number in 0..100_000_u32 {
        bytes.extend([0x33; 12]);
        for part in [number, u32::MAX, u32::MAX] {
            bytes.extend(part.to_le_bytes());
        }
    }
    let delta = Delta::read(&bytes).unwrap();
    assert_eq!(delta.len(), 100_000);
    assert_eq!(most_bytes(|| Delta::read(&bytes).map(|delta| delta.entries().count())), 0);
}

#[test]
fn requests_take_a_multiple_of_their_length_whatever_becomes_of_them() {
    let gate = gate();
    let own = HeaderMap::default();
    for bytes in [1_000, 16_384, 65_536] {
        let start = "GET\nhttps://edge.example/";
        let heads = [
            of_length(start, "%41", "", bytes),
            of_length(start, "%2541", "", bytes),
            of_length(start, "é", "", bytes),
            of_length(start, "a/", "", bytes),
            of_length(start, "../", "", bytes),
            of_length("GET\nhttps://edge.example/x\nconnection\n", "a,", "a", bytes),
            of_length("GET\nhttps://edge.example/x\ncookie\n", "session=a;", "", bytes),
            of_length("GET\nhttps://edge.example/x\ncookie\n", "a=b,", "", bytes),
            of_length("GET\nhttps://edge.example/x?", "%74oken=&", "", bytes),
            of_length("GET\nhttps://edge.example/x\nauthorization\n", "Bearer a,", "", bytes),
            of_length("GET\nhttps://edge.example/x", "\nx-auth-a\nb", "", bytes),
            of_length(
                "GET\nhttps://edge.example/x\nupgrade\nwebsocket\nsec-websocket-protocol\n",
                "bearer,a,",
                "",
                bytes,
            ),
        ];
        for packed in heads {
            assert_bounded("a request", packed.as_bytes(), REQUEST_FACTOR, |packed| {
                let head = RequestHead::unpack(std::str::from_utf8(packed).unwrap());
                drop(gate.decide(&head, NOW * 1_000, &mut Findings::default()));
                drop(RequestPath::parse(head.path));
                drop(Edits::sanitize(&head, &own).into_text());
                for (_, value) in &head.headers {
                    drop(subprotocol::token(value));
                    drop(subprotocol::without_token(value));
                }
            });
        }
    }
}
