//! The order of checks is a contract: for each neighbouring pair, a request that fails both is
//! denied for the first.

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use crate::fixture::{NOW, Setup, claims_with, explain, send_at};
use crate::native::{Signer, encode};

/// One request that fails exactly the checks that it is told to fail.
#[derive(Default)]
struct Failing<'a>(&'a [&'a str]);

impl Failing<'_> {
    fn at(&self, check: &str) -> bool {
        self.0.contains(&check)
    }

    fn header(&self) -> Value {
        let mut header = json!({ "alg": "HS256", "typ": "JWT", "kid": "k1" });
        if self.at("algorithm") {
            header["alg"] = "HS512".into();
        }
        if self.at("crit") {
            header["crit"] = json!(["x"]);
        }
        if self.at("type") {
            header["typ"] = "logout+jwt".into();
        }
        if self.at("key") {
            header["kid"] = "other".into();
        }
        header
    }

    fn claims(&self) -> Value {
        let mut claims = claims_with(json!({}));
        if self.at("issuer") {
            claims["iss"] = "https://other.example".into();
        }
        if self.at("time claims") {
            claims["exp"] = "soon".into();
        }
        if self.at("expiration") {
            claims["exp"] = (NOW - 1).into();
        }
        if self.at("audience") {
            claims["aud"] = "other".into();
        }
        if self.at("required claims") {
            claims.as_object_mut().unwrap().remove("sub");
        }
        if self.at("scope") {
            claims["scope"] = "read".into();
        }
        if self.at("claim") {
            claims["tenant"] = "other".into();
        } else {
            claims["tenant"] = "acme".into();
        }
        claims
    }

    fn token(&self) -> String {
        if self.at("structure") {
            return format!("{}.{}", encode(b"{}"), encode(b"{}"));
        }
        let claims = if self.at("duplicate") {
            self.claims().to_string().replacen('{', "{\"sub\":\"eve\",\"sub\":\"eve\",", 1)
        } else {
            self.claims().to_string()
        };
        let token = Signer::hmac(1).token_of(&self.header().to_string(), &claims);
        if self.at("signature") {
            let (input, _) = token.rsplit_once('.').unwrap();
            return format!("{input}.{}", encode(&[0; 32]));
        }
        token
    }

    fn reason(&self) -> Option<Reason> {
        let setup = Setup::new(&["HS256"], &Signer::hmac(1)).with(json!({
            "max_token_bytes": if self.at("size") { 256 } else { 8192 },
            "rules": [{ "path": "/", "scopes_all": ["write"], "claims": { "tenant": ["acme"] } }],
        }));
        let path = if self.at("path") { "/a%00" } else { "/" };
        let credentials = if self.at("credentials") {
            "Bearer a, Bearer b".to_owned()
        } else {
            format!("Bearer {}", self.token())
        };
        let packed = format!("GET\nhttps://edge.example{path}\nauthorization\n{credentials}");
        let reason = send_at(&setup.gate(), &packed, NOW).reason();
        assert_eq!(self.explained(&setup, path, &credentials), reason.map(Reason::name));
        reason
    }

    /// The reason that its explanation gives: where it fails, all before that has passed, and nothing behind
    /// it was reached.
    fn explained(&self, setup: &Setup, path: &str, credentials: &str) -> Option<&'static str> {
        let question = json!({ "path": path, "headers": { "Authorization": credentials } });
        let explanation = explain(&setup.gate(), &question);
        let checks: Vec<_> = explanation["checks"].as_array().unwrap().iter().collect();
        let outcome = |check: &&Value| check["outcome"].as_str().unwrap().to_owned();
        let failed = checks.iter().position(|check| outcome(check) == "failed");
        let before = &checks[..failed.unwrap_or(checks.len())];
        assert!(before.iter().all(|check| ["passed", "not_needed"].contains(&&*outcome(check))));
        let reason = explanation["reason"].as_str();
        assert_eq!(failed.is_some(), reason.is_some(), "{:?}: {explanation}", self.0);
        if let Some(failed) = failed {
            assert!(checks[failed + 1..].iter().all(|check| outcome(check) == "not_reached"));
        }
        Reason::ALL.into_iter().map(Reason::name).find(|name| Some(*name) == reason)
    }
}

const ORDER: [(&str, Reason); 15] = [
    ("path", Reason::AmbiguousPath),
    ("credentials", Reason::SeveralCredentials),
    ("size", Reason::TokenTooLarge),
    ("duplicate", Reason::MalformedToken),
    ("algorithm", Reason::AlgorithmNotAllowed),
    ("crit", Reason::RefusedHeaderMember),
    ("type", Reason::TypeNotAllowed),
    ("issuer", Reason::UnknownIssuer),
    ("key", Reason::UnknownKey),
    ("signature", Reason::BadSignature),
    ("time claims", Reason::MalformedTimeClaim),
    ("audience", Reason::WrongAudience),
    ("required claims", Reason::MissingClaim),
    ("scope", Reason::MissingScope),
    ("claim", Reason::WrongClaim),
];

#[test]
fn a_request_that_fails_nothing_is_permitted() {
    assert_eq!(Failing::default().reason(), None);
}

#[test]
fn each_check_refuses_by_itself() {
    for (check, reason) in ORDER {
        assert_eq!(Failing(&[check]).reason(), Some(reason), "{check}");
    }
    assert_eq!(Failing(&["structure"]).reason(), Some(Reason::MalformedToken));
    assert_eq!(Failing(&["expiration"]).reason(), Some(Reason::Expired));
}

#[test]
fn of_two_failing_checks_the_first_in_order_decides() {
    for (earlier, (first, reason)) in ORDER.iter().enumerate() {
        for (second, _) in &ORDER[earlier + 1..] {
            assert_eq!(Failing(&[first, second]).reason(), Some(*reason), "{first} and {second}");
        }
    }
}

#[test]
fn an_expired_token_is_called_expired_only_if_its_signature_is_right() {
    assert_eq!(Failing(&["expiration", "signature"]).reason(), Some(Reason::BadSignature));
    assert_eq!(Failing(&["expiration", "audience"]).reason(), Some(Reason::Expired));
}
