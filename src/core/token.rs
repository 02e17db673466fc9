//! A token before anyone believes it: size, structure and JOSE header (RFC 7515, RFC 7519).
//!
//! In scope: everything about a token that needs no key and no configuration but its greatest
//! size. Out of scope: whether the header is acceptable ([`super::verify`]).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;

/// A compact JWS whose parts were decoded and whose header and claims are JSON objects. Nothing
/// about it is known to be true.
#[derive(Debug)]
pub struct UntrustedToken<'a> {
    /// The JOSE header.
    pub header: Header,
    /// The claims as they stand; see [`super::claims`] for what they mean.
    pub claims: Map<String, Value>,
    /// What was signed: the first two parts and the dot between them, ASCII.
    pub signing_input: &'a str,
    /// The third part, decoded.
    pub signature: Vec<u8>,
}

/// The JOSE header members that decide something (RFC 7515 section 4.1).
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg`, as spelled.
    pub algorithm: String,
    /// `kid`.
    pub key_id: Option<String>,
    /// `typ`.
    pub token_type: Option<String>,
    /// The first member, in the order of [`REFUSED_MEMBERS`], that would change how the token is
    /// read or whose key is used.
    pub refused_member: Option<&'static str>,
}

/// Members that no token may carry. `crit`, `b64`, `zip`, `enc` and `cty` change how the token is
/// read (RFC 7515 section 4.1.11, RFC 7797, RFC 7516); the others bring or fetch a key of the
/// sender's choice.
pub const REFUSED_MEMBERS: [&str; 9] =
    ["crit", "b64", "zip", "enc", "cty", "jwk", "jku", "x5u", "x5c"];

/// Whether a text has the form of a JWT, so that it is not taken for something that only its issuer can
/// read.
#[must_use]
pub fn is_like_a_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.matches('.').count() == 2
}

/// Why a text is no token. It carries no part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Longer than the configuration allows.
    TooLarge,
    /// Not three parts of strict base64url, or header or claims are not one JSON object each.
    Malformed,
    /// `alg` is missing, or `alg`, `kid` or `typ` is not a string.
    MalformedHeader,
}

/// A compact JWS (RFC 7515 section 7.1) whose parts were decoded and whose header is a JSON object.
/// The payload can be anything.
#[derive(Debug)]
pub struct Jws<'a> {
    /// The JOSE header.
    pub header: Header,
    /// The second part, decoded.
    pub payload: Vec<u8>,
    /// What was signed: the first two parts and the dot between them, ASCII.
    pub signing_input: &'a str,
    /// The third part, decoded.
    pub signature: Vec<u8>,
}

impl<'a> UntrustedToken<'a> {
    /// Takes a token apart. Reads no more than `max_bytes`.
    pub fn parse(text: &'a str, max_bytes: usize) -> Result<Self, TokenFault> {
        let Jws { header, payload, signing_input, signature } = Jws::parse(text, max_bytes)?;
        Ok(Self { header, claims: object(&payload)?, signing_input, signature })
    }
}

impl<'a> Jws<'a> {
    /// Takes a JWS apart. Reads no more than `max_bytes`.
    pub fn parse(text: &'a str, max_bytes: usize) -> Result<Self, TokenFault> {
        if text.len() > max_bytes {
            return Err(TokenFault::TooLarge);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        // A further dot in either part is outside the base64url alphabet, so that five-part JWE
        // and longer texts fail to decode.
        let (header, payload) = signing_input.split_once('.').ok_or(TokenFault::Malformed)?;
        let header = object(&decode(header)?)?;
        let payload = decode(payload)?;
        let signature = decode(signature)?;
        Ok(Self { header: Header::read(&header)?, payload, signing_input, signature })
    }
}

impl Header {
    fn read(object: &Map<String, Value>) -> Result<Self, TokenFault> {
        let text = |name: &str| match object.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(TokenFault::MalformedHeader),
        };
        Ok(Self {
            algorithm: text("alg")?.ok_or(TokenFault::MalformedHeader)?,
            key_id: text("kid")?,
            token_type: text("typ")?,
            refused_member: REFUSED_MEMBERS.into_iter().find(|name| object.contains_key(*name)),
        })
    }
}

/// Strict base64url: no padding, no other alphabet, no unused bits (RFC 7515 section 2).
fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed)
}

fn object(text: &[u8]) -> Result<Map<String, Value>, TokenFault> {
    json::parse_object(text).map_err(|_| TokenFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn parse_header(header: &str) -> Result<Header, TokenFault> {
        let token = format!("{}.{}.", encode(header), encode("{}"));
        UntrustedToken::parse(&token, 8192).map(|token| token.header)
    }

    #[test]
    fn the_parts_of_the_first_example_of_rfc_7515_are_found() {
        // RFC 7515 appendix A.1.
        let text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9p\
                    c19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let token = UntrustedToken::parse(text, 8192).unwrap();
        assert_eq!(token.header.algorithm, "HS256");
        assert_eq!(token.header.token_type.as_deref(), Some("JWT"));
        assert_eq!(token.claims.get("iss"), Some(&Value::from("joe")));
        assert_eq!(token.signature.len(), 32);
        assert_eq!(token.signing_input.len() + 1 + 43, text.len());
    }

    #[test]
    fn what_is_not_three_strict_parts_is_malformed() {
        let (header, claims) = (encode(r#"{"alg":"HS256"}"#), encode("{}"));
        let dots = ".".repeat(4_000);
        for text in [
            String::new(),
            ".".into(),
            "..".into(),
            dots,
            format!("{header}.{claims}"),
            format!("{header}.{claims}.AA.AA"),
            format!("{header}.{claims}.AA.AA.AA"),
            format!("{header}=.{claims}.AA"),
            format!("{header}.{claims}.AA=="),
            format!("{header}.{claims}.AB"),
            format!("{header}.{claims}.A"),
            format!("{header}.{claims}.++"),
            format!("{header}.{claims}.A A"),
            format!("{header}.{claims}.AA\n"),
            format!(" {header}.{claims}.AA"),
            format!(".{claims}.AA"),
            format!("{header}..AA"),
            format!("{}.{claims}.AA", encode("[]")),
            format!("{header}.{}.AA", encode("\"x\"")),
            format!("{header}.{}.AA", encode("{}{}")),
            format!("{header}.{}.AA", encode(r#"{"a":1,"a":1}"#)),
        ] {
            let fault = UntrustedToken::parse(&text, 8192).unwrap_err();
            assert_eq!(fault, TokenFault::Malformed, "{text}");
        }
    }

    #[test]
    fn a_payload_that_is_no_object_makes_a_jws_and_not_a_token() {
        let text = format!("{}.{}.AA", encode(r#"{"alg":"HS256"}"#), encode("Payload"));
        assert_eq!(Jws::parse(&text, 8192).unwrap().payload, b"Payload");
        assert_eq!(UntrustedToken::parse(&text, 8192).unwrap_err(), TokenFault::Malformed);
    }

    #[test]
    fn a_header_member_of_the_wrong_type_is_refused() {
        for header in [
            "{}",
            r#"{"alg":null}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":"HS256","kid":7}"#,
            r#"{"alg":"HS256","kid":null}"#,
            r#"{"alg":"HS256","typ":{}}"#,
        ] {
            assert_eq!(parse_header(header), Err(TokenFault::MalformedHeader), "{header}");
        }
    }

    #[test]
    fn members_that_change_the_reading_are_reported_whatever_their_value() {
        for name in REFUSED_MEMBERS {
            for value in ["null", "[]", "true", "false", "\"x\"", "{}"] {
                let header = format!(r#"{{"alg":"HS256","{name}":{value}}}"#);
                assert_eq!(parse_header(&header).unwrap().refused_member, Some(name), "{header}");
            }
        }
        assert_eq!(parse_header(r#"{"alg":"HS256","x5t":"a"}"#).unwrap().refused_member, None);
    }

    #[test]
    fn a_token_of_the_greatest_size_is_read_and_one_byte_more_is_not() {
        let token = format!("{}.{}.", encode(r#"{"alg":"HS256"}"#), encode("{}"));
        assert!(UntrustedToken::parse(&token, token.len()).is_ok());
        assert_eq!(
            UntrustedToken::parse(&token, token.len() - 1).unwrap_err(),
            TokenFault::TooLarge
        );
    }
}
