//! How a permitted request goes to the origin.

use std::borrow::Cow;

use super::{Gate, Identity, Upgrade};
use crate::core::access::Enforcement;
use crate::core::config::{Origin, TokenForwarding};
use crate::core::credentials::{self, Source};
use crate::core::denial::Denial;
use crate::core::mode::Mode;
use crate::core::mutate::{CLIENT_ADDRESS, DEGRADED, Edits, SHADOW};
use crate::core::path::RequestPath;
use crate::core::request::RequestHead;
use crate::core::subprotocol::{self, Rest};
use crate::core::verify::SignatureEngine;

/// Proof that a request may go to the origin, and in which form. Only a gate can make one, and
/// nothing else can be forwarded.
#[derive(Debug)]
pub struct Permit<'g> {
    destination: &'g Origin,
    url: Option<String>,
    edits: String,
    body: Body,
    mode: Mode,
    provider: Option<usize>,
    upgrade: Upgrade<'g>,
    protocol: Option<&'static str>,
    shadowed: Option<Denial>,
}

/// What happens to the body of a permitted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It streams to the origin.
    Stream,
    /// It stays here: the request is a preflight, which has none.
    Drop,
}

impl<'g> Permit<'g> {
    /// Where the request goes.
    #[must_use]
    pub const fn destination(&self) -> &Origin {
        self.destination
    }

    /// The URL to request there, if it is not the one that the client asked for. Its path is the one
    /// that was evaluated.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// What changes in the headers, as [`Edits::into_text`] writes it.
    #[must_use]
    pub fn edits(&self) -> &str {
        &self.edits
    }

    /// What it rests on.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Position of the provider of the token, if there is one.
    #[must_use]
    pub const fn provider(&self) -> Option<usize> {
        self.provider
    }

    /// Why it would have been denied, if its rule did not only record that.
    #[must_use]
    pub const fn shadowed(&self) -> Option<&Denial> {
        self.shadowed.as_ref()
    }

    /// Whether the origin is told who is asking, so that its answer may be for nobody else.
    #[must_use]
    pub const fn is_personal(&self) -> bool {
        self.provider.is_some() && self.shadowed.is_none()
    }

    /// What happens to the body.
    #[must_use]
    pub const fn body(&self) -> Body {
        self.body
    }

    /// The subprotocol that is chosen for the client, if the origin is offered none: what stood before
    /// the token.
    #[must_use]
    pub const fn protocol(&self) -> Option<&'static str> {
        self.protocol
    }

    /// What becomes of it as a WebSocket. It can be asked for once.
    #[must_use]
    pub fn take_upgrade(&mut self) -> Upgrade<'g> {
        std::mem::replace(&mut self.upgrade, Upgrade::No)
    }

    pub(super) fn with_upgrade(self, upgrade: Upgrade<'g>) -> Self {
        Self { upgrade, ..self }
    }
}

impl<E: SignatureEngine> Gate<E> {
    /// (8) Lets a request pass.
    pub(super) fn permit(
        &self,
        head: &RequestHead<'_>,
        path: &RequestPath<'_>,
        identity: &Identity<'_>,
        enforcement: Enforcement,
    ) -> Permit<'_> {
        let mut edits = self.first_edits(head);
        let mut query = head.query.map(Cow::Borrowed);
        let (mut mode, mut provider, mut protocol) = (Mode::Normal, None, None);
        if let Identity::Known { assured, assertion, credentials } = identity {
            // Where the gate only records, the origin still checks tokens by itself.
            let is_wanted = enforcement == Enforcement::Deny;
            if is_wanted && self.settings.forward.token == TokenForwarding::Strip {
                protocol = strip(credentials.source, head, &mut edits, &mut query);
            }
            if let Ok(facts) = assured.basis.facts() {
                edits.extend(facts.header_lines());
                provider = Some(facts.provider);
            }
            mode = assured.mode;
            if let Some(name) = mode.name() {
                edits.set(DEGRADED, name);
            }
            if let Some(assertion) = assertion {
                edits.set_assertion(assertion);
            }
        }
        let permit = self.permit_with(head, path, query, edits, Body::Stream);
        Permit { mode, provider, protocol, ..permit }
    }

    /// Lets a request pass that would be denied, with a word about that and no identity. What else it
    /// carries stays, also a token.
    pub(super) fn permit_in_shadow(
        &self,
        head: &RequestHead<'_>,
        path: &RequestPath<'_>,
        denial: Denial,
    ) -> Permit<'_> {
        let mut edits = self.first_edits(head);
        edits.set(SHADOW, denial.reason.code().name());
        let query = head.query.map(Cow::Borrowed);
        let upgrade = if head.is_websocket_upgrade() { Upgrade::Native } else { Upgrade::No };
        let permit = self.permit_with(head, path, query, edits, Body::Stream);
        Permit { provider: denial.provider, shadowed: Some(denial), upgrade, ..permit }
    }

    /// A preflight asks whether a request would be allowed; browsers send no credentials with it
    /// (Fetch standard, "CORS-preflight fetch"), so whatever it carries stays here.
    pub(super) fn permit_preflight(
        &self,
        head: &RequestHead<'_>,
        path: &RequestPath<'_>,
    ) -> Permit<'_> {
        let mut edits = self.first_edits(head);
        let mut query = head.query.map(Cow::Borrowed);
        for source in &self.settings.sources {
            match source {
                // All cookies go, not only the one with the token.
                Source::Authorization | Source::WebSocketProtocol | Source::Cookie(_) => {}
                Source::Header(_) | Source::Query(_) => {
                    strip(source, head, &mut edits, &mut query);
                }
            }
        }
        for name in [
            "authorization",
            "cookie",
            "content-encoding",
            "content-length",
            "content-type",
            "expect",
            subprotocol::HEADER,
        ] {
            edits.remove(name);
        }
        self.permit_with(head, path, query, edits, Body::Drop)
    }

    /// What every forwarded request begins with: the client's claims about itself go, and the
    /// origin is told how it reached us.
    fn first_edits(&self, head: &RequestHead<'_>) -> Edits {
        let mut edits = Edits::sanitize(head, &self.settings.forward.claims);
        if let Some(address) = head.header(CLIENT_ADDRESS) {
            edits.set("x-forwarded-for", address);
        }
        edits.set("x-forwarded-proto", head.scheme);
        edits.set("x-forwarded-host", head.authority);
        edits
    }

    fn permit_with(
        &self,
        head: &RequestHead<'_>,
        path: &RequestPath<'_>,
        query: Option<Cow<'_, str>>,
        mut edits: Edits,
        body: Body,
    ) -> Permit<'_> {
        let path = path.literal();
        let base = match &self.settings.origin {
            Origin::Url(origin) => Some(Cow::Borrowed(origin.as_str())),
            // A service sees the URL that the client asked for, as if it were asked directly.
            Origin::Service(_) if path == head.path && query.as_deref() == head.query => None,
            Origin::Service(_) => Some(format!("{}://{}", head.scheme, head.authority).into()),
        };
        let url = base.map(|base| match query {
            Some(query) => format!("{base}{path}?{query}"),
            None => format!("{base}{path}"),
        });
        edits.trace(head, &self.traces);
        Permit {
            destination: &self.settings.origin,
            url,
            edits: edits.into_text(),
            body,
            mode: Mode::Normal,
            provider: None,
            upgrade: Upgrade::No,
            protocol: None,
            shadowed: None,
        }
    }
}

/// Takes a token out of where it was found. The subprotocol to choose, if only its marker is left.
fn strip(
    source: &Source,
    head: &RequestHead<'_>,
    edits: &mut Edits,
    query: &mut Option<Cow<'_, str>>,
) -> Option<&'static str> {
    match source {
        Source::Authorization => edits.remove("authorization"),
        Source::Header(name) => edits.remove(name),
        Source::WebSocketProtocol => {
            match subprotocol::without_token(head.header(subprotocol::HEADER).unwrap_or_default()) {
                Rest::Others(kept) => edits.set(subprotocol::HEADER, &kept),
                Rest::Nothing => edits.remove(subprotocol::HEADER),
                Rest::Marker => {
                    edits.remove(subprotocol::HEADER);
                    return Some(subprotocol::MARKER);
                }
            }
        }
        Source::Cookie(name) => {
            let kept =
                head.header("cookie").and_then(|value| credentials::without_cookie(value, name));
            match kept {
                Some(kept) => edits.set("cookie", &kept),
                None => edits.remove("cookie"),
            }
        }
        Source::Query(name) => {
            *query = query
                .as_deref()
                .and_then(|query| credentials::without_parameter(query, name))
                .map(Cow::Owned);
        }
    }
    None
}
