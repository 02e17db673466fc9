//! A JSON text: it is read as the obvious reader reads it, or refused by both.

use edgeward::core::json::parse_strict;
use serde_json::Value;

use super::model::{self, Read};

/// Checks an input.
pub fn check(data: &[u8]) {
    let expected = model::json(data);
    match (parse_strict(data), expected) {
        (_, Read::TooDeep) | (Err(_), Read::Refused) => {}
        (Ok(found), Read::Value(expected)) => {
            assert!(same(&found, &expected), "{found} {expected}");
            // What is written again is read again.
            let again =
                parse_strict(found.to_string().as_bytes()).expect("it was written from JSON");
            assert!(same(&again, &found), "{again} {found}");
        }
        // Next to the limit, one digit more or less decides.
        (Err(_), Read::Value(value)) | (Ok(value), Read::Refused) if has_border(&value) => {}
        (found, expected) => panic!("{found:?} {expected:?}"),
    }
}

/// Whether a fraction in it is so close to the limit that it may have been rounded to the other side.
fn has_border(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.is_f64() && number.as_f64().is_some_and(|it| it.abs() >= 9_007_199_254_740_990.0)
        }
        Value::Array(list) => list.iter().any(has_border),
        Value::Object(members) => members.values().any(has_border),
        _ => false,
    }
}

/// Whether two values are the same, but for the last digits of a fraction: how exactly `serde_json` reads
/// those is its own affair.
#[must_use]
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(1.0));
            (one - other).abs() <= one.abs() * 1e-14
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|((name, one), (other_name, other))| {
                    name == other_name && same(one, other)
                })
        }
        _ => one == other,
    }
}
