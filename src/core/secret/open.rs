//! Takes the wrappings off a secret's text until the content shows.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::asn1::{self, Shape};
use super::bytes;
use super::format::{Format, Kind, Layer};
use super::jwk;
use super::pem::{self, Blocks};
use super::problem::{MAX_LAYERS, MAX_SECRET_BYTES, PrivateForm, Problem, SecretError};
use super::recognise::{
    BYTE_ORDER_MARK, FIELDS, Prefix, decodings, foreign, is_binding_name, is_damaged_key,
    is_disguised, is_margin, is_openssh_private, is_quote, is_ssh_public, is_structured, is_token,
};
use crate::core::json::{JsonFault, parse_strict};

/// A text without its wrappings.
pub(super) struct Opened {
    pub(super) content: Content,
    pub(super) format: Format,
    pub(super) warnings: Vec<String>,
}

/// What the wrappings held, not yet checked as a key.
pub(super) enum Content {
    /// The value of `keys`.
    JwkSet(Value),
    Jwk(jwk::Object),
    Pem(Blocks),
    Der(Shape, Vec<u8>),
    Private(PrivateForm),
    /// The bytes of an HMAC key.
    Secret(Vec<u8>),
}

/// Recognises the text of `binding`.
pub(super) fn open(binding: &str, text: &str) -> Result<Opened, SecretError> {
    let mut opener = Opener { binding, layers: Vec::new(), warnings: Vec::new() };
    if text.len() > MAX_SECRET_BYTES {
        return Err(opener.refuse(Kind::Text, Problem::TooLarge { bytes: text.len() }));
    }
    let (kind, content) = opener.text(text)?;
    let Opener { layers, warnings, .. } = opener;
    Ok(Opened { content, format: Format { layers, kind }, warnings })
}

struct Opener<'b> {
    binding: &'b str,
    layers: Vec<Layer>,
    warnings: Vec<String>,
}

type Found = Result<(Kind, Content), SecretError>;

impl Opener<'_> {
    fn text(&mut self, text: &str) -> Found {
        let unmarked = text.trim_start_matches(BYTE_ORDER_MARK);
        if unmarked.len() < text.len() {
            self.warn("a byte order mark before the secret was removed");
        }
        let bare = unmarked.trim_matches(is_margin);
        if bare.is_empty() {
            return Err(self.refuse(Kind::Empty, Problem::Empty));
        }
        if bare.starts_with(is_quote) || bare.ends_with(is_quote) {
            return self.quoted(bare);
        }
        let found = if bare.starts_with(['{', '[']) {
            self.json(bare)?
        } else if pem::resembles(bare) {
            self.pem(bare)?
        } else if let Some((kind, problem)) = foreign(bare) {
            return Err(self.refuse(kind, problem));
        } else if let Some((prefix, encoded)) = Prefix::of(bare) {
            self.prefixed(prefix, encoded)?
        } else if let Some(found) = self.encoded(bare)? {
            found
        } else {
            return self.raw(unmarked, bare);
        };
        // The last line of a file ends with a newline; anything more was not meant.
        if unmarked.trim_end_matches(['\r', '\n']) != bare {
            self.warn("whitespace around the secret was removed");
        }
        Ok(found)
    }

    fn quoted(&mut self, bare: &str) -> Found {
        let stripped = ['"', '\'']
            .into_iter()
            .find_map(|quote| bare.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)));
        let Some(stripped) = stripped else {
            return Err(self.refuse(Kind::Text, Problem::UnbalancedQuote));
        };
        self.enter(Layer::Quotes)?;
        self.warn(
            "quotation marks around the secret were removed; store base64:<base64 of the bytes> if \
             they belong to the key",
        );
        match parse_strict(bare.as_bytes()) {
            Ok(Value::String(literal)) => self.text(&literal),
            _ => self.text(stripped),
        }
    }

    fn json(&mut self, text: &str) -> Found {
        match parse_strict(text.as_bytes()) {
            Ok(value) => self.json_value(value),
            Err(JsonFault::DuplicateMember) => {
                Err(self.refuse(Kind::Json, Problem::DuplicateMember))
            }
            Err(_) => {
                let place = serde_json::from_str::<IgnoredAny>(text).err();
                let (line, column) = place.map_or((1, 1), |error| (error.line(), error.column()));
                Err(self.refuse(Kind::Json, Problem::BrokenJson { line, column }))
            }
        }
    }

    fn json_value(&mut self, value: Value) -> Found {
        let Value::Object(mut object) = value else {
            return Err(self.refuse(Kind::Json, Problem::JsonKind { found: "an array" }));
        };
        if let Some(keys) = object.remove("keys") {
            return Ok((Kind::JwkSet, Content::JwkSet(keys)));
        }
        let fields: Vec<&'static str> =
            FIELDS.into_iter().filter(|field| object.contains_key(*field)).collect();
        // A JWK may have members of any name (RFC 7517 section 4), so `kty` decides first.
        let is_jwk = object.contains_key("kty")
            || (fields.is_empty()
                && ["n", "e", "x", "y", "crv", "k", "d"].iter().any(|m| object.contains_key(*m)));
        if is_jwk {
            return Ok((Kind::Jwk, Content::Jwk(object)));
        }
        let field = match fields.as_slice() {
            [] => return Err(self.refuse(Kind::Json, Problem::NoKnownField)),
            [field] => *field,
            _ => return Err(self.refuse(Kind::Json, Problem::SeveralFields { fields })),
        };
        let others = object.len() - 1;
        if others > 0 {
            self.warn(&format!(
                "the secret was taken from the field {field}; the JSON object has other fields, \
                 {others} in number, which were ignored"
            ));
        }
        let value = object.remove(field).unwrap_or_default();
        match value {
            Value::String(text) => {
                self.enter(Layer::JsonField(field))?;
                self.text(&text)
            }
            Value::Object(_) => {
                self.enter(Layer::JsonField(field))?;
                self.json_value(value)
            }
            _ => Err(self.refuse(Kind::Json, Problem::FieldType { field })),
        }
    }

    fn pem(&self, bare: &str) -> Found {
        if let Some(form) = pem::private_form(bare) {
            return Ok((Kind::PemPrivate, Content::Private(form)));
        }
        let blocks = pem::split(bare).map_err(|problem| self.refuse(Kind::Pem, problem))?;
        Ok((blocks.kind(), Content::Pem(blocks)))
    }

    fn prefixed(&self, prefix: Prefix, encoded: &str) -> Found {
        let kind = prefix.kind();
        let Some(key) = prefix.decode(encoded) else {
            return Err(self.refuse(kind, Problem::Encoding { prefix: prefix.name() }));
        };
        if is_disguised(&key) {
            return Err(self.refuse(kind, Problem::DisguisedKey));
        }
        Ok((kind, Content::Secret(key)))
    }

    /// Base64 or hexadecimal digits of something that is recognised, which random bytes are not.
    fn encoded(&mut self, bare: &str) -> Result<Option<(Kind, Content)>, SecretError> {
        for (layer, bytes) in decodings(bare) {
            if let Some(shape) = asn1::shape(&bytes) {
                self.enter(layer)?;
                return Ok(Some(der(shape, bytes)));
            }
            if is_openssh_private(&bytes) {
                self.enter(layer)?;
                return Ok(Some((Kind::Ssh, Content::Private(PrivateForm::OpenSsh))));
            }
            if is_ssh_public(&bytes) {
                self.enter(layer)?;
                return Err(self.refuse(Kind::Ssh, Problem::SshKey));
            }
            if let Some(text) = bytes::printable(&bytes).filter(|text| is_structured(text)) {
                self.enter(layer)?;
                return self.text(&text).map(Some);
            }
        }
        Ok(None)
    }

    fn raw(&mut self, text: &str, bare: &str) -> Found {
        let mistake = if is_binding_name(bare, self.binding) {
            Some(Problem::BindingName)
        } else if is_token(bare) {
            Some(Problem::Token)
        } else if bare.starts_with("https://") || bare.starts_with("http://") {
            Some(Problem::Address)
        } else if bare.contains('\0') {
            Some(Problem::Nul)
        } else if serde_json::from_str::<IgnoredAny>(bare).is_ok() {
            Some(Problem::JsonKind {
                found: match bare {
                    "null" => "null",
                    "true" | "false" => "a boolean",
                    _ => "a number",
                },
            })
        } else if is_damaged_key(bare) {
            Some(Problem::DamagedKey)
        } else {
            None
        };
        if let Some(problem) = mistake {
            return Err(self.refuse(Kind::Text, problem));
        }
        if text != bare {
            self.warn(
                "whitespace around the secret was removed; store base64:<base64 of the bytes> if it \
                 belongs to the key",
            );
        }
        if bare.ends_with("\\n") {
            self.warn(
                "the secret ends with a backslash and an n, which are used as part of the key",
            );
        }
        self.warn_of_encoding(bare);
        Ok((Kind::RawHmac, Content::Secret(bare.as_bytes().to_vec())))
    }

    /// The issuer and edgeward must agree whether the characters or the bytes that they encode
    /// are the key; a key of a usual length in a usual encoding is worth a word.
    fn warn_of_encoding(&mut self, bare: &str) {
        const USUAL: [usize; 3] = [32, 48, 64];
        for (layer, bytes) in decodings(bare) {
            let (name, prefix) = match layer {
                Layer::Hex => ("hexadecimal digits", "hex:"),
                _ if bare.contains(['-', '_']) => ("base64url", "base64url:"),
                _ => ("base64", "base64:"),
            };
            if USUAL.contains(&bytes.len()) {
                let length = bytes.len();
                self.warn(&format!(
                    "the secret could be {name} of {length} bytes, but its characters are used as \
                     they are; put {prefix} before it if the decoded bytes are the key"
                ));
                return;
            }
        }
    }

    fn enter(&mut self, layer: Layer) -> Result<(), SecretError> {
        if self.layers.len() >= MAX_LAYERS {
            return Err(self.refuse(Kind::Text, Problem::TooDeep));
        }
        self.layers.push(layer);
        Ok(())
    }

    fn warn(&mut self, warning: &str) {
        if !self.warnings.iter().any(|known| known == warning) {
            self.warnings.push(warning.to_owned());
        }
    }

    fn refuse(&self, kind: Kind, problem: Problem) -> SecretError {
        SecretError::new(self.binding, &Format { layers: self.layers.clone(), kind }, problem)
    }
}

fn der(shape: Shape, bytes: Vec<u8>) -> (Kind, Content) {
    match shape {
        Shape::Spki => (Kind::DerSpki, Content::Der(shape, bytes)),
        Shape::Pkcs1 => (Kind::DerPkcs1, Content::Der(shape, bytes)),
        Shape::Certificate => (Kind::DerCertificate, Content::Der(shape, bytes)),
        Shape::Private => (Kind::DerPrivate, Content::Private(PrivateForm::Der)),
        Shape::Pkcs12 => (Kind::DerPrivate, Content::Private(PrivateForm::Pkcs12)),
    }
}
