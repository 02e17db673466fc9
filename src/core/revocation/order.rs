//! What is to be revoked: from the words of an admin or a client to an entry of the log.
//!
//! In scope: what may be asked, and for how long it holds unless that is said. Out of scope: who may
//! ask ([`crate::gate`]), and where it is kept (`crate::edge`).

use serde_json::{Map, Value};

use super::super::claims::NumericDate;
use super::super::config::{OpaqueTokens, Provider, Settings};
use super::super::json::{self as strict, object};
use super::super::token::is_like_a_jwt;
use super::super::verify::examine;
use super::entry::Effect;
use super::target::{Fingerprint, Kind};

/// The longest order that is read, in bytes: room for the longest token.
pub const MOST_ORDER_BYTES: usize = 128 * 1024;

/// The longest value that names tokens, in bytes. Values longer than any that is in use would only fill
/// the log.
const MOST_VALUE_BYTES: usize = 1_024;

/// The longest reason, in bytes.
const MOST_REASON_BYTES: usize = 256;

/// No revocation holds for longer, in seconds: ten years. What is meant for longer is rather a number
/// of milliseconds.
const MOST_LIFE_SECONDS: i64 = 315_360_000;

/// What is to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what tokens are named.
    pub kind: Kind,
    /// Whose tokens.
    pub issuer: String,
    /// Which ones; nothing for a token, of which only the fingerprint is kept.
    pub value: Option<String>,
    /// The same as a fingerprint.
    pub target: Fingerprint,
    /// Which of them.
    pub effect: Effect,
    /// For how long.
    pub expires_at: NumericDate,
    /// Whether somebody wants exactly that.
    pub is_exact: bool,
    /// Why, for people.
    pub reason: Option<String>,
    /// Who wants it: `admin`, or `client:` and its name.
    pub by: String,
}

impl Order {
    /// Reads the order of an admin. The error says what is wrong with it.
    pub fn read(body: &[u8], settings: &Settings, now: NumericDate) -> Result<Self, String> {
        let mut members =
            strict::parse_object(body).map_err(|fault| format!("{fault}; {EXPECTED}"))?;
        let named: Vec<(Kind, Value)> = Kind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, members.remove(kind.name())?)))
            .collect();
        let [(kind, Value::String(value))] = named.as_slice() else {
            return Err(format!("found {} of them as a text; {EXPECTED}", named.len()));
        };
        let kind = *kind;
        if value.is_empty() || kind != Kind::Token && value.len() > MOST_VALUE_BYTES {
            return Err(format!(
                "{}: found {} bytes; expected 1 to {MOST_VALUE_BYTES}",
                kind.name(),
                value.len()
            ));
        }
        let issuer = text(&mut members, "issuer", usize::MAX)?;
        let reason = text(&mut members, "reason", MOST_REASON_BYTES)?;
        let issued_before = date(&mut members, "issued_before")?;
        let expires_at = date(&mut members, "expires_at")?;
        if let Some(unknown) = members.keys().next() {
            return Err(format!("found the unknown member {unknown:?}; {EXPECTED}"));
        }
        let skew = settings.clock_skew_seconds;
        let effect = match issued_before {
            None => Effect::RevokeAll,
            Some(_) if kind == Kind::Token => {
                return Err("issued_before: a token was issued once; leave it out".to_owned());
            }
            Some(time) if time > now.saturating_add(skew) => {
                return Err(format!(
                    "issued_before: found {time}; expected seconds since 1970, not in the future"
                ));
            }
            Some(time) => Effect::RevokeIssuedBefore(time),
        };
        let (provider, target, token_ends) = if kind == Kind::Token {
            token(value, issuer.as_deref(), settings)?
        } else {
            let provider = provider(issuer.as_deref(), settings)?;
            let target = Fingerprint::of(kind, &provider.issuer, value);
            let is_about_all = effect == Effect::RevokeAll;
            (provider, if is_about_all { target } else { target.of_older() }, None)
        };
        let is_exact = expires_at.is_some();
        let expires_at = match expires_at {
            Some(time) if time <= now || time > now.saturating_add(MOST_LIFE_SECONDS) => {
                return Err(format!(
                    "expires_at: found {time}; expected seconds since 1970, in the next ten years"
                ));
            }
            Some(time) => time,
            None => match token_ends {
                Some(end) => end.saturating_add(skew),
                None => expiry(kind, effect, provider, settings, now),
            },
        };
        if expires_at <= now {
            return Err("there is nothing left to revoke: the token has expired".to_owned());
        }
        Ok(Self {
            kind,
            issuer: provider.issuer.clone(),
            value: (kind != Kind::Token).then(|| value.clone()),
            target,
            effect,
            expires_at,
            is_exact,
            reason,
            by: "admin".to_owned(),
        })
    }

    /// For the hub.
    #[must_use]
    pub fn to_json(&self) -> Value {
        object! {
            "kind": self.kind.name(),
            "issuer": self.issuer.as_str(),
            "value": self.value.as_deref(),
            "target": self.target.to_string(),
            "effect": self.effect.code(),
            "expires_at": self.expires_at,
            "exact": self.is_exact,
            "reason": self.reason.as_deref(),
            "by": self.by.as_str(),
        }
    }

    /// From that.
    #[must_use]
    pub fn from_json(order: &Value) -> Option<Self> {
        let text = |name: &str| order.get(name)?.as_str().map(str::to_owned);
        Some(Self {
            kind: Kind::from_name(order.get("kind")?.as_str()?)?,
            issuer: text("issuer")?,
            value: text("value"),
            target: Fingerprint::from_text(order.get("target")?.as_str()?)?,
            effect: Effect::from_code(u32::try_from(order.get("effect")?.as_u64()?).ok()?),
            expires_at: order.get("expires_at")?.as_i64()?,
            is_exact: order.get("exact")?.as_bool()?,
            reason: text("reason"),
            by: text("by")?,
        })
    }
}

const EXPECTED: &str = "expected a JSON object with exactly one of jti, sub, sid, client_id, kid and \
                        token, and if wanted issuer, issued_before, expires_at, reason";

/// What an order does to what holds for its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: that much is revoked already.
    None,
    /// From now on this holds, until then.
    To(Effect, NumericDate),
    /// One entry cannot say both: older tokens for longer, and younger ones for a shorter time.
    Conflict,
}

/// What an order does, given what holds before. An order never takes back what another one of its kind
/// has revoked, so that it can be repeated.
#[must_use]
pub fn change(
    before: Option<(Effect, NumericDate)>,
    (effect, expires_at, is_exact): (Effect, NumericDate, bool),
    now: NumericDate,
) -> Change {
    /// A repetition within this time, in seconds, asks for the same, although the time until which it
    /// holds was counted anew.
    const REPETITION_SECONDS: i64 = 60;
    let holds = before.filter(|(effect, until)| *effect != Effect::Undo && *until > now);
    let Some((old, until)) = holds else { return Change::To(effect, expires_at) };
    // The number of an effect grows with the tokens that it revokes.
    let (is_more, is_less) = (effect.code() > old.code(), effect.code() < old.code());
    let slack = if is_exact { 1 } else { REPETITION_SECONDS };
    if !is_more && expires_at < until.saturating_add(slack) {
        Change::None
    } else if is_more && expires_at < until || is_less {
        Change::Conflict
    } else {
        Change::To(effect, expires_at)
    }
}

fn text(
    members: &mut Map<String, Value>,
    name: &str,
    most_bytes: usize,
) -> Result<Option<String>, String> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= most_bytes => Ok(Some(text)),
        Some(Value::String(text)) => {
            Err(format!("{name}: found {} bytes; expected at most {most_bytes}", text.len()))
        }
        Some(_) => Err(format!("{name}: expected a text")),
    }
}

fn date(members: &mut Map<String, Value>, name: &str) -> Result<Option<NumericDate>, String> {
    match members.remove(name) {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(time) if time > 0 => Ok(Some(time)),
            _ => Err(format!("{name}: expected whole seconds since 1970, as a number")),
        },
    }
}

/// The provider of this issuer, or the only one.
fn provider<'s>(issuer: Option<&str>, settings: &'s Settings) -> Result<&'s Provider, String> {
    let mut providers = settings.providers.iter();
    match issuer {
        Some(issuer) => providers
            .find(|provider| provider.issuer == issuer)
            .ok_or_else(|| "issuer: found one that no provider has".to_owned()),
        None => match settings.providers.as_slice() {
            [only] => Ok(only),
            _ => Err("issuer: found nothing; there are several providers, so name one".to_owned()),
        },
    }
}

/// Whose token this is, its fingerprint, and when it ends.
fn token<'s>(
    token: &str,
    issuer: Option<&str>,
    settings: &'s Settings,
) -> Result<(&'s Provider, Fingerprint, Option<NumericDate>), String> {
    let (at, signed) = match examine(settings, token) {
        Ok(candidate) => (Some(candidate.provider), Some(candidate)),
        Err(_) if !is_like_a_jwt(token) => {
            let takes_opaque = |provider: &Provider| {
                let service = provider.introspection.as_ref();
                service.is_some_and(|service| service.opaque_tokens != OpaqueTokens::Refuse)
            };
            (settings.providers.iter().position(takes_opaque), None)
        }
        Err(unverified) => {
            return Err(format!("token: it is refused anyway: {}", unverified.reason.name()));
        }
    };
    let provider = at
        .and_then(|at| settings.providers.get(at))
        .filter(|provider| issuer.is_none_or(|issuer| issuer == provider.issuer))
        .ok_or("token: found one of no provider that was named or that takes opaque tokens")?;
    match signed {
        Some(candidate) => {
            let ends = candidate.expiration();
            let target = candidate.target(&provider.issuer);
            Ok((provider, target, ends))
        }
        None => Ok((provider, Fingerprint::of(Kind::Token, &provider.issuer, token), None)),
    }
}

/// Until when an order holds unless it says so: until the last token that it can be about has ended.
fn expiry(
    kind: Kind,
    effect: Effect,
    provider: &Provider,
    settings: &Settings,
    now: NumericDate,
) -> NumericDate {
    let skew = settings.clock_skew_seconds;
    let last_issued = match (kind, effect) {
        (_, Effect::RevokeIssuedBefore(time)) => Some(time),
        // There is one, and it exists; the clock of its issuer may be ahead.
        (Kind::TokenId, _) => Some(now.saturating_add(skew)),
        // There may always be others.
        _ => None,
    };
    let life = provider.max_lifetime_seconds;
    let retained = now.saturating_add(settings.revocation.retention_seconds);
    match (last_issued, life) {
        (Some(issued), Some(life)) => issued.saturating_add(life).saturating_add(skew),
        (None, Some(life)) => retained.max(now.saturating_add(life).saturating_add(2 * skew)),
        (_, None) => retained,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: NumericDate = 1_800_000_000;

    fn settings(providers: usize) -> Settings {
        let providers: Vec<Value> = (0..providers)
            .map(|at| {
                json!({
                    "name": format!("p{at}"), "issuer": format!("i{at}"), "audiences": ["api"],
                    "algorithms": ["ES256"], "keys": ["KEYS"],
                    "max_lifetime_seconds": if at == 0 { json!(3_600) } else { json!(7_200) },
                })
            })
            .collect();
        let table = json!({ "origin": "https://o.internal", "providers": providers });
        Settings::parse(&table.to_string()).unwrap()
    }

    fn read(order: &Value, providers: usize) -> Result<Order, String> {
        Order::read(order.to_string().as_bytes(), &settings(providers), NOW)
    }

    #[test]
    fn an_order_names_tokens_and_holds_until_the_last_of_them_has_ended() {
        let retention = NOW + 2_592_000;
        for (order, effect, expires_at) in [
            (json!({ "jti": "t" }), Effect::RevokeAll, NOW + 30 + 3_600 + 30),
            (json!({ "sub": "alice" }), Effect::RevokeAll, retention),
            (json!({ "sid": "s" }), Effect::RevokeAll, retention),
            (json!({ "client_id": "c" }), Effect::RevokeAll, retention),
            (json!({ "kid": "k" }), Effect::RevokeAll, retention),
            (
                json!({ "sub": "alice", "issued_before": NOW }),
                Effect::RevokeIssuedBefore(NOW),
                NOW + 3_630,
            ),
            (json!({ "sub": "alice", "expires_at": NOW + 9 }), Effect::RevokeAll, NOW + 9),
        ] {
            let read = read(&order, 1).unwrap();
            assert_eq!((read.effect, read.expires_at), (effect, expires_at), "{order}");
            let target = Fingerprint::of(read.kind, "i0", read.value.as_deref().unwrap());
            assert_eq!(read.target.of_all(), target);
            assert_eq!(read.target == target, effect == Effect::RevokeAll);
            assert_eq!(Order::from_json(&read.to_json()), Some(read));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_was_expected() {
        for (order, word) in [
            (json!({}), "exactly one of"),
            (json!({ "jti": "t", "sub": "s" }), "exactly one of"),
            (json!({ "jti": 1 }), "exactly one of"),
            (json!({ "jti": "" }), "found 0 bytes"),
            (json!({ "sub": "s".repeat(1_025) }), "found 1025 bytes"),
            (json!({ "sub": "s", "until": 1 }), "unknown member \"until\""),
            (json!({ "sub": "s", "issuer": "other" }), "no provider"),
            (json!({ "sub": "s", "issuer": 1 }), "expected a text"),
            (json!({ "sub": "s", "reason": "r".repeat(257) }), "at most 256"),
            (json!({ "sub": "s", "issued_before": "now" }), "whole seconds"),
            (json!({ "sub": "s", "issued_before": 1.5 }), "whole seconds"),
            (json!({ "sub": "s", "issued_before": NOW * 1_000 }), "not in the future"),
            (json!({ "sub": "s", "expires_at": NOW }), "in the next ten years"),
            (json!({ "sub": "s", "expires_at": NOW * 1_000 }), "in the next ten years"),
            (json!({ "token": "eyJ.b.c" }), "refused anyway: malformed_token"),
            (json!({ "token": "opaque" }), "takes opaque tokens"),
            (json!({ "token": "opaque", "issued_before": NOW }), "leave it out"),
        ] {
            let detail = read(&order, 1).unwrap_err();
            assert!(detail.contains(word), "{order}: {detail}");
        }
        assert!(read(&json!({ "sub": "s" }), 2).unwrap_err().contains("name one"));
        assert_eq!(read(&json!({ "sub": "s", "issuer": "i1" }), 2).unwrap().issuer, "i1");
        let twice = br#"{"sub":"a","sub":"b"}"#;
        assert!(Order::read(twice, &settings(1), NOW).is_err());
    }

    #[test]
    fn a_repetition_changes_nothing_and_takes_nothing_back() {
        let (all, undo) = (Effect::RevokeAll, Effect::Undo);
        let [before, later] = [NOW - 10, NOW].map(Effect::RevokeIssuedBefore);
        let (soon, late) = (NOW + 100, NOW + 1_000);
        for (old, effect, expires_at, is_exact, expected) in [
            (None, all, soon, false, Change::To(all, soon)),
            (Some((undo, late)), before, soon, false, Change::To(before, soon)),
            (Some((later, NOW)), before, soon, false, Change::To(before, soon)),
            (Some((all, soon)), all, soon, true, Change::None),
            (Some((all, soon)), all, soon + 59, false, Change::None),
            (Some((all, soon)), all, soon + 59, true, Change::To(all, soon + 59)),
            (Some((all, soon)), all, late, false, Change::To(all, late)),
            (Some((all, late)), all, soon, true, Change::None),
            (Some((before, soon)), later, soon, true, Change::To(later, soon)),
            (Some((before, soon)), later, late, true, Change::To(later, late)),
            (Some((later, soon)), before, soon, true, Change::None),
            (Some((later, soon)), before, soon + 59, false, Change::None),
            (Some((later, soon)), before, soon + 60, false, Change::Conflict),
            (Some((before, late)), later, soon, true, Change::Conflict),
            (Some((later, soon)), before, late, true, Change::Conflict),
        ] {
            let change = change(old, (effect, expires_at, is_exact), NOW);
            assert_eq!(change, expected, "{old:?} {effect:?} {expires_at} {is_exact}");
        }
    }

    #[test]
    fn a_revocation_of_all_does_not_end_before_the_tokens_that_there_are() {
        let table = json!({
            "origin": "https://o.internal",
            "providers": [{
                "name": "p", "issuer": "i", "audiences": ["api"], "algorithms": ["ES256"],
                "keys": ["KEYS"], "max_lifetime_seconds": 86_400,
            }],
            "revocation": { "retention_seconds": 3_600 },
        });
        let settings = Settings::parse(&table.to_string()).unwrap();
        let order = Order::read(br#"{"sub":"alice"}"#, &settings, NOW).unwrap();
        assert_eq!(order.expires_at, NOW + 86_400 + 60);
    }
}
