//! What must be true of a contender before its speed means anything.

use std::net::SocketAddr;

use super::client::ask;
use super::contender::Contender;
use super::origin::ECHO;
use super::rows::{Sender, request};
use super::tokens::{Tokens, with_bad_signature};

/// Fails unless it does the edits and, as a gate, refuses what it must.
///
/// # Panics
///
/// When it does not, with what it answered.
pub async fn check(contender: Contender, address: SocketAddr, tokens: &Tokens) {
    let name = contender.name();
    if !matches!(contender, Contender::Forward | Contender::Refuse) {
        let (status, answer) =
            ask(address, &request(ECHO, Sender::Service, Some(&tokens.good[0]))).await;
        let wanted =
            if contender.is_gate() { "subject=user-0 authorization=" } else { "authorization=" };
        assert!(status == 200 && answer.ends_with(wanted), "{name} with a good token: {answer}");
    }
    if contender.is_gate() {
        let bad = with_bad_signature(&tokens.good[0]);
        let refused = [
            ("a bad signature", Some(bad.as_str())),
            ("an expired token", Some(tokens.expired[0].as_str())),
            ("another issuer", Some(tokens.foreign.as_str())),
            ("no token", None),
        ];
        for (what, token) in refused {
            let (status, answer) = ask(address, &request(ECHO, Sender::Service, token)).await;
            assert_eq!(status, 401, "{name} with {what}: {answer}");
        }
    }
}
