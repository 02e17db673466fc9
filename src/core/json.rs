//! JSON as a signed text must be read: one meaning, or none.
//!
//! RFC 8259 section 4 leaves it open what a repeated member means, so two readers can see two
//! different tokens behind one signature. Here a repeated member is refused at every depth, after
//! escapes are resolved. A number that no IEEE double can hold exactly is refused as well
//! (RFC 7493 section 2.2): rounded, two account numbers could become one.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not JSON that can be trusted to mean one thing. It carries no part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// Not JSON at all, not UTF-8, nested more than 127 deep, or followed by something else.
    Syntax,
    /// A member occurs twice in one object.
    DuplicateMember,
    /// A number beyond 2^53 that is neither an `i64` nor a `u64`.
    InexactNumber,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Syntax => "it is not valid JSON",
            Self::DuplicateMember => "a member occurs twice in one object",
            Self::InexactNumber => "a number is too large to be held exactly",
        })
    }
}

/// An object with these members. For each of them `serde_json::json!` makes code that is ten times as
/// long, and there are so many that the module is smaller by a fortieth.
macro_rules! object {
    ($($name:literal: $value:expr),* $(,)?) => {
        $crate::core::json::object_of(&mut [
            $(($name, ::serde_json::Value::from($value))),*
        ])
    };
}
pub(crate) use object;

/// What [`object!`] stands for.
#[inline(never)]
pub(crate) fn object_of(members: &mut [(&'static str, Value)]) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert((*name).to_owned(), value.take());
    }
    Value::Object(object)
}

/// Reads exactly one JSON text.
pub fn parse_strict(text: &[u8]) -> Result<Value, JsonFault> {
    let fault = Cell::new(JsonFault::Syntax);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict(&fault).deserialize(&mut reader).map_err(|_| fault.get())?;
    reader.end().map_err(|_| JsonFault::Syntax)?;
    Ok(value)
}

/// Reads exactly one JSON text that must be an object.
pub fn parse_object(text: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    match parse_strict(text)? {
        Value::Object(object) => Ok(object),
        _ => Err(JsonFault::Syntax),
    }
}

/// Below this magnitude every integer is an IEEE double, so rounding has lost no integer part.
const EXACT_LIMIT: f64 = 9_007_199_254_740_992.0;

/// Builds a [`Value`], and leaves in the cell why it could not.
#[derive(Clone, Copy)]
struct Strict<'f>(&'f Cell<JsonFault>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) if value.abs() < EXACT_LIMIT => Ok(Value::Number(number)),
            _ => {
                self.0.set(JsonFault::InexactNumber);
                Err(E::custom(""))
            }
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value_seed(self)?;
            if object.insert(name, value).is_some() {
                self.0.set(JsonFault::DuplicateMember);
                return Err(A::Error::custom(""));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_member_is_refused_at_every_depth_and_under_every_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"[{"k":[{"a":null,"a":null}]}]"#,
        ] {
            assert_eq!(parse_strict(text.as_bytes()), Err(JsonFault::DuplicateMember), "{text}");
        }
    }

    #[test]
    fn a_number_that_would_be_rounded_is_refused() {
        for text in ["12345678901234567890123", "1e300", "1e400", "-1e400", "9007199254740993.0"] {
            assert!(parse_strict(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["18446744073709551615", "-9223372036854775808", "1.5", "1e3", "0"] {
            assert!(parse_strict(text.as_bytes()).is_ok(), "{text}");
        }
        let digits = "7".repeat(5_000);
        assert!(parse_strict(digits.as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_one_json_text_is_refused() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for text in [
            &b""[..],
            b"{",
            b"{}x",
            b"{} {}",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xc0\xaf\"}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":NaN}",
            b"{\"a\":01}",
            b"{a:1}",
            b"{'a':1}",
            b"{\"a\":1,}",
            b"{\0}",
            deep.as_bytes(),
        ] {
            assert!(parse_strict(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_is_accepted_means_what_serde_json_says() {
        let text = br#"{"a":[1,-2,3.5,"\u00e9",null,true],"b":{"":{}}}"#;
        let expected: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(parse_strict(text), Ok(expected));
    }
}
