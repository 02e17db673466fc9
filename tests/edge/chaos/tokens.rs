//! Tokens of every class, and what is true of each.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, LazyLock, Mutex},
};

use super::{
    SKEW_SECONDS,
    harness::{
        mint::{self, AUDIENCE, ISSUER, Key},
        *,
    },
    script::Random,
};

/// How many tokens of a class are used again.
const KEPT: usize = 40;

/// Keys of the issuer whose keys are in secrets, of which each is revoked in the course of the run.
const KIDS: [&str; 8] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];
pub static DOOMED: LazyLock<Vec<Key>> =
    LazyLock::new(|| KIDS.into_iter().map(Key::ed25519).collect());
/// A key of the same name as a good one, and one of another name.
static IMPOSTOR: LazyLock<Key> = LazyLock::new(|| Key::ec("p256", "P-256"));
static UNKNOWN: LazyLock<Key> = LazyLock::new(|| Key::ec("unknown", "P-256"));

/// What kind of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Good, with a key from a secret.
    Local,
    /// The same, and over during the run.
    Short,
    /// Good, with a key that its issuer publishes.
    Published,
    /// Good, by the word of its issuer alone.
    Opaque,
    /// Over before it was first sent.
    Expired,
    /// Good in the future.
    NotYet,
    /// For somebody else.
    Audience,
    /// The signature is another key's.
    Forged,
    /// The key is not there.
    UnknownKey,
    /// `alg` is `none`.
    Unsigned,
    /// The issuer is not known.
    Stranger,
    /// Signed by another key in the name of the issuer that publishes its keys.
    ForgedPublished,
    /// The same, with a key that this issuer does not publish.
    UnknownPublished,
    /// No issuer knows it.
    Invented,
    /// No token at all.
    Garbage,
    /// There is none.
    None,
}

impl Class {
    /// What is bad from the beginning: code of the denial.
    pub const fn denial(self) -> Option<&'static str> {
        match self {
            Self::Local | Self::Short | Self::Published | Self::Opaque => None,
            Self::Expired => Some("expired_token"),
            Self::None => Some("missing_token"),
            Self::NotYet
            | Self::Audience
            | Self::Forged
            | Self::UnknownKey
            | Self::Unsigned
            | Self::Stranger
            | Self::ForgedPublished
            | Self::UnknownPublished
            | Self::Invented
            | Self::Garbage => Some("invalid_token"),
        }
    }

    /// Whether its claims are looked at: its issuer has made it.
    pub const fn is_signed(self) -> bool {
        self.denial().is_none() || matches!(self, Self::Audience | Self::NotYet)
    }

    /// Whose word or key it takes to judge it.
    pub const fn issuer(self) -> Issued {
        match self {
            Self::Published | Self::ForgedPublished | Self::UnknownPublished => Issued::Published,
            Self::Opaque | Self::Invented => Issued::Asked,
            _ => Issued::Local,
        }
    }
}

/// Of which provider a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    Local,
    Published,
    Asked,
}

/// One token.
pub struct Token {
    pub class: Class,
    pub text: String,
    /// All by which it can be revoked, but for its text.
    pub names: BTreeMap<&'static str, String>,
    pub issued_at: i64,
    /// When it can be over at the earliest, and when it is over for certain, in milliseconds since 1970.
    pub over: (i64, i64),
    pub is_admin: bool,
}

impl Token {
    /// Whom the origin is told that it is about.
    pub fn subject(&self) -> &str {
        self.names.get("sub").map_or("", String::as_str)
    }
}

/// The tokens that are sent again, by class.
#[derive(Default)]
pub struct Pools {
    all: Mutex<BTreeMap<Class, VecDeque<Arc<Token>>>>,
    /// Those that were revoked or withdrawn.
    out: Mutex<VecDeque<Arc<Token>>>,
}

impl Pools {
    pub fn add(&self, token: Arc<Token>) {
        keep(self.all.lock().unwrap().entry(token.class).or_default(), token);
    }

    /// It will not be good for much longer: it is sent all the more.
    pub fn doom(&self, token: &Arc<Token>) {
        keep(&mut self.out.lock().unwrap(), Arc::clone(token));
    }

    pub fn any(&self, class: Class, random: &mut Random) -> Option<Arc<Token>> {
        let all = self.all.lock().unwrap();
        let pool = all.get(&class).filter(|pool| !pool.is_empty())?;
        Some(Arc::clone(&pool[random.index(pool.len())]))
    }

    pub fn doomed(&self, random: &mut Random) -> Option<Arc<Token>> {
        let out = self.out.lock().unwrap();
        (!out.is_empty()).then(|| Arc::clone(&out[random.index(out.len())]))
    }
}

fn keep(pool: &mut VecDeque<Arc<Token>>, token: Arc<Token>) {
    pool.push_back(token);
    if pool.len() > KEPT {
        pool.pop_front();
    }
}

/// Makes tokens.
pub struct Mint {
    made: u64,
    /// How many of the doomed keys are revoked, or about to be.
    pub spent: usize,
}

impl Mint {
    pub const fn new() -> Self {
        Self { made: 0, spent: 0 }
    }

    /// A new token of a class that needs no issuer.
    pub fn make(&mut self, class: Class, random: &mut Random) -> Token {
        self.made += 1;
        let (made, now) = (self.made, mint::now());
        let life = match class {
            Class::Short => i64::try_from(random.between(1, 14)).unwrap(),
            Class::Expired => -100,
            _ => i64::try_from(random.between(120, 900)).unwrap(),
        };
        let is_admin = random.percent(50);
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + life,
            "sub": format!("user-{}", made / 5), "sid": format!("session-{}", made / 3),
            "client_id": format!("client-{}", made / 8), "jti": format!("jti-{made}"),
            "scope": if is_admin { "read admin" } else { "read" },
        });
        match class {
            Class::Expired => claims["iat"] = json!(now - 500),
            Class::NotYet => claims["nbf"] = json!(now + 100_000),
            Class::Audience => claims["aud"] = json!("somebody else"),
            Class::Stranger => claims["iss"] = json!("https://stranger.example"),
            _ => {}
        }
        let is_doomed = class == Class::Local && self.spent < DOOMED.len() && random.percent(25);
        let (key, algorithm): (&Key, _) = match class {
            Class::Forged => (&IMPOSTOR, "ES256"),
            Class::UnknownKey => (&UNKNOWN, "ES256"),
            _ if is_doomed => {
                (&DOOMED[self.spent + random.index(DOOMED.len() - self.spent)], "EdDSA")
            }
            _ => {
                let algorithm =
                    random.pick(&["HS256", "HS512", "ES256", "ES256", "EdDSA", "RS256", "PS256"]);
                (mint::key_for(algorithm), algorithm)
            }
        };
        let text = match class {
            Class::None => String::new(),
            Class::Garbage => format!("eyJhbGciOiJFUzI1NiJ9.no-claims-{made}.x"),
            Class::Invented => mint::base64url(&mint::random(32)),
            Class::Unsigned => {
                let header = json!({ "alg": "none", "typ": "JWT" }).to_string();
                mint::raw_token(header, claims.to_string(), |_| Vec::new())
            }
            _ => key.token(algorithm, &claims),
        };
        let over = (now + life + SKEW_SECONDS) * 1_000;
        let mut names = named(&claims);
        names.insert("kid", key.kid.to_owned());
        Token { class, text, names, issued_at: now, over: (over, over), is_admin }
    }

    /// A token that the issuer with published keys has made, or one that is made from it.
    pub fn published(text: &str, class: Class) -> Token {
        let part = |at| mint::from_base64url(text.split('.').nth(at).unwrap());
        let claims: Value = serde_json::from_slice(&part(1)).unwrap();
        let forged = |header: Vec<u8>| {
            mint::raw_token(header, part(1), |input| IMPOSTOR.sign("ES256", input))
        };
        let text = match class {
            Class::ForgedPublished => forged(part(0)),
            Class::UnknownPublished => {
                let mut header: Value = serde_json::from_slice(&part(0)).unwrap();
                header["kid"] = json!("nobody's");
                forged(header.to_string().into_bytes())
            }
            _ => text.to_owned(),
        };
        let over = (claims["exp"].as_i64().unwrap() + SKEW_SECONDS) * 1_000;
        let issued_at = claims["iat"].as_i64().unwrap();
        let is_admin = is_admin(&claims);
        Token { class, text, names: named(&claims), issued_at, over: (over, over), is_admin }
    }

    /// An opaque token that was asked for and given at these times, in milliseconds since 1970, and lives
    /// for so many seconds.
    pub fn opaque(text: String, made: (i64, i64), life: i64, scope: &str) -> Token {
        // Its issuer calls it inactive at once; an answer from before counts with leeway.
        let over = (made.0 + life * 1_000 - 1_000, made.1 + (life + SKEW_SECONDS + 1) * 1_000);
        Token {
            class: Class::Opaque,
            text,
            names: BTreeMap::from([("sub", issuer::APP.0.to_owned())]),
            issued_at: made.0 / 1_000,
            over,
            is_admin: scope.contains("admin"),
        }
    }
}

fn named(claims: &Value) -> BTreeMap<&'static str, String> {
    let names = ["jti", "sub", "sid", "client_id"].into_iter();
    names.filter_map(|name| Some((name, claims[name].as_str()?.to_owned()))).collect()
}

fn is_admin(claims: &Value) -> bool {
    claims["scope"].as_str().is_some_and(|scope| scope.split(' ').any(|one| one == "admin"))
}
