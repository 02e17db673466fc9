//! HTTP as a client.

use std::io::Read as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// An answer: status and body.
pub(crate) type Answer = (u16, Vec<u8>);

/// A request.
pub(crate) struct Request<'r> {
    pub(crate) method: &'static str,
    pub(crate) url: &'r str,
    /// The value of `Authorization`, if there is one.
    pub(crate) authorization: Option<&'r str>,
    /// A body of JSON.
    pub(crate) body: Option<&'r [u8]>,
    pub(crate) timeout: Duration,
    /// The longest answer that is read.
    pub(crate) most_bytes: usize,
}

impl<'r> Request<'r> {
    pub(crate) const fn get(url: &'r str, timeout: Duration, most_bytes: usize) -> Self {
        Self { method: "GET", url, authorization: None, body: None, timeout, most_bytes }
    }

    /// Sends it. A redirect is an answer like others, since a secret or a key is not asked for where somebody
    /// else says. The error says what went wrong.
    pub(crate) fn send(&self) -> Result<Answer, String> {
        let mut request = ureq::http::Request::builder().method(self.method).uri(self.url);
        if let Some(authorization) = self.authorization {
            request = request.header("authorization", authorization);
        }
        if self.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request
            .body(self.body.unwrap_or_default())
            .map_err(|_| "the URL or a header cannot be sent".to_owned())?;
        let response = self.agent().run(request).map_err(|fault| explain(&fault))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let most = u64::try_from(self.most_bytes).unwrap_or(u64::MAX);
        let mut reader = response.into_body().into_reader().take(most.saturating_add(1));
        reader.read_to_end(&mut body).map_err(|_| "the answer broke off".to_owned())?;
        if body.len() > self.most_bytes {
            return Err(format!("the answer is longer than {} bytes", self.most_bytes));
        }
        Ok((status, body))
    }

    fn agent(&self) -> Agent {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(self.timeout))
            .user_agent(concat!("edgeward/", env!("CARGO_PKG_VERSION")));
        // What goes without TLS is for this machine, and no proxy may read it.
        let config = if self.url.starts_with("https:") {
            config.tls_config(TRUSTING_THE_MACHINE.clone())
        } else {
            config.proxy(None)
        };
        config.build().new_agent()
    }
}

/// By the certificates that the machine trusts, so that those of a company count. They are read once.
static TRUSTING_THE_MACHINE: LazyLock<TlsConfig> = LazyLock::new(|| {
    let trusted = rustls_native_certs::load_native_certs().certs;
    let trusted: Vec<_> =
        trusted.iter().map(|one| Certificate::from_der(one.as_ref()).to_owned()).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::Specific(Arc::new(trusted)))
        .build()
});

fn explain(fault: &ureq::Error) -> String {
    match fault {
        ureq::Error::Timeout(_) => "no answer came in time".to_owned(),
        ureq::Error::HostNotFound => "there is no such host".to_owned(),
        ureq::Error::ConnectionFailed => "the connection was refused".to_owned(),
        ureq::Error::Io(fault) => fault.to_string(),
        ureq::Error::BadUri(_) => "it is no URL".to_owned(),
        other => other.to_string(),
    }
}
