//! The head of a request as plain text: method, target and headers.
//!
//! In scope: taking the packed head apart. Out of scope: what any of it means.

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
    /// by line feeds, which none of them can contain (RFC 9110 section 5.5). `None` if the URL is
    /// not absolute, or its authority is none: `OPTIONS *` arrives as `http://host*`.
    #[must_use]
    pub fn unpack(packed: &'a str) -> Option<Self> {
        let mut parts = packed.split('\n');
        let method = parts.next()?;
        let url = parts.next()?;
        let (scheme, rest) = url.split_once("://")?;
        // A fragment is no part of a request (RFC 9112 section 3.2).
        let rest = rest.split('#').next()?;
        let (target, query) = match rest.split_once('?') {
            Some((target, query)) => (target, Some(query)),
            None => (rest, None),
        };
        let slash = target.find(['/', '\\']).unwrap_or(target.len());
        let (authority, path) = target.split_at_checked(slash)?;
        let is_authority_byte =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(is_authority_byte) {
            return None;
        }
        let mut headers = Vec::with_capacity(24);
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            headers.push((name, value));
        }
        Some(Self {
            method,
            scheme,
            authority,
            path: if path.is_empty() { "/" } else { path },
            query,
            headers,
        })
    }

    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| *value)
    }

    /// Whether this asks to become a WebSocket (RFC 6455 section 4.1).
    #[must_use]
    pub fn is_websocket_upgrade(&self) -> bool {
        self.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    }

    /// Whether this is a CORS preflight (Fetch standard, "CORS-preflight request").
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        self.method == "OPTIONS"
            && self.header("origin").is_some()
            && self.header("access-control-request-method").is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_head_is_taken_apart() {
        let head =
            RequestHead::unpack("GET\nhttps://a.example:8443/x/y?q=1&r\nhost\na\nx-b\n\n").unwrap();
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
            let head = RequestHead::unpack(&packed).unwrap();
            assert_eq!((head.path, head.query), (path, query), "{url}");
        }
        for packed in
            ["GET\n/relative", "GET", "OPTIONS\nhttp://a*", "GET\nhttp:///", "GET\nhttp://u@a/"]
        {
            assert_eq!(RequestHead::unpack(packed), None, "{packed}");
        }
    }

    #[test]
    fn only_a_full_preflight_is_a_preflight() {
        let preflight = "OPTIONS\nhttp://a/\norigin\nhttp://b\naccess-control-request-method\nPUT";
        assert!(RequestHead::unpack(preflight).unwrap().is_preflight());
        for packed in [
            "OPTIONS\nhttp://a/\norigin\nhttp://b",
            "OPTIONS\nhttp://a/\naccess-control-request-method\nPUT",
            "GET\nhttp://a/\norigin\nhttp://b\naccess-control-request-method\nPUT",
        ] {
            assert!(!RequestHead::unpack(packed).unwrap().is_preflight(), "{packed}");
        }
    }
}
