//! What is sent: requests of five kinds, and the tokens in them.

use serde_json::{Value, json};

use super::mint::{AUDIENCE, ISSUER, Key, base64url, now};

/// What the issuer signs with.
pub const ALGORITHM: &str = "ES256";

/// How many users come back again and again.
const USERS: usize = 2_000;
/// How long the tokens are valid, in seconds: longer than any load.
const LIFETIME: i64 = 86_400;
/// What is behind the token is the same for all kinds.
const START: &str = "GET /api/orders HTTP/1.1\r\nHost: api.example\r\n\
                     User-Agent: load/1\r\nAccept: application/json\r\nAuthorization: Bearer ";
const END: &str = "\r\n\r\n";

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The token of a user who has been here before.
    Seen,
    /// A valid token that is sent once.
    New,
    /// No token at all under the name of one.
    Garbage,
    /// A token whose signature is that of another.
    BadSignature,
    /// A token that was valid until an hour ago.
    Expired,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::Seen, Self::New, Self::Garbage, Self::BadSignature, Self::Expired];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::New => "new",
            Self::Garbage => "garbage",
            Self::BadSignature => "bad signature",
            Self::Expired => "expired",
        }
    }

    pub const fn is_valid(self) -> bool {
        matches!(self, Self::Seen | Self::New)
    }

    /// The status that the answer must have.
    pub const fn status(self) -> u16 {
        if self.is_valid() { 200 } else { 401 }
    }
}

/// Which kinds are sent.
#[derive(Clone, Copy)]
pub enum Mix {
    /// Of 30 requests, 18 are seen, 9 new, 3 bad.
    All,
    /// For a Worker that refuses nothing: those that would be bad are new.
    Valid,
}

impl Mix {
    /// The kind that a random number stands for.
    pub const fn kind(self, random: u64) -> Kind {
        match (self, random % 30) {
            (_, 0..18) => Kind::Seen,
            (_, 18..27) | (Self::Valid, _) => Kind::New,
            (Self::All, 27) => Kind::Garbage,
            (Self::All, 28) => Kind::BadSignature,
            (Self::All, _) => Kind::Expired,
        }
    }

    /// At most how many of `requests` are of a kind: their mean, and six times more than they stray
    /// from it.
    fn most_of(self, kind: Kind, requests: usize) -> usize {
        let mean = requests * (0..30).filter(|number| self.kind(*number) == kind).count() / 30;
        mean + 6 * mean.isqrt() + 10
    }
}

/// Tokens, made before they are needed.
pub struct Supply {
    mix: Mix,
    issuer: Key,
    minted: usize,
    users: Vec<String>,
    next_user: usize,
    unused: [Vec<String>; Kind::ALL.len()],
}

impl Supply {
    /// Makes an issuer and the tokens of its users.
    pub fn new(mix: Mix) -> Self {
        let mut supply = Self {
            mix,
            issuer: Key::ec("load", "P-256"),
            minted: 0,
            users: Vec::new(),
            next_user: 0,
            unused: Default::default(),
        };
        supply.users = (0..USERS).map(|_| supply.mint(Kind::Seen)).collect();
        supply
    }

    pub const fn mix(&self) -> Mix {
        self.mix
    }

    /// The issuer's public key.
    pub fn jwk(&self) -> Value {
        self.issuer.jwk()
    }

    /// Makes the tokens that so many requests need.
    pub fn stock(&mut self, requests: usize) {
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Seen) {
            let missing =
                self.mix.most_of(kind, requests).saturating_sub(self.unused[kind as usize].len());
            for _ in 0..missing {
                let token = self.mint(kind);
                self.unused[kind as usize].push(token);
            }
        }
    }

    /// Writes a request of this kind in the place of what is in `request`.
    ///
    /// # Panics
    ///
    /// When more requests are taken than tokens were made for.
    pub fn write(&mut self, kind: Kind, request: &mut Vec<u8>) {
        let once;
        let token = if kind == Kind::Seen {
            self.next_user = (self.next_user + 1) % self.users.len();
            &self.users[self.next_user]
        } else {
            once = self.unused[kind as usize].pop().expect("enough tokens were made");
            &once
        };
        request.clear();
        for part in [START, token, END] {
            request.extend_from_slice(part.as_bytes());
        }
    }

    /// A token that no other request has.
    fn mint(&mut self, kind: Kind) -> String {
        self.minted += 1;
        let number = self.minted;
        match kind {
            Kind::Garbage => base64url(format!("{number:0>64}").as_bytes()),
            Kind::Seen | Kind::New => self.token(number, now()),
            Kind::Expired => self.token(number, now() - LIFETIME - 3_600),
            Kind::BadSignature => {
                let (token, other) = (self.token(number, now()), &self.users[0]);
                let input = token.rsplit_once('.').expect("it has three parts").0;
                format!("{input}.{}", other.rsplit_once('.').expect("it has three parts").1)
            }
        }
    }

    fn token(&self, number: usize, issued: i64) -> String {
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": format!("user-{number:08}"),
            "exp": issued + LIFETIME,
            "iat": issued,
            "jti": format!("01890f3c-7b2e-7cc0-9d3f-{number:012}"),
            "scope": "read write",
            "client_id": "web",
            "email": format!("user-{number:08}@mail.example"),
        });
        self.issuer.token_with_header(&json!({ "alg": ALGORITHM, "typ": "at+jwt" }), &claims)
    }
}
