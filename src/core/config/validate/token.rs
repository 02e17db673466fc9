//! The part of the table about where tokens are found, and who may show them.

use super::{Problems, is_web_origin};
use crate::core::credentials::Source;
use crate::core::mutate::is_field_name;
use crate::core::problem::quoted;
use crate::core::subprotocol;

pub(super) fn sources(texts: &[String], problems: &mut Problems) -> Vec<Source> {
    if texts.is_empty() {
        problems.add("token.sources", "an empty list", "at least one source");
    }
    let mut sources = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let place = format!("token.sources[{at}]");
        let source = match text.split_once(':') {
            None if text == "authorization" => Some(Source::Authorization),
            None if text == "websocket-protocol" => Some(Source::WebSocketProtocol),
            Some(("cookie", name)) if is_field_name(name) => Some(Source::Cookie(name.to_owned())),
            Some(("query", name)) if is_parameter_name(name) => {
                Some(Source::Query(name.to_owned()))
            }
            Some(("header", name))
                if is_field_name(name)
                    && !["authorization", "cookie", subprotocol::HEADER]
                        .contains(&name.to_ascii_lowercase().as_str()) =>
            {
                Some(Source::Header(name.to_ascii_lowercase()))
            }
            _ => None,
        };
        match source {
            Some(source) if sources.contains(&source) => {
                problems.add(&place, format!("{} again", quoted(text)), "each source once");
            }
            Some(source) => sources.push(source),
            None => problems.add(
                &place,
                quoted(text),
                "\"authorization\", \"websocket-protocol\", \"cookie:NAME\", \"query:NAME\" or \
                 \"header:NAME\"",
            ),
        }
    }
    sources
}

fn is_parameter_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain)
}

pub(super) fn allowed_origins(texts: &[String], problems: &mut Problems) {
    for (at, text) in texts.iter().enumerate() {
        if !is_web_origin(text) {
            problems.add(
                &format!("token.allowed_origins[{at}]"),
                quoted(text),
                "an origin as browsers send it, in lower case and without a trailing slash, such \
                 as \"https://app.example\"; there are no wildcards",
            );
        }
    }
}
