//! A key in DER, in every wrapping that a secret can have. The first byte says which.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use edgeward::core::algorithm::Family;
use edgeward::core::secret;

use super::secret::check_text;

const LABELS: [&str; 8] = [
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "CERTIFICATE",
    "PRIVATE KEY",
    "EC PRIVATE KEY",
    "RSA PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "X509 CERTIFICATE",
];

/// Checks an input.
pub fn check(data: &[u8]) {
    let Some((kind, der)) = data.split_first() else { return };
    let kind = usize::from(*kind);
    let base64 = STANDARD.encode(der);
    let text = match kind {
        0..8 => pem(LABELS[kind], &base64),
        8 => base64,
        9 => URL_SAFE_NO_PAD.encode(der),
        10 => format!("base64:{base64}"),
        11 => pem(LABELS[0], &base64).replace('\n', "\\n"),
        12 => STANDARD.encode(pem(LABELS[1], &base64)),
        13 => format!("{{\"secret\":\"{base64}\"}}"),
        14 => pem(LABELS[0], &base64).repeat(2),
        _ => return,
    };
    check_text(&text);
    // A PEM block says that it is no shared secret.
    if kind < 8
        && let Ok(parsed) = secret::parse("JWT_KEYS", &text)
    {
        assert!(parsed.keys.iter().all(|key| key.material.family() != Family::Hmac));
        let twice = secret::parse("JWT_KEYS", &text.repeat(2)).expect("the same key twice");
        assert!(twice.keys == parsed.keys);
    }
}

fn pem(label: &str, base64: &str) -> String {
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("it is ASCII"))
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
