//! Requests whose tokens are right but for some of their parts: the gate permits none that the naive model
//! refuses, and those that are right in all.

use edgeward::core::request::RequestHead;
use edgeward::gate::{Decision, Findings, Gate};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::targets::fixture::{AUDIENCE, HmacAlone, ISSUER, KEY_ID, NOW, gate, token};
use crate::targets::{decide, model};

/// What a member of a header or of claims can be: mostly right, or one of these.
fn member(right: Value, wrong: Vec<Value>) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        12 => Just(Some(right)),
        1 => Just(None),
        2 => select(wrong).prop_map(Some),
        1 => select(vec![json!(null), json!(7), json!(""), json!([]), json!({}), json!(true)]).prop_map(Some),
    ]
}

fn object(members: Vec<(&'static str, Option<Value>)>) -> String {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect()).to_string()
}

fn header() -> impl Strategy<Value = String> {
    let alg = member(json!("HS256"), vec![json!("none"), json!("HS512"), json!("hs256")]);
    let kid = member(json!(KEY_ID), vec![json!("k2"), json!("K1")]);
    let typ =
        member(json!("JWT"), vec![json!("at+jwt"), json!("application/at+JWT"), json!("dpop+jwt")]);
    let other = prop_oneof![
        9 => Just(None),
        1 => select(vec!["crit", "b64", "zip", "jwk", "jku", "x5c", "x5t", "cty"]).prop_map(Some),
    ];
    (alg, kid, typ, other).prop_map(|(alg, kid, typ, other)| {
        let mut members = vec![("alg", alg), ("kid", kid), ("typ", typ)];
        members.extend(other.map(|name| (name, Some(json!("x")))));
        object(members)
    })
}

fn claims() -> impl Strategy<Value = String> {
    let time = |right: i64| {
        let wrong =
            [NOW, NOW - 5, NOW - 6, NOW + 5, NOW + 6, NOW - 4_000, NOW + 4_000, -1, i64::MAX];
        let wrong =
            wrong.map(Value::from).into_iter().chain([json!(1.8e9), json!(1_800_000_004.5)]);
        member(right.into(), wrong.collect())
    };
    let issuer = member(json!(ISSUER), vec![json!("https://other.example"), json!([ISSUER])]);
    let audience =
        member(json!(AUDIENCE), vec![json!("other"), json!(["x", AUDIENCE]), json!([AUDIENCE, 1])]);
    let subject = member(json!("alice"), vec![json!("x\ny"), json!(["alice"])]);
    let organisation = member(
        json!({ "id": 7 }),
        vec![json!({ "id": "seven" }), json!({ "id": 8 }), json!({ "id": null })],
    );
    let scope = member(
        json!("read admin"),
        vec![json!("read"), json!(["admin"]), json!(["read admin"]), json!("administrator")],
    );
    let times = (time(NOW + 600), time(NOW - 10), time(NOW - 10));
    (issuer, audience, subject, organisation, scope, times).prop_map(
        |(iss, aud, sub, org, scope, (exp, nbf, iat))| {
            object(vec![
                ("iss", iss),
                ("aud", aud),
                ("sub", sub),
                ("org", org),
                ("scope", scope),
                ("exp", exp),
                ("nbf", nbf),
                ("iat", iat),
            ])
        },
    )
}

/// Where the token is, if it is anywhere.
fn credentials() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => Just("authorization\nBearer {}"),
        4 => select(vec![
            "authorization\nbearer  {}", "authorization\nBasic {}", "x-token\n{}", "cookie\na=b; session={}",
            "cookie\nsession={}; session={}", "authorization\nBearer {}\nx-token\n{}", "x-other\n{}",
            "upgrade\nwebsocket\nsec-websocket-protocol\nbearer, {}", "accept\n*/*",
        ]),
    ]
}

const PATHS: [&str; 16] = [
    "/",
    "/x",
    "/admin",
    "/admin/x",
    "/ADMIN",
    "/%61dmin",
    "/x/../admin",
    "/admin;x",
    "/team",
    "/team/%2e%2e/x",
    "/public",
    "/public/..%2fadmin",
    "/optional",
    "/x%2f..%2fteam",
    "//team",
    "/public?token={}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn nothing_is_permitted_that_a_model_refuses_which_checks_everything(
        header in header(),
        claims in claims(),
        credentials in credentials(),
        path in select(PATHS.to_vec()),
        method in select(vec!["GET", "POST", "HEAD"]),
        is_cut in prop::bool::weighted(0.05),
    ) {
        let mut token = token(header.as_bytes(), claims.as_bytes());
        if is_cut {
            token.pop();
        }
        let packed = format!("{method}\nhttps://edge.example{path}\n{credentials}").replace("{}", &token);
        GATE.with(|gate| {
            // Panics where the model refuses.
            decide::check_request(gate, &packed);
            // And what is right passes where the token alone decides.
            let is_good = model::accepted(&token, NOW).ok().flatten().is_some();
            if (path, credentials) == ("/x", "authorization\nBearer {}") {
                prop_assert_eq!(is_permitted(gate, &packed), is_good, "{} {}", header, claims);
            }
            Ok(())
        })?;
    }
}

thread_local! {
    static GATE: Gate<HmacAlone> = gate();
}

fn is_permitted(gate: &Gate<HmacAlone>, packed: &str) -> bool {
    let head = RequestHead::unpack(packed);
    let decision = gate.decide(&head, NOW * 1_000, &mut Findings::default());
    matches!(decision, Ok(Decision::Forward(_)))
}

/// Without this, a gate that refuses everything would pass.
#[test]
fn each_token_of_the_fuzzer_passes_where_it_should() {
    let permitted = |path: &str| -> Vec<usize> {
        let packed =
            |token: &str| format!("GET\nhttps://e.example{path}\nauthorization\nBearer {token}");
        let tokens = decide::TOKENS.iter().enumerate();
        tokens
            .filter(|(_, token)| GATE.with(|gate| is_permitted(gate, &packed(token))))
            .map(|(at, _)| at)
            .collect()
    };
    assert_eq!(permitted("/x"), [0, 1, 2, 3]);
    assert_eq!(permitted("/admin"), [0, 1]);
    assert_eq!(permitted("/team"), [0, 2]);
    assert_eq!(permitted("/optional"), [0, 1, 2, 3]);
    assert_eq!(permitted("/public").len(), 10);
}
