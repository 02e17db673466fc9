//! Hosts in the form in which rules compare them.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::check::HostProblem;

/// The host of an authority such as a `Host` field has (RFC 9110 section 7.2): without port and
/// trailing dot, in lower case, an IPv6 literal in its shortest form. Text that is no authority
/// gives text that is no host of a rule. Allocates only where something changes.
#[must_use]
pub fn normalize_host(authority: &str) -> Cow<'_, str> {
    let host = without_port(authority.trim_end_matches('.')).trim_end_matches('.');
    if let Some(address) = ipv6(host) {
        let shortest = format!("[{address}]");
        return if shortest == host { Cow::Borrowed(host) } else { Cow::Owned(shortest) };
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// The host of a rule in the same form.
pub(super) fn check_host(written: &str) -> Result<String, HostProblem> {
    if written.contains('*') {
        return Err(HostProblem::Wildcard);
    }
    if written.parse::<Ipv6Addr>().is_ok() {
        return Err(HostProblem::Respell { write: format!("[{written}]") });
    }
    let bare = bare_host(written);
    if !is_host(bare) {
        return Err(HostProblem::NotAHost);
    }
    if bare != written {
        return Err(HostProblem::Respell { write: bare.to_owned() });
    }
    Ok(normalize_host(written).into_owned())
}

/// What is left of a URL or an authority when scheme, user, port and path are gone.
fn bare_host(written: &str) -> &str {
    let after_scheme = written.split_once("://").map_or(written, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    without_port(authority.rsplit_once('@').map_or(authority, |(_, rest)| rest))
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// A DNS name of ASCII labels (RFC 1123 section 2.1, and `_`, which is in use), or an IPv6 literal.
fn is_host(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    ipv6(text).is_some() || (name.len() <= 253 && name.split('.').all(is_label))
}
