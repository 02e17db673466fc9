//! What the gate's own endpoints read: nobody is taken for the admin or a client who is not, what is read is
//! what was said, and no answer tells a token again.
//!
//! The first line says which of them: `explain`, `prewarm`, `revoke`, `basic`, `page` or `metrics`. In the rest,
//! `{0}` to `{6}` stand for tokens.

use std::cell::Cell;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use edgeward::core::denial::TextResponse;
use edgeward::core::metrics::handover::Batch;
use edgeward::core::metrics::ledger::{Account, Ledger};
use edgeward::core::metrics::{Kind, MOST_SERIES, Readings};
use edgeward::core::request::RequestHead;
use edgeward::core::revocation::order::Order;
use edgeward::core::revocation::target::Kind as Named;
use edgeward::gate::{
    self, Bindings, Decision, Findings, Gate, HubCall, RevocationCall, Revoker, Warming,
};
use serde_json::{Map, Value, json};

use super::fixture::{
    self, HmacAlone, ISSUER, NOW, REVOKED_ID, SIGNERS, TABLE, jwt_keys, signature,
};
use super::model::{self, Parts, Read, form_decoded, trimmed};
use super::places::bearer;

const ADMIN_TOKEN: &str = "the admin token that only the tests use";

/// The clients that may revoke, with their passwords. One has to be encoded, and many do not do it.
const CLIENTS: [(&str, &str); 2] =
    [("app", "a password with 100% of +"), ("my app", "sixteen: letters")];

const NOW_MS: i64 = NOW * 1_000;

/// Tokens: of a client by either claim, of another one, two that are over, one of nobody, and one that is forged.
static TOKENS: LazyLock<[String; 7]> = LazyLock::new(|| {
    let token = |changes: Value| {
        let (algorithm, key) = SIGNERS[0];
        let header = json!({ "alg": algorithm, "kid": key }).to_string();
        fixture::token(algorithm, header.as_bytes(), fixture::claims_with(&changes).as_bytes())
    };
    let of_app = token(json!({ "client_id": "app" }));
    let forged = of_app.rsplit_once('.').map_or("", |(signed, _)| signed).to_owned() + ".AAAA";
    [
        of_app,
        token(json!({ "azp": "my app" })),
        token(json!({ "client_id": "other", "azp": "app" })),
        token(json!({ "client_id": "app", "exp": NOW - 600 })),
        token(json!({ "client_id": "app", "jti": REVOKED_ID })),
        token(json!({})),
        forged,
    ]
});

fn ready() -> Gate<HmacAlone> {
    let mut table: Value = serde_json::from_str(TABLE).expect("the fixture is good");
    let clients = CLIENTS.iter().zip(["FIRST", "SECOND"]);
    let clients =
        clients.map(|((id, _), secret)| json!({ "client_id": id, "client_secret": secret }));
    table["revocation"] = json!({ "clients": clients.collect::<Vec<_>>() });
    let secret = |name: &str| match name {
        "JWT_KEYS" => Some(jwt_keys()),
        "ADMIN_TOKEN" => Some(ADMIN_TOKEN.to_owned()),
        "FIRST" => Some(CLIENTS[0].1.to_owned()),
        "SECOND" => Some(CLIENTS[1].1.to_owned()),
        _ => None,
    };
    let bindings = Bindings { has_relays: true, ..Bindings::default() };
    let gate = Gate::boot(&table.to_string(), &secret, bindings, HmacAlone);
    let gate = gate.unwrap_or_else(|problems| panic!("{problems:?}"));
    fixture::revoke(&gate);
    gate
}

/// Checks an input.
pub fn check(data: &[u8]) {
    thread_local! {
        static GATE: Gate<HmacAlone> = ready();
    }
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (reader, rest) = (&data[..end], &data[end + 1..]);
    let with_tokens = std::str::from_utf8(rest).map(|text| {
        let tokens = TOKENS.iter().enumerate();
        tokens.fold(text.to_owned(), |text, (at, token)| text.replace(&format!("{{{at}}}"), token))
    });
    let body = with_tokens.as_ref().map_or(rest, |text| text.as_bytes());
    let text = with_tokens.as_deref().unwrap_or_default();
    GATE.with(|gate| match reader {
        b"explain" => explain(gate, body),
        b"prewarm" => prewarm(gate, body),
        b"revoke" => revoke(gate, body),
        b"basic" => basic(gate, text),
        b"page" => page(gate, text),
        b"metrics" => metrics(gate, text),
        _ => {}
    });
}

/// A body as the model reads it: an object, or nothing that could be one; nothing at all if it is too deep.
fn said(body: &[u8]) -> Option<Map<String, Value>> {
    match model::json(body) {
        Read::Value(Value::Object(members)) => Some(members),
        Read::Value(_) | Read::Refused => Some(Map::new()),
        Read::TooDeep => None,
    }
}

/// No answer of 4xx or 5xx without a problem in it, and none that tells a token.
fn check_answer(answer: &TextResponse, body: &[u8]) {
    let told: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(
        answer.status < 400,
        !(told.get("code").or(told.get("error"))).is_some_and(Value::is_string)
    );
    check_silence(&answer.body, body);
}

/// What was sent as a token is nowhere in what is told, nor is its signature.
fn check_silence(told: &str, body: &[u8]) {
    let body = String::from_utf8_lossy(body);
    for token in TOKENS.iter().filter(|token| body.contains(token.as_str())) {
        let parts = token.split('.').skip(1).filter(|part| part.len() > 40);
        assert!(!parts.into_iter().any(|part| told.contains(part)), "{told}");
    }
}

fn explain(gate: &Gate<HmacAlone>, body: &[u8]) {
    let head = RequestHead::unpack("POST\nhttps://edge.example/_edgeward/explain");
    let asked = match gate.explaining(Some(body), &head) {
        Ok(asked) => asked,
        Err(answer) => {
            assert_eq!(answer.status, 400);
            return;
        }
    };
    let Some(said) = said(body) else { return };
    let text = |name: &str, usual: &str| {
        said.get(name).map_or(usual, |text| text.as_str().expect("a text")).to_owned()
    };
    let (method, path) = (text("method", "GET"), text("path", "/"));
    let (scheme, host, token) =
        (text("scheme", "https"), text("host", "edge.example"), text("token", ""));
    let lines: Vec<&str> = asked.packed().split('\n').collect();
    assert_eq!(
        lines[..2],
        [method, format!("{scheme}://{host}{path}")],
        "nothing but what was said"
    );
    let headers = said.get("headers").and_then(Value::as_object);
    for (name, value) in headers.into_iter().flatten() {
        let sent = lines[2..].chunks(2).find(|pair| name.eq_ignore_ascii_case(pair[0]));
        let value = value.as_str().expect("a text");
        assert!(sent.is_some_and(|pair| pair[1].contains(value)), "{name}");
    }
    let bearer = format!("Bearer {token}");
    assert!(
        token.is_empty()
            || lines[2..]
                .chunks(2)
                .any(|pair| pair[0] == "authorization" && pair[1].starts_with(&bearer))
    );

    // It is explained as it would be decided, and counts for nothing.
    let before =
        (gate.tally().permitted(), gate.tally().denied().map(|(_, count)| count).sum::<u64>());
    let answer = gate.explain(&asked, NOW_MS, &mut Findings::default()).expect("all is known");
    let after =
        (gate.tally().permitted(), gate.tally().denied().map(|(_, count)| count).sum::<u64>());
    assert_eq!(before, after);
    assert_eq!(answer.status, 200);
    let told: Value = serde_json::from_str(&answer.body).expect("JSON");
    let packed = asked.packed().to_owned();
    let head = RequestHead::unpack(&packed);
    let (decision, reason) = match gate.decide(&head, NOW_MS, &mut Findings::default()) {
        Ok(Decision::Forward(permit)) => match permit.shadowed() {
            Some(denial) => ("shadow", Some(denial.reason.name())),
            None => ("permit", None),
        },
        Ok(_) => ("gate", None),
        Err(denial) => ("deny", Some(denial.reason.name())),
    };
    assert_eq!(
        (&told["decision"], told.get("reason").and_then(Value::as_str)),
        (&json!(decision), reason),
        "{packed}"
    );
    // What stands where no token belongs is shown as it would be sent.
    let is_elsewhere = || {
        let shown = lines.iter().filter(|line| **line != bearer);
        let mut tokens = shown.flat_map(|line| TOKENS.iter().map(move |one| (line, one)));
        tokens.any(|(line, token)| line.contains(token.as_str()))
    };
    if !is_elsewhere() {
        check_silence(&answer.body, body);
    }
}

fn prewarm(gate: &Gate<HmacAlone>, body: &[u8]) {
    thread_local! {
        static TIME: Cell<i64> = const { Cell::new(NOW_MS) };
    }
    // Longer than the pause after any list.
    let now = TIME.get() + 60_000;
    TIME.set(now);
    let orders = match gate.prewarm(Some(body), now) {
        Ok(orders) => orders,
        Err(answer) => {
            assert_eq!(answer.status, 400);
            return;
        }
    };
    let number = i64::try_from(orders.len()).expect("few");
    assert!((1..=100).contains(&number));
    for (later, status) in [(0, 429), (100 * number - 1, 429), (100 * number, 200)] {
        let again = gate.prewarm(Some(body), now + later);
        assert_eq!(again.map_or_else(|answer| answer.status, |_| 200), status, "{later}");
    }
    let Some(said) = said(body) else { return };
    let of = |name: &str| said.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut tokens, mut hashes) = (of("tokens").into_iter(), of("hashes").into_iter());
    let mut outcomes = Vec::new();
    for order in orders {
        let outcome = match &order {
            gate::Order::Token(token) => {
                assert_eq!(tokens.next(), Some(json!(token)));
                warm(gate, token)
            }
            gate::Order::Stored(kv_key) => {
                let hash = hashes.next().expect("as many as were said");
                let hash = hash.as_str().expect("a text");
                assert_eq!(*kv_key, format!("validation:v1:{hash}"));
                assert_eq!(model::base64url(hash).map(|bytes| bytes.len()), Some(32));
                gate::Outcome::Absent
            }
        };
        outcomes.push((order, outcome));
    }
    assert_eq!((tokens.next(), hashes.next()), (None, None));
    let answer = gate.prewarmed(&outcomes);
    let told: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(
        (told["stored"].as_u64(), told["results"].as_array().map(Vec::len)),
        (Some(0), Some(outcomes.len()))
    );
    check_answer(&answer, body);
}

fn warm(gate: &Gate<HmacAlone>, token: &str) -> gate::Outcome {
    match gate.warm(token, &mut Findings::insisting(), NOW_MS) {
        Warming::Good => {
            if let Ok(claims) = model::accepted(token, NOW) {
                assert!(claims.is_some_and(|claims| !model::is_revoked(&claims)), "{token}");
            }
            gate::Outcome::NotStored
        }
        Warming::Refused(reason) => {
            assert!(!reason.is_empty());
            gate::Outcome::Refused(reason)
        }
        Warming::Ask(question) => panic!("{question:?}"),
    }
}

/// The body of RFC 7009, by the admin and by each client.
fn revoke(gate: &Gate<HmacAlone>, body: &[u8]) {
    let form = std::str::from_utf8(body).unwrap_or_default();
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let tokens = pairs.filter(|(name, _)| form_decoded(name) == "token");
    let tokens: Vec<String> = tokens.map(|(_, value)| form_decoded(value)).collect();
    let clients =
        CLIENTS.map(|(id, _)| (Revoker::Client(id.to_owned()), format!("client:{id}"), Some(id)));
    let admin = (Revoker::Admin, "admin".to_owned(), None);
    for (revoker, by, client) in clients.into_iter().chain([admin]) {
        let call = RevocationCall::RevokeToken(revoker);
        match (gate.hub_call(&call, Some(body), false, NOW_MS), tokens.as_slice()) {
            (Ok(HubCall { path, body: order }), [token]) => {
                assert_eq!(path, "/append");
                check_silence(&order, body);
                let order = serde_json::from_str(&order).expect("JSON");
                let order = Order::from_json(&order).expect("an order");
                assert_eq!((order.kind, order.value, order.by), (Named::Token, None, by));
                assert!(order.issuer == ISSUER && order.expires_at > NOW);
                let Some(client) = client else { continue };
                let Ok(parts) = model::parts(token) else { continue };
                assert!(parts.is_some_and(|parts| is_of(client, &parts)), "{token}");
            }
            (Ok(_), other) => panic!("{other:?}"),
            (Err(answer), [_]) => {
                assert!([200, 400].contains(&answer.status), "{}", answer.body);
                check_answer(&answer, body);
            }
            (Err(answer), _) => assert_eq!(answer.body, r#"{"error":"invalid_request"}"#),
        }
    }
}

/// Whether a token is signed, and says that it is this client's.
fn is_of(client: &str, parts: &Parts) -> bool {
    let text = |name: &str| parts.claims.get(name).and_then(Value::as_str);
    let algorithm = parts.header.get("alg").and_then(Value::as_str).unwrap_or_default();
    text("client_id").or(text("azp")) == Some(client)
        && signature(algorithm, parts.signed.as_bytes())
            .is_some_and(|right| parts.signature == right)
}

/// The value of `Authorization` of who revokes.
fn basic(gate: &Gate<HmacAlone>, value: &str) {
    if value.contains('\n') {
        return;
    }
    let packed = format!("POST\nhttps://edge.example/_edgeward/revoke\nauthorization\n{value}");
    let head = RequestHead::unpack(&packed);
    let found = match gate.decide(&head, NOW_MS, &mut Findings::default()) {
        Ok(Decision::Revocations(RevocationCall::RevokeToken(revoker))) => Some(revoker),
        Ok(Decision::Answer(answer)) => {
            assert_eq!(answer.status, 401);
            assert!(answer.headers.iter().any(|(name, _)| *name == "www-authenticate"));
            None
        }
        other => panic!("{other:?}"),
    };
    let value = trimmed(value);
    let pair = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let client = pair.and_then(|(_, encoded)| client_of(trimmed(encoded)));
    let admin = (bearer(value) == Some(ADMIN_TOKEN)).then_some(Revoker::Admin);
    let expected = client.map(|id| Revoker::Client(id.to_owned())).or(admin);
    assert_eq!(found, expected, "{value:?}");
}

/// Whose id and password these are (RFC 6749 section 2.3.1), encoded or as many send them.
fn client_of(encoded: &str) -> Option<&'static str> {
    let bytes = STANDARD.decode(encoded).ok()?;
    let pair = String::from_utf8(bytes).ok()?;
    let (id, password) = pair.split_once(':')?;
    let either = |text: &str, known: &str| text == known || form_decoded(text) == known;
    let fits = |(known, right): &&(&str, &str)| either(id, known) && either(password, right);
    CLIENTS.iter().find(fits).map(|(id, _)| *id)
}

/// The query of who lists revocations.
fn page(gate: &Gate<HmacAlone>, query: &str) {
    if query.contains(['\n', '#']) {
        return;
    }
    let packed = format!(
        "GET\nhttps://edge.example/_edgeward/revocations?{query}\nauthorization\nBearer {ADMIN_TOKEN}"
    );
    let found = match gate.decide(&RequestHead::unpack(&packed), NOW_MS, &mut Findings::default()) {
        Ok(Decision::Revocations(RevocationCall::List { after, limit })) => {
            Some((after, u64::from(limit)))
        }
        Ok(Decision::Answer(answer)) => {
            assert_eq!(answer.status, 400);
            check_answer(&answer, query.as_bytes());
            None
        }
        other => panic!("{other:?}"),
    };
    let number = |text: &str| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        digits.chars().all(|one| one.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
    };
    // Of several the last one counts.
    let (mut after, mut limit, mut is_good) = (0, 100, true);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, number(value)) {
            ("after", Some(number)) => after = number,
            ("limit", Some(number @ 1..=250)) => limit = number,
            _ => is_good = false,
        }
    }
    let expected = is_good.then_some((after, limit));
    assert_eq!(found, expected, "{query:?}");
}

/// What an isolate hands over, as its relay and the hub read it, and the page.
fn metrics(gate: &Gate<HmacAlone>, text: &str) {
    let answer = gate.metrics_page(Some(text.as_bytes()), NOW_MS);
    assert_eq!(answer.status, 200);
    for line in answer.body.lines() {
        let number = line.rsplit(' ').next().unwrap_or_default();
        assert!(
            line.starts_with("# ") || line.starts_with("auth_") && number.parse::<f64>().is_ok(),
            "{line:?}"
        );
    }
    let readings = Readings::read(text.lines());
    assert!(readings.len() <= MOST_SERIES);
    assert_eq!(Readings::read(readings.lines().lines()), readings);
    // What was counted is only what was said: the relay's word may come twice, and be overtaken.
    let mut account = Account::default();
    account.hear(&readings, NOW_MS);
    account.hear(&readings, NOW_MS);
    account.hear(&readings.zeros(), NOW_MS);
    let written = account.unwritten().unwrap_or_default();
    let mut sum = Readings::default();
    Account::read(&written).add_to(&mut sum, NOW_MS);
    assert_eq!(sum, readings.of(Kind::Count));

    let Some(batch) = Batch::read(text) else { return };
    let head: Vec<&str> = text.lines().next().unwrap_or_default().split(' ').collect();
    assert!(head.len() >= 3 && head[0] == "EWM1", "{head:?}");
    assert_eq!(head[2].parse(), Ok(batch.number));
    let mut ledger = Ledger::default();
    ledger.take(batch.clone(), NOW_MS);
    ledger.take(batch.clone(), NOW_MS);
    let counts = batch.readings.of(Kind::Count);
    // One that says of itself that it is none yet adds nothing.
    let expected = if batch.number == 0 { Readings::default() } else { counts };
    assert_eq!(ledger.report(NOW_MS).of(Kind::Count), expected);
    assert_eq!(ledger.kept(batch.isolate), 0, "nothing is written");
    let written = ledger.unwritten().unwrap_or_default();
    ledger.is_written();
    assert_eq!(ledger.kept(batch.isolate), batch.number);
    let again = &mut Ledger::read(&written);
    assert_eq!(again.report(NOW_MS), expected, "{written:?}");
    let is_ours = |line: &str| line.starts_with(['#', '^']) || line.starts_with("+auth_");
    if batch.number > 0 && text.lines().skip(1).all(is_ours) {
        assert_eq!(again.kept(batch.isolate), batch.number, "{written:?}");
    }
}
