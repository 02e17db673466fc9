//! Requests whose tokens are right but for some of their parts: the gate permits none that the naive model
//! refuses, and those that are right in all.

use edgeward::core::request::RequestHead;
use edgeward::gate::{Decision, Findings, Gate};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::targets::fixture::{
    AUDIENCE, HmacAlone, ISSUER, NOW, REVOKED_BEFORE, REVOKED_ID, REVOKED_SUBJECT, SIGNERS, gate,
    token,
};
use crate::targets::places::{Carried, carried};
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

/// A header, for a token that is signed with this algorithm.
fn header((algorithm, key): (&'static str, &'static str)) -> impl Strategy<Value = String> {
    let others =
        vec![json!("none"), json!("HS256"), json!("HS512"), json!("EdDSA"), json!("hs256")];
    let alg = member(json!(algorithm), others);
    let kid = member(json!(key), vec![json!("k1"), json!("k2"), json!("k3"), json!("K1")]);
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
    let subject = member(
        json!("alice"),
        vec![json!("x\ny"), json!(["alice"]), json!(REVOKED_SUBJECT), json!(REVOKED_SUBJECT)],
    );
    let id = member(json!("1"), vec![json!(REVOKED_ID), json!(["revoked"])]);
    let organisation = member(
        json!({ "id": 7 }),
        vec![json!({ "id": "seven" }), json!({ "id": 8 }), json!({ "id": null })],
    );
    let scope = member(
        json!("read admin"),
        vec![json!("read"), json!(["host"]), json!(["read admin"]), json!("administrator")],
    );
    let right = prop_oneof![3 => Just(NOW - 10), 1 => Just(REVOKED_BEFORE - 1)];
    let times = (time(NOW + 600), time(NOW - 10), right.prop_flat_map(time));
    (issuer, audience, (subject, id), organisation, scope, times).prop_map(
        |(iss, aud, (sub, jti), org, scope, (exp, nbf, iat))| {
            object(vec![
                ("iss", iss),
                ("aud", aud),
                ("sub", sub),
                ("jti", jti),
                ("org", org),
                ("scope", scope),
                ("exp", exp),
                ("nbf", nbf),
                ("iat", iat),
            ])
        },
    )
}

/// Where a good token may stand, or what stands there, and whether a request for `/x` passes with it.
const CREDENTIALS: [(&str, bool); 25] = [
    ("authorization\nBearer {}", true),
    ("authorization\nbearer  {}", true),
    ("authorization\nBasic {}", false),
    ("authorization\nBasic eA==, Bearer {}", false),
    ("authorization\nBearer {}, Bearer {}", false),
    ("x-token\n{}", true),
    ("x-token\nBearer {}", true),
    ("x-other\n{}", false),
    ("proxy-authorization\nBearer {}", false),
    ("authorization\nBearer {}\nx-other\n{}", true),
    ("authorization\nBearer {}\nx-token\n{}", false),
    ("authorization\nBasic eA==\nx-token\n{}", true),
    ("cookie\na=b; session={}", true),
    ("cookie\nsession={}; session={}", false),
    ("cookie\nother={}", false),
    ("cookie\nsession={}\norigin\nhttps://evil.example", false),
    ("cookie\nsession={}\norigin\nhttps://app.example", true),
    ("cookie\nsession={}\nauthorization\nBearer {}", false),
    ("sec-websocket-protocol\nbearer, {}", false),
    ("upgrade\nwebsocket\nsec-websocket-protocol\nbearer, {}", true),
    ("upgrade\nwebsocket\nsec-websocket-protocol\nbearer, {}, {}", false),
    ("upgrade\nwebsocket\ncookie\nsession={}", false),
    ("origin\nhttps://a\naccess-control-request-method\nGET\nauthorization\nBearer {}", true),
    (
        "origin\nhttps://a\naccess-control-request-method\nGET\nauthorization\nBearer {}\nx-token\n{}\n\
         cookie\na=b; session={}\nsec-websocket-protocol\nbearer, {}",
        false,
    ),
    ("accept\n*/*", false),
];

fn credentials() -> impl Strategy<Value = (&'static str, bool)> {
    prop_oneof![1 => Just(CREDENTIALS[0]), 2 => select(CREDENTIALS.to_vec())]
}

const PATHS: [&str; 29] = [
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
    "/x?token={}",
    "/x?a=b&tok%65n={}",
    "/method",
    "/method/..%2fhost",
    "/host",
    "/HOST/x",
    "/shadow",
    "/shadow/real",
    "/SHADOW",
    "/shadow/re%61l",
    "/shadow/real;x/y",
    "/public;x",
    "/%5fedgeward/health",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn nothing_is_permitted_that_a_model_refuses_which_checks_everything(
        (signer, header) in select(SIGNERS.to_vec()).prop_flat_map(|one| (Just(one), header(one))),
        claims in claims(),
        (credentials, passes) in credentials(),
        path in select(PATHS.to_vec()),
        host in select(vec!["edge.example", "open.example", "OPEN.example.:8443"]),
        method in select(vec!["GET", "GET", "POST", "HEAD", "OPTIONS"]),
        is_cut in prop::bool::weighted(0.05),
    ) {
        let mut token = token(signer.0, header.as_bytes(), claims.as_bytes());
        if is_cut {
            token.pop();
        }
        let packed = format!("{method}\nhttps://{host}{path}\n{credentials}").replace("{}", &token);
        GATE.with(|gate| {
            // Panics where the model refuses.
            decide::check_request(gate, &packed);
            // And what is right passes where the token alone decides.
            if (path, method) == ("/x", "GET") {
                let claims = model::accepted(&token, NOW).ok().flatten();
                let is_good = claims.is_some_and(|claims| !model::is_revoked(&claims));
                prop_assert_eq!(is_permitted(gate, &packed), is_good && passes, "{}", packed);
            }
            Ok(())
        })?;
    }
}

/// Without this, a model that finds no token anywhere would be content with a gate that refuses everything.
#[test]
fn a_token_counts_where_it_may_stand_alone_and_nowhere_else() {
    for (credentials, passes) in CREDENTIALS {
        let packed =
            format!("GET\nhttps://e.example/x\n{credentials}").replace("{}", &decide::TOKENS[3]);
        assert_eq!(GATE.with(|gate| is_permitted(gate, &packed)), passes, "{credentials}");
        let found = carried(&RequestHead::unpack(&packed));
        let is_one = found == Carried::One(decide::TOKENS[3].clone());
        assert_eq!(is_one, passes, "{credentials}: {found:?}");
    }
}

#[test]
fn of_two_tokens_none_counts_whichever_is_good() {
    let places = ["authorization\nBearer {}", "x-token\n{}", "cookie\nsession={}"];
    let both = places.iter().flat_map(|one| places.iter().map(move |other| (one, other)));
    for (one, other) in both.filter(|(one, other)| one != other) {
        for tokens in [[3, 2], [3, 4], [4, 3]] {
            let [first, second] = tokens.map(|at| decide::TOKENS[at].as_str());
            let (one, other) = (one.replace("{}", first), other.replace("{}", second));
            for path in ["/x", "/optional"] {
                let packed = format!("GET\nhttps://e.example{path}\n{one}\n{other}");
                assert!(!GATE.with(|gate| is_permitted(gate, &packed)), "{packed}");
            }
        }
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
    let permitted = |method: &str, host: &str, path: &str| -> Vec<usize> {
        let packed =
            |token: &str| format!("{method}\nhttps://{host}{path}\nauthorization\nBearer {token}");
        let tokens = decide::TOKENS.iter().enumerate();
        tokens
            .filter(|(_, token)| GATE.with(|gate| is_permitted(gate, &packed(token))))
            .map(|(at, _)| at)
            .collect()
    };
    let of = |path| permitted("GET", "e.example", path);
    let (good, all) = ([0, 1, 2, 3, 10, 11, 12], decide::TOKENS.len());
    assert_eq!(of("/x"), good);
    assert_eq!(of("/admin"), [0, 1, 11]);
    assert_eq!(of("/team"), [0, 2]);
    assert_eq!(of("/optional"), good);
    assert_eq!(of("/public").len(), all);
    assert_eq!(of("/method").len(), all);
    assert_eq!(permitted("HEAD", "e.example", "/method").len(), all);
    assert_eq!(permitted("POST", "e.example", "/method"), good);
    assert_eq!(of("/host"), [0, 1, 10, 11]);
    assert_eq!(permitted("GET", "open.example", "/host").len(), all);
    assert_eq!(of("/shadow").len(), all);
    assert_eq!(of("/shadow/real"), [0, 1, 11]);
}
