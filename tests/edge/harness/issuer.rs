//! The auth service: `oidc-provider` in a process of its own, behind a fault proxy.
//!
//! It introspects and revokes opaque tokens alone. To a JWT it says `unsupported_token_type`, as it
//! keeps no record of those.

use std::{net::SocketAddr, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::form_urlencoded;

use super::{Faults, Program, Reply, Value, client, json, mint, mint::Key};

/// The client that gets tokens: name and secret.
pub const APP: (&str, &str) = ("app", "secret-of-the-app");
/// The client that may ask about tokens with `client_secret_basic`. Its secret says something else
/// in a form than in a header (RFC 6749 section 2.3.1).
pub const EDGE: (&str, &str) = ("edge", "secret of the edge: 50% + 1");
/// The client that may ask about tokens with `private_key_jwt`.
pub const EDGE_JWT: &str = "edge-jwt";
/// The keys of [`EDGE_JWT`], by algorithm.
pub static EDGE_JWT_KEYS: LazyLock<[(&str, Key); 2]> = LazyLock::new(|| {
    [("EdDSA", Key::ed25519("edge-jwt-ed")), ("ES256", Key::ec("edge-jwt-p256", "P-256"))]
});
/// Where tokens are introspected.
pub const INTROSPECTION: &str = "/token/introspection";
/// Where the public keys are.
pub const JWKS: &str = "/jwks";
/// Where the discovery document is.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A running provider; it ends with this value.
pub struct Issuer {
    /// Where the others meet it.
    pub faults: Faults,
    /// Its own address, so that a test can do what it wants while nobody else can.
    direct: SocketAddr,
    program: Program,
}

/// What a token is for. Both are for the audience of the default provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Its tokens are JWTs, signed with ES256.
    Jwt,
    /// Its tokens say nothing without introspection.
    Opaque,
}

impl Issuer {
    /// Starts the provider and waits until it listens. Tokens live for five minutes.
    pub async fn start() -> Self {
        let faults = Faults::start().await;
        let settings = settings(&format!("http://{}", faults.addr));
        let (program, started) = Program::start("tests/support/issuer.mjs", &settings).await;
        let port = started["port"].as_u64().unwrap();
        let direct = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()));
        faults.pass_to(direct);
        Self { faults, direct, program }
    }

    /// The issuer identifier, which is also the base of all its URLs.
    pub fn url(&self) -> String {
        format!("http://{}", self.faults.addr)
    }

    /// A new token for these scopes, separated by blanks. No fault is in the way.
    pub async fn token(&self, resource: Resource, scope: &str) -> String {
        let form = [
            ("grant_type", "client_credentials"),
            ("resource", resource.identifier()),
            ("scope", scope),
        ];
        let reply = self.post("/token", APP, &form).await;
        let token = reply.json()["access_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("no token: {}", reply.text()))
    }

    /// Revokes an opaque token. No fault is in the way.
    pub async fn revoke(&self, token: &str) {
        let reply = self.post("/token/revocation", APP, &[("token", token)]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// From now on JWTs are signed with a new key. The old ones stay published, or nothing that
    /// they have signed is good any more. Opaque tokens do not notice.
    pub async fn rotate(&self, keep_old: bool) {
        self.command(json!({ "command": "rotate", "keepOld": keep_old })).await;
    }

    /// From now on, new tokens live for so many seconds.
    pub async fn set_lifetime(&self, seconds: u64) {
        self.command(json!({ "command": "lifetime", "seconds": seconds })).await;
    }

    /// The public keys as they are now. No fault is in the way.
    pub async fn jwks(&self) -> Value {
        client::raw(self.direct, &client::get(JWKS).bytes()).await.json()
    }

    /// How often somebody asked about a token.
    pub fn introspections(&self) -> usize {
        self.faults.count(INTROSPECTION)
    }

    /// How often somebody asked for the keys.
    pub fn jwks_requests(&self) -> usize {
        self.faults.count(JWKS)
    }

    /// How often somebody asked for the discovery document.
    pub fn discoveries(&self) -> usize {
        self.faults.count(DISCOVERY)
    }

    async fn post(&self, path: &str, caller: (&str, &str), form: &[(&str, &str)]) -> Reply {
        let request = post(path, form).header("Authorization", &basic(caller));
        client::raw(self.direct, &request.bytes()).await
    }

    async fn command(&self, command: Value) {
        assert_eq!(self.program.told(&command).await["done"], command["command"]);
    }
}

impl Resource {
    fn identifier(self) -> &'static str {
        match self {
            Self::Jwt => "urn:resource:jwt",
            Self::Opaque => "urn:resource:opaque",
        }
    }
}

fn settings(issuer: &str) -> Value {
    let keys: Vec<Value> = EDGE_JWT_KEYS.iter().map(|(_, key)| key.jwk()).collect();
    json!({
        "issuer": issuer,
        "audience": mint::AUDIENCE,
        "resources": {
            "jwt": Resource::Jwt.identifier(),
            "opaque": Resource::Opaque.identifier(),
        },
        "clients": [
            { "id": APP.0, "secret": APP.1 },
            { "id": EDGE.0, "secret": EDGE.1, "asksAboutTokens": true },
            { "id": EDGE_JWT, "jwks": { "keys": keys }, "asksAboutTokens": true },
        ],
    })
}

/// A request that sends this form.
pub fn post(path: &str, form: &[(&str, &str)]) -> client::Request {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    client::request("POST", path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(&body)
}

/// The `Authorization` of `client_secret_basic`: both parts are encoded like a form first.
pub fn basic((name, secret): (&str, &str)) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(name), encode(secret))))
}
