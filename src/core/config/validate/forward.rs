//! The part of the table about what the origin is told.

use super::super::read;
use super::super::reader::kind;
use super::super::{AssertionSettings, Forward, TokenForwarding};
use super::{Problems, is_binding_name};
use crate::core::mutate::{HeaderFault, HeaderMap};
use crate::core::problem::quoted;
use crate::core::secret::parse_public_half;

/// An assertion is for one request; an hour is far beyond any.
const TTL_SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;

pub(super) fn forward(table: read::Forward, problems: &mut Problems) -> Option<Forward> {
    for (name, claim) in &table.claim_to_headers {
        if claim.is_empty() || claim.len() > 256 {
            problems.add(
                &format!("forward.claim_to_headers.{name}"),
                quoted(claim),
                "the name or dotted path of a claim, of at most 256 bytes",
            );
        }
    }
    let pairs = table.claim_to_headers.iter().map(|(name, claim)| (name.as_str(), claim.as_str()));
    let claims = match HeaderMap::build(pairs) {
        Ok(claims) => Some(claims),
        Err(faults) => {
            for (name, fault) in faults {
                let expected = match fault {
                    HeaderFault::NotAName => "a header name (RFC 9110 section 5.1)",
                    HeaderFault::Reserved => "a header that has no meaning of its own",
                    HeaderFault::Ambiguous => {
                        "a name that an origin cannot take for another one of this table, nor for \
                         its -B64 form"
                    }
                };
                problems.add(&format!("forward.claim_to_headers.{name}"), quoted(name), expected);
            }
            None
        }
    };
    let assertion = table.assertion.map(|assertion| {
        let place = "forward.assertion";
        if !is_binding_name(&assertion.key) {
            problems.add(
                &format!("{place}.key"),
                format!("a text of {} bytes", assertion.key.len()),
                "the name of a secret binding: letters, digits and \"_\"",
            );
        }
        if assertion.audience.is_empty() {
            problems.add(
                &format!("{place}.audience"),
                "an empty text",
                "what the origin expects in `aud`, such as its URL",
            );
        }
        if !TTL_SECONDS.contains(&assertion.ttl_seconds) {
            problems.add(
                &format!("{place}.ttl_seconds"),
                assertion.ttl_seconds.to_string(),
                format!("{} to {}", TTL_SECONDS.start(), TTL_SECONDS.end()),
            );
        }
        let mut publish = Vec::new();
        for (at, jwk) in assertion.publish.iter().enumerate() {
            match parse_public_half(jwk) {
                Some(jwk) => publish.push(jwk),
                None => problems.add(
                    &format!("{place}.publish[{at}]"),
                    kind(jwk),
                    "the public half of an assertion key: its JWK without `d`",
                ),
            }
        }
        AssertionSettings {
            key: assertion.key,
            audience: assertion.audience,
            ttl_seconds: i64::try_from(assertion.ttl_seconds).unwrap_or_default(),
            publish,
        }
    });
    Some(Forward {
        token: if table.strip_token { TokenForwarding::Strip } else { TokenForwarding::Keep },
        claims: claims?,
        assertion,
    })
}
