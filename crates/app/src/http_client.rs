//! The HTTP client of this crate. It blocks, so each use has a thread of its own.

use std::sync::Arc;

use rustls::crypto::ring;
use ureq::config::ConfigBuilder;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::typestate::AgentScope;
use url::Url;

/// Starts the configuration of a client. It trusts the certificate authorities of this machine, follows no redirect and
/// uses no proxy, so that credentials reach only the named host. A status is not an error.
pub(crate) fn configure() -> ConfigBuilder<AgentScope> {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
}

/// Parses the address of a server with an optional path. Returns it without a trailing slash.
///
/// `instead` says where a password belongs, for the error.
///
/// # Errors
/// The rule, as a part of a sentence about the setting or argument.
pub(crate) fn base_url(text: &str, instead: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "is not a valid URL".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("must be http://host:port or https://host:port".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("must not contain a password: use {instead}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
