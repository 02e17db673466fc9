//! An admin's order to revoke: it is about tokens of ours, holds for a time, and comes back as it was kept.

use edgeward::core::config::Settings;
use edgeward::core::revocation::entry::Effect;
use edgeward::core::revocation::order::{Change, Order, change};
use edgeward::core::revocation::target::{Fingerprint, Kind};
use serde_json::Value;

use super::fixture::{self, ISSUER, NOW, SKEW_SECONDS};
use super::model::{self, Read};

/// Checks an input.
pub fn check(data: &[u8]) {
    thread_local! {
        static SETTINGS: Settings = fixture::settings();
    }
    let read = SETTINGS.with(|settings| Order::read(data, settings, NOW));
    let order = match read {
        Ok(order) => order,
        Err(message) => {
            assert!(!message.is_empty());
            return;
        }
    };
    let said = match model::json(data) {
        Read::Value(said) => said,
        Read::TooDeep => return,
        Read::Refused => panic!("{order:?}"),
    };
    let value = said[order.kind.name()].as_str().expect("a text");
    let named: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| said.get(kind.name()).is_some()).collect();
    assert_eq!(
        (named, order.issuer.as_str(), order.by.as_str()),
        (vec![order.kind], ISSUER, "admin")
    );
    assert_eq!(order.value.as_deref(), (order.kind != Kind::Token).then_some(value));
    assert_eq!(order.reason.as_deref(), said.get("reason").and_then(Value::as_str));
    assert!(order.effect != Effect::Undo && order.expires_at > NOW);
    match order.effect {
        Effect::RevokeIssuedBefore(time) => {
            assert!(time <= NOW + SKEW_SECONDS && said["issued_before"] == time);
            assert_eq!(order.target, Fingerprint::of(order.kind, ISSUER, value).of_older());
        }
        _ if order.kind == Kind::Token => {}
        _ => assert_eq!(order.target, Fingerprint::of(order.kind, ISSUER, value)),
    }
    if order.is_exact {
        assert_eq!(said["expires_at"], order.expires_at);
        assert!(order.expires_at <= NOW + 315_360_000);
    }
    assert_eq!(Order::from_json(&order.to_json()).as_ref(), Some(&order));
    // Whoever repeats it changes nothing.
    let wanted = (order.effect, order.expires_at, false);
    match change(None, wanted, NOW) {
        Change::To(effect, until) => {
            assert_eq!(change(Some((effect, until)), wanted, NOW), Change::None);
        }
        other => panic!("{other:?}"),
    }
}
