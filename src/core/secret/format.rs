//! What a secret's text was found to be, in words for the health report and for messages.

use std::fmt;

/// The shape of a secret, from the outermost wrapping to the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The wrappings that were taken off, outermost first.
    pub layers: Vec<Layer>,
    /// What they held.
    pub kind: Kind,
}

/// One wrapping around a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Surrounding quotation marks.
    Quotes,
    /// A JSON object of a secret store, opened at this field.
    JsonField(&'static str),
    /// Base64 in either alphabet.
    Base64,
    /// Hexadecimal digits.
    Hex,
}

/// What a text holds once nothing wraps it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or whitespace alone.
    Empty,
    /// A JWK Set (RFC 7517 section 5).
    JwkSet,
    /// One JWK (RFC 7517 section 4).
    Jwk,
    /// JSON that is neither a key nor a known wrapper.
    Json,
    /// PEM that could not be split into blocks, or with a label that is not supported.
    Pem,
    /// PEM with label `PUBLIC KEY`.
    PemSpki,
    /// PEM with label `RSA PUBLIC KEY`.
    PemPkcs1,
    /// PEM with label `CERTIFICATE`.
    PemCertificate,
    /// PEM blocks of different labels.
    PemBundle,
    /// PEM with the label of a private key.
    PemPrivate,
    /// DER of a `SubjectPublicKeyInfo`.
    DerSpki,
    /// DER of a PKCS#1 `RSAPublicKey`.
    DerPkcs1,
    /// DER of an X.509 certificate.
    DerCertificate,
    /// DER of a private key.
    DerPrivate,
    /// An SSH key in the wire format or on one line.
    Ssh,
    /// A .NET `RSAKeyValue`.
    XmlRsa,
    /// Text whose bytes are the HMAC key.
    RawHmac,
    /// `base64:` and the encoded HMAC key.
    Base64Hmac,
    /// `base64url:` and the encoded HMAC key.
    Base64UrlHmac,
    /// `hex:` and the encoded HMAC key.
    HexHmac,
    /// Text that is no key at all.
    Text,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty text",
            Self::JwkSet => "JWK Set",
            Self::Jwk => "JWK",
            Self::Json => "JSON",
            Self::Pem => "PEM",
            Self::PemSpki => "PEM SPKI public key",
            Self::PemPkcs1 => "PEM PKCS#1 public key",
            Self::PemCertificate => "PEM X.509 certificate",
            Self::PemBundle => "PEM bundle",
            Self::PemPrivate => "PEM private key",
            Self::DerSpki => "DER SPKI public key",
            Self::DerPkcs1 => "DER PKCS#1 public key",
            Self::DerCertificate => "DER X.509 certificate",
            Self::DerPrivate => "DER private key",
            Self::Ssh => "SSH key",
            Self::XmlRsa => "XML RSA key",
            Self::RawHmac => "raw HMAC secret",
            Self::Base64Hmac => "base64: HMAC secret",
            Self::Base64UrlHmac => "base64url: HMAC secret",
            Self::HexHmac => "hex: HMAC secret",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for layer in &self.layers {
            formatter.write_str(match layer {
                Layer::Quotes => "quoted ",
                Layer::JsonField(_) => "JSON wrapper holding ",
                Layer::Base64 => "base64 of ",
                Layer::Hex => "hex of ",
            })?;
        }
        formatter.write_str(self.kind.name())
    }
}
