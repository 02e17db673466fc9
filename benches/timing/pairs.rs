//! What is compared: two classes of requests that get the same answer, of which nobody outside should know
//! more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::edgeward_setup::{ADMIN_TOKEN, provider};
use super::mint::{self, Key, base64url, from_base64url};
use super::workerd::{json_binding, text_binding};

/// How many requests of a class there are, which take turns.
const VARIANTS: usize = 64;
/// Each kind of key, by the algorithm whose tokens it verifies here.
const ALGORITHMS: [&str; 7] = ["HS256", "RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"];
/// A name that no key has, as long as those that keys have.
const CLIENT: &str = "app";
const STRANGER: &str = "abc";
const CLIENT_SECRET: &str = "client-secret-of-the-measurement-0123456789";

/// Two classes, and what could be told of them.
pub struct Pair {
    pub name: String,
    pub classes: [Class; 2],
}

/// Requests that differ in nothing that matters.
pub struct Class {
    pub requests: Vec<Vec<u8>>,
    /// That all of them get.
    pub status: u16,
}

/// The services and bindings of a gate with a key of each kind, an admin, and a client that may revoke.
pub fn configuration() -> (String, String) {
    let settings = json!({
        // Nothing gets there.
        "origin": "http://127.0.0.1:9",
        "providers": [provider(&mint::ALGORITHMS)],
        "revocation": { "clients": [{ "client_id": CLIENT, "client_secret": "CLIENT_SECRET" }] },
    });
    let bindings = [
        json_binding("AUTH", &settings),
        text_binding("JWT_KEYS", &mint::jwks(&mint::all())),
        text_binding("ADMIN_TOKEN", ADMIN_TOKEN),
        text_binding("CLIENT_SECRET", CLIENT_SECRET),
    ];
    (String::new(), bindings.concat())
}

/// All pairs; the first ones have nothing in them to be found.
pub fn all() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for algorithm in ["HS256", "ES256"] {
        let key = mint::key_for(algorithm);
        pairs.push(Pair {
            name: format!("nothing: {algorithm}, a wrong signature and another"),
            classes: [forged(key, algorithm, key.kid), forged(key, algorithm, key.kid)],
        });
    }
    for algorithm in ALGORITHMS {
        let key = mint::key_for(algorithm);
        let guess: String = key.kid.chars().map(|_| 'x').collect();
        pairs.push(Pair {
            name: format!("{algorithm}: a wrong signature, and a key that is not there"),
            classes: [forged(key, algorithm, key.kid), forged(key, algorithm, &guess)],
        });
    }
    pairs.push(Pair {
        name: "HS256: a MAC whose first byte is wrong, and one whose last byte is".to_owned(),
        classes: [0, 31].map(|at| bearers(|| altered(&mint::HMAC, "HS256", at))),
    });
    let altered_text = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1;
        String::from_utf8(bytes).expect("ASCII")
    };
    let [first, last] = [0, ADMIN_TOKEN.len() - 1].map(|at| altered_text(ADMIN_TOKEN, at));
    let short = &ADMIN_TOKEN[..ADMIN_TOKEN.len() - 1];
    pairs.push(Pair {
        name: "an admin token whose first byte is wrong, and one whose last byte is".to_owned(),
        classes: [admin(&first), admin(&last)],
    });
    pairs.push(Pair {
        name: "an admin token of the right length, and one without its last byte".to_owned(),
        // Of the same length as a request.
        classes: [admin(&first), admin(&format!("{short} "))],
    });
    let [first, last] = [0, CLIENT_SECRET.len() - 1].map(|at| altered_text(CLIENT_SECRET, at));
    pairs.push(Pair {
        name: "a client secret whose first byte is wrong, and one whose last byte is".to_owned(),
        classes: [client(CLIENT, &first), client(CLIENT, &last)],
    });
    pairs.push(Pair {
        name: "a wrong secret of a client, and of one that is not there".to_owned(),
        classes: [client(CLIENT, &first), client(STRANGER, &first)],
    });
    pairs.push(Pair {
        name: "a wrong secret of a client, and the right one of another that is not there"
            .to_owned(),
        classes: [client(STRANGER, &first), client(STRANGER, CLIENT_SECRET)],
    });
    pairs
}

/// Tokens of this key identifier, signed by another key than the one of that name.
fn forged(key: &Key, algorithm: &str, kid: &str) -> Class {
    bearers(|| {
        let token = key.token_with_header(&json!({ "alg": algorithm, "kid": kid }), &claims());
        let (input, _) = token.rsplit_once('.').expect("three parts");
        let other = key.token_with_header(&json!({ "alg": algorithm, "kid": kid }), &claims());
        let (_, signature) = other.rsplit_once('.').expect("three parts");
        format!("{input}.{signature}")
    })
}

/// A token of which this byte of the signature is wrong.
fn altered(key: &Key, algorithm: &str, at: usize) -> String {
    let token = key.token_with_header(&json!({ "alg": algorithm, "kid": key.kid }), &claims());
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let mut signature = from_base64url(signature);
    signature[at] ^= 1;
    format!("{input}.{}", base64url(&signature))
}

/// Of one length, whoever it is for.
fn claims() -> Value {
    let mut claims = mint::claims();
    claims["exp"] = (mint::now() + 86_400).into();
    claims
}

fn bearers(token: impl Fn() -> String) -> Class {
    class(401, || format!("GET /api HTTP/1.1\r\nAuthorization: Bearer {}\r\n", token()))
}

fn admin(token: &str) -> Class {
    class(401, || format!("GET /_edgeward/health HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"))
}

fn client(id: &str, secret: &str) -> Class {
    let password = STANDARD.encode(format!("{id}:{secret}"));
    class(401, || {
        format!(
            "POST /_edgeward/revoke HTTP/1.1\r\nAuthorization: Basic {password}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n"
        )
    })
}

fn class(status: u16, head: impl Fn() -> String) -> Class {
    let request = |_| format!("{}Host: api.example\r\n\r\n", head()).into_bytes();
    Class { requests: (0..VARIANTS).map(request).collect(), status }
}
