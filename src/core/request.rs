//! The head of a request as plain text: method, target and headers.
//!
//! In scope: taking the packed head apart. Out of scope: what any of it means.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The head of a request. Header names are lower case, as `Headers` iteration gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and, where it is not the scheme's own, port.
    pub authority: &'a str,
    /// The path as the platform reports it, not yet normalised.
    pub path: &'a str,
    /// What follows the first `?`, without it.
    pub query: Option<&'a str>,
    /// Names in lower case with their values. A header that was sent more than once is one entry
    /// whose values are joined by `, `.
    pub headers: Vec<(&'a str, &'a str)>,
}

impl<'a> RequestHead<'a> {
    /// Takes a packed head apart: method, URL, then name and value of each header, all separated
    /// by line feeds, which none of them can contain (RFC 9110 section 5.5).
    #[must_use]
    pub fn unpack(packed: &'a str) -> Self {
        let mut parts = packed.split('\n');
        let method = parts.next().unwrap_or_default();
        let url = parts.next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        // A fragment is no part of a request (RFC 9112 section 3.2).
        let rest = rest.split('#').next().unwrap_or_default();
        let (target, query) = match rest.split_once('?') {
            Some((target, query)) => (target, Some(query)),
            None => (rest, None),
        };
        let slash = target.find(['/', '\\']).unwrap_or(target.len());
        let (authority, path) = target.split_at_checked(slash).unwrap_or_default();
        let mut headers = Vec::with_capacity(24);
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            headers.push((name, value));
        }
        let path = if path.is_empty() { "/" } else { path };
        Self { method, scheme, authority, path, query, headers }
    }

    /// Whether this can be forwarded as it was evaluated: the platform would refuse or rewrite
    /// another authority (URL standard, "host parsing"), and `OPTIONS *` arrives as
    /// `http://host*`.
    #[must_use]
    pub fn is_forwardable(&self) -> bool {
        is_plain_authority(self.authority)
    }

    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| *value)
    }

    /// Whether this asks to become a WebSocket (RFC 6455 section 4.1).
    #[must_use]
    pub fn is_websocket_upgrade(&self) -> bool {
        self.method == "GET"
            && self.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    }

    /// Whether this is a CORS preflight (Fetch standard, "CORS-preflight request").
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        self.method == "OPTIONS"
            && self.header("origin").is_some()
            && self.header("access-control-request-method").is_some()
    }
}

/// Whether an authority is a host and perhaps a port that every URL parser leaves as they are.
fn is_plain_authority(authority: &str) -> bool {
    if let Some(literal) = authority.strip_prefix('[') {
        let Some((address, port)) = literal.split_once(']') else { return false };
        let shortest = |address: Ipv6Addr| address.to_string();
        return is_plain_port(port)
            && address.parse().is_ok_and(|parsed| {
                // The two standards write mapped addresses differently.
                shortest(parsed) == address && parsed.to_ipv4_mapped().is_none()
            });
    }
    let colon = authority.find(':').unwrap_or(authority.len());
    let (host, port) = authority.split_at_checked(colon).unwrap_or_default();
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    // A last label that is a number makes an IPv4 address of the whole (127.1, 0x7f.1).
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
    !last.is_empty()
        && host.bytes().all(is_host_byte)
        && is_plain_port(port)
        && (!is_number || host.parse::<Ipv4Addr>().is_ok())
}

/// Nothing, or a colon and a number from 1 to 65535.
fn is_plain_port(port: &str) -> bool {
    port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| !port.starts_with('0') && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_head_is_taken_apart() {
        let head = RequestHead::unpack("GET\nhttps://a.example:8443/x/y?q=1&r\nhost\na\nx-b\n\n");
        assert_eq!(head.method, "GET");
        assert_eq!((head.scheme, head.authority), ("https", "a.example:8443"));
        assert_eq!((head.path, head.query), ("/x/y", Some("q=1&r")));
        assert_eq!(head.headers, vec![("host", "a"), ("x-b", "")]);
    }

    #[test]
    fn a_url_without_path_means_the_root_and_a_fragment_means_nothing() {
        for (url, path, query) in [
            ("http://a", "/", None),
            ("http://a?q", "/", Some("q")),
            ("http://a/b#c?d", "/b", None),
            ("http://a/b?c#d", "/b", Some("c")),
            ("http://a\\b", "\\b", None),
        ] {
            let packed = format!("GET\n{url}");
            let head = RequestHead::unpack(&packed);
            assert_eq!((head.path, head.query), (path, query), "{url}");
        }
    }

    #[test]
    fn only_an_authority_that_no_parser_rewrites_can_be_forwarded() {
        for authority in [
            "a",
            "A.example:8443",
            "a_b.example.",
            "127.0.0.1:1",
            "[::1]",
            "[2001:db8::1]:65535",
            "1e100.example",
        ] {
            assert!(is_plain_authority(authority), "{authority}");
        }
        for authority in [
            "",
            "host*",
            "u@a",
            "a b",
            "%61",
            "é",
            "a:",
            "a:0",
            "a:080",
            "a:99999",
            "a:x",
            "127.1",
            "1.2.3.999",
            "01.2.3.4",
            "0x7f.0.0.0x1",
            "0X7f",
            "2130706433",
            "[::zz]",
            "[::1",
            "[0:0::1]",
            "[::ffff:1.2.3.4]",
            "::1",
            ".",
        ] {
            assert!(!is_plain_authority(authority), "{authority}");
        }
    }

    #[test]
    fn only_a_full_preflight_is_a_preflight() {
        let preflight = "OPTIONS\nhttp://a/\norigin\nhttp://b\naccess-control-request-method\nPUT";
        assert!(RequestHead::unpack(preflight).is_preflight());
        for packed in [
            "OPTIONS\nhttp://a/\norigin\nhttp://b",
            "OPTIONS\nhttp://a/\naccess-control-request-method\nPUT",
            "GET\nhttp://a/\norigin\nhttp://b\naccess-control-request-method\nPUT",
        ] {
            assert!(!RequestHead::unpack(packed).is_preflight(), "{packed}");
        }
    }
}
