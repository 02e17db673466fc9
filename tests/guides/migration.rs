//! docs/migration.md: each configuration "after" does with each request what its table says, and the gates
//! in JavaScript "before" do, too.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::document::{Section, Table, sections};
use crate::gate::{Guarded, NOW, Outcome, boot, own_secrets};
use crate::javascript;
use crate::native::Signer;
use crate::vendors::RSA;

const GUIDE: &str = "migration.md";

/// Sections with a configuration, and the least number of requests that tell what it does.
const PAIRS: [(&str, usize); 4] = [
    ("Switching over", 5),
    ("From Envoy's jwt_authn", 20),
    ("From hono or jose", 20),
    ("From Ory Oathkeeper", 15),
];

static PARTNER: LazyLock<Signer> = LazyLock::new(Signer::p256);

fn pair(title: &str) -> Section {
    sections(GUIDE).into_iter().find(|section| section.title == title).expect(title)
}

fn requests(section: &Section) -> &Table {
    section.table("request").unwrap_or_else(|| panic!("{}: no requests", section.title))
}

fn guarded(section: &Section) -> Guarded {
    let [block] = &section.configurations()[..] else {
        panic!("{}: not one configuration", section.title)
    };
    let mut secrets = own_secrets();
    secrets.insert("PARTNER_KEYS", json!({ "keys": [PARTNER.jwk("p1")] }).to_string());
    let gate =
        boot(block, &secrets).unwrap_or_else(|problems| panic!("{}: {problems:#?}", section.title));
    let published = [json!({ "keys": [RSA.jwk("k1")] }), json!({ "keys": [PARTNER.jwk("p1")] })];
    let verdict = json!({
        "active": true, "iss": "https://partner.example", "aud": "https://app.example",
        "sub": "partner-7", "exp": NOW + 600,
    });
    Guarded { gate, published: published.to_vec(), verdict }
}

/// A token, as a cell of the tables describes it: who, and after a comma what is different about it.
fn token(who: &str, difference: Option<&str>) -> String {
    let mut claims = json!({
        "iss": "https://issuer.example", "aud": "https://app.example", "sub": "alice",
        "scope": "read", "iat": NOW - 300, "exp": NOW + 300,
    });
    let mut header = json!({ "alg": "RS256", "kid": "k1" });
    let signer = match who {
        "user" => &*RSA,
        "administrator" => {
            claims["scope"] = "read admin".into();
            &*RSA
        }
        "partner" => {
            header = json!({ "alg": "ES256", "kid": "p1" });
            claims["iss"] = "https://partner.example".into();
            &*PARTNER
        }
        other => panic!("who is {other}?"),
    };
    let remove = |from: &mut Value, name: &str| {
        from.as_object_mut().unwrap().remove(name).expect("there before");
    };
    match difference {
        None => {}
        Some("for another audience") => claims["aud"] = "https://other.example".into(),
        Some("for the reports") => claims["aud"] = "https://reports.app.example".into(),
        Some("expired ten seconds ago") => claims["exp"] = (NOW - 10).into(),
        Some("expired a minute ago") => claims["exp"] = (NOW - 60).into(),
        Some("expired two minutes ago") => claims["exp"] = (NOW - 120).into(),
        Some("issued in five seconds") => claims["iat"] = (NOW + 5).into(),
        Some("issued in an hour") => claims["iat"] = (NOW + 3_600).into(),
        Some("without exp") => remove(&mut claims, "exp"),
        Some("without sub") => remove(&mut claims, "sub"),
        Some("without kid") => remove(&mut header, "kid"),
        Some(other) => match other.strip_prefix("of type ") {
            Some(name) => header["typ"] = name.into(),
            None => panic!("what is {other}?"),
        },
    }
    signer.token(&header, &claims)
}

/// The headers of a request, as a cell of the tables describes them.
fn headers(with: &str) -> Vec<(String, String)> {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let (who, difference) = match with.split_once(", ") {
        Some((who, difference)) => (who, Some(difference)),
        None => (with, None),
    };
    match (who, difference) {
        ("nothing", None) => Vec::new(),
        ("a preflight", None) => vec![
            header("origin", "https://app.example".to_owned()),
            header("access-control-request-method", "POST".to_owned()),
        ],
        ("an opaque token", None) => {
            vec![header("authorization", "Bearer Zm9yLXRoZS1wYXJ0bmVyLW9ubHk".to_owned())]
        }
        (who, Some("in the cookie session")) => {
            vec![header("cookie", format!("session={}", token(who, None)))]
        }
        (who, Some("in X-Partner-Token")) => vec![header("x-partner-token", token(who, None))],
        (who, Some("in header and cookie")) => vec![
            header("authorization", format!("Bearer {}", token(who, None))),
            header("cookie", format!("session={}", token(who, None))),
        ],
        (who, difference) => {
            vec![header("authorization", format!("Bearer {}", token(who, difference)))]
        }
    }
}

/// The pinned versions of these packages, up to the second number.
fn versions<const N: usize>(names: [&str; N]) -> [String; N] {
    let path = format!("{}/package.json", env!("CARGO_MANIFEST_DIR"));
    let package: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    names.map(|name| {
        let version = package["devDependencies"][name].as_str().expect(name);
        version.rsplit_once('.').unwrap().0.to_owned()
    })
}

/// Method and path of a row.
fn target(row: &[String]) -> (&str, &str) {
    row[0].split_once(' ').unwrap_or_else(|| panic!("{row:?}"))
}

#[test]
fn the_gate_does_with_every_request_what_the_table_says() {
    for (title, least) in PAIRS {
        let section = pair(title);
        let table = requests(&section);
        assert!(table.rows.len() >= least, "{title}: {} requests", table.rows.len());
        assert_eq!(table.head.last().unwrap(), "the gate");
        for row in &table.rows {
            let (method, path) = target(row);
            let mut packed = format!("{method}\nhttps://app.example{path}");
            packed.extend(
                headers(&row[1]).iter().flat_map(|(name, value)| ["\n", name, "\n", value]),
            );
            // A gate of its own, so that no row depends on the one before it.
            let found = match guarded(&section).send(&packed) {
                Outcome::Permitted(_) => "permit".to_owned(),
                Outcome::Shadowed(reason) => format!("shadow {}", reason.code().name()),
                Outcome::Denied(reason) => {
                    format!("{} {}", reason.code().status(), reason.code().name())
                }
            };
            assert_eq!(&found, row.last().unwrap(), "{title}: {} with {}", row[0], row[1]);
        }
    }
}

#[test]
fn every_configuration_after_boots_without_a_warning_but_about_shadow_rules() {
    let titles: Vec<_> = sections(GUIDE)
        .into_iter()
        .filter(|section| section.blocks.iter().any(|block| block.language == "toml"))
        .map(|section| section.title)
        .collect();
    assert_eq!(titles, PAIRS.map(|(title, _)| title));
    for (title, _) in PAIRS {
        let guarded = guarded(&pair(title));
        let warnings = guarded.gate.report().warnings.iter();
        let others: Vec<_> = warnings.filter(|warning| !warning.contains("shadow")).collect();
        assert_eq!(others, Vec::<&String>::new(), "{title}");
    }
}

#[test]
fn hono_and_jose_answer_what_the_table_says() {
    let section = pair("From hono or jose");
    let table = requests(&section);
    assert_eq!(table.head, ["request", "with", "hono", "jose", "the gate"]);
    assert_eq!(
        versions(["hono", "jose"]),
        ["4.13", "6.2"],
        "the guide names those that it is about"
    );
    let workers: Vec<_> = section.blocks.iter().filter(|block| block.language == "js").collect();
    let [hono, jose] = &workers[..] else { panic!("{workers:?}") };
    let asked: Vec<Value> = table
        .rows
        .iter()
        .map(|row| {
            let (method, path) = target(row);
            javascript::request(method, path, &headers(&row[1]))
        })
        .collect();
    let keys = json!({ "keys": [RSA.jwk("k1")] });
    for (column, worker) in [(2, hono), (3, jose)] {
        assert!(worker.text.contains(&format!("from '{}'", table.head[column])));
        let statuses = javascript::statuses(&worker.text, &keys, &asked);
        let found: Vec<_> = table
            .rows
            .iter()
            .zip(&statuses)
            .map(|(row, status)| format!("{} with {}: {status}", row[0], row[1]))
            .collect();
        let expected: Vec<_> = table
            .rows
            .iter()
            .map(|row| format!("{} with {}: {}", row[0], row[1], row[column]))
            .collect();
        assert_eq!(found, expected, "{}", table.head[column]);
    }
}
