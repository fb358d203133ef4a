//! Requests of HTTP, and what is told where one fails.

use std::sync::Arc;
use std::time::Duration;

use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Error};

use crate::HubError;
use crate::error::by_hand;

/// Characters of a server's own words that are shown.
const WORDS: usize = 200;

/// Asks servers. The system's certificates tell which servers are what they say.
pub struct Client {
    agent: Agent,
    token: Option<String>,
    /// The address whose host is told the token; nothing where none is.
    trusted: String,
    has_certificates: bool,
}

impl Client {
    /// A client that gives up where a server says nothing for `patience`. `token` goes to the host of `trusted` alone.
    pub fn new(patience: Duration, trusted: &str, token: Option<String>) -> Self {
        // A second installation is refused, and is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let found = rustls_native_certs::load_native_certs().certs;
        let certificates: Vec<Certificate> = found
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        let has_certificates = !certificates.is_empty();
        let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(certificates)));
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .user_agent(concat!("mnasnet/", env!("CARGO_PKG_VERSION")))
            // Bytes are counted and hashed as they are.
            .accept_encoding("identity")
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            .timeout_send_request(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience));
        Self {
            agent: config.build().new_agent(),
            token,
            trusted: trusted.to_owned(),
            has_certificates,
        }
    }

    /// The head of an answer, of redirects too.
    pub fn head(&self, url: &str) -> Result<Response<Body>, Error> {
        let mut request = self.agent.head(url);
        if let Some(token) = self.token_for(url) {
            request = request.header("authorization", token);
        }
        request
            .config()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .call()
    }

    /// A file from a byte on. Redirects are followed, without the token.
    pub fn get(&self, url: &str, from: u64) -> Result<Response<Body>, Error> {
        let mut request = self.agent.get(url);
        if let Some(token) = self.token_for(url) {
            request = request.header("authorization", token);
        }
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        request.call()
    }

    fn token_for(&self, url: &str) -> Option<String> {
        let told = origin(url) == origin(&self.trusted);
        self.token
            .as_ref()
            .filter(|_| told)
            .map(|token| format!("Bearer {token}"))
    }

    /// Why there was no answer to a request for `url`; `file` is what a person would download instead.
    pub fn network(&self, url: &str, file: &str, error: &Error) -> HubError {
        let about_tls = match error {
            Error::Rustls(_) | Error::Tls(_) => true,
            Error::Io(error) => error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()),
            _ => false,
        };
        let certificates = match (about_tls, self.has_certificates) {
            (false, _) => "",
            (true, true) => " (if a proxy opens connections here, SSL_CERT_FILE names a file with its certificate)",
            (true, false) => " (this machine has no certificates of servers; SSL_CERT_FILE names a file of them)",
        };
        HubError::Network {
            url: url.to_owned(),
            why: format!("{error}{certificates}"),
            file: file.to_owned(),
        }
    }

    /// Why an answer to a request for `url` is no file; `file` is what a person would download instead.
    pub fn refused(&self, url: &str, file: &str, response: &Response<Body>) -> HubError {
        let status = response.status().as_u16();
        let said = ["x-error-message", "x-error-code"]
            .into_iter()
            .find_map(|name| text(response, name));
        let why = said.map_or(String::new(), |said| {
            format!(" ({})", said.chars().take(WORDS).collect::<String>())
        });
        let by_hand = by_hand(url, file);
        let asks = origin(url) == origin(&self.trusted);
        let todo = match status {
            // A server that is told no token does not want one.
            401 | 403 if !asks => by_hand,
            401 | 403 if self.token.is_none() => format!("set HF_TOKEN if it asks for one, or {by_hand}"),
            401 | 403 => format!("see whether HF_TOKEN may read it, or {by_hand}"),
            429 | 500.. => format!("try again later, or {by_hand}"),
            _ => by_hand,
        };
        HubError::Refused {
            url: url.to_owned(),
            status,
            why,
            todo,
        }
    }
}

/// A header as text.
pub fn text<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Scheme, host and port of an address.
pub fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (url, expected) in [
            ("https://huggingface.co/timm/a?b=1", "https://huggingface.co"),
            ("http://localhost:80", "http://localhost:80"),
            ("http://localhost:80?x", "http://localhost:80"),
        ] {
            assert_eq!(origin(url), expected);
        }
    }
}
