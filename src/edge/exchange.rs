//! Requests of our own, to auth services and issuers: bounded in time and size, never redirected.

use super::glue;
use crate::core::introspection::Silence;

/// Fetches a document.
pub(super) async fn get(
    url: &str,
    timeout_ms: u32,
    most_bytes: usize,
) -> Result<(u16, Vec<u8>), Silence> {
    exchange(url, None, None, timeout_ms, most_bytes).await
}

/// Posts a form.
pub(super) async fn post(
    url: &str,
    authorization: Option<&str>,
    form: &str,
    timeout_ms: u32,
    most_bytes: usize,
) -> Result<(u16, Vec<u8>), Silence> {
    exchange(url, authorization, Some(form), timeout_ms, most_bytes).await
}

async fn exchange(
    url: &str,
    authorization: Option<&str>,
    form: Option<&str>,
    timeout_ms: u32,
    most_bytes: usize,
) -> Result<(u16, Vec<u8>), Silence> {
    let most_bytes = u32::try_from(most_bytes).unwrap_or(u32::MAX);
    let answer = glue::exchange(url, authorization, form, timeout_ms, most_bytes).await;
    match answer.fault().as_deref() {
        None => Ok((answer.status(), answer.body())),
        Some("timeout") => Err(Silence::TimedOut),
        Some("too large") => Err(Silence::Malformed),
        Some(_) => Err(Silence::Unreachable),
    }
}
