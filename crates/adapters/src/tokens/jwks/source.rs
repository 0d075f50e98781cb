//! Reads a key document from a URL or a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// The maximum length of a document in bytes.
const MAX_DOCUMENT_BYTES: u64 = 256 * 1024;
/// The time limit of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit of a request, including redirects.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of redirects.
const MAX_REDIRECTS: u32 = 3;

/// A source of a key document.
#[derive(Clone)]
pub enum KeySource {
    /// A document at a URL.
    Url {
        /// The URL.
        url: String,
        /// The PEM file of the certificate authorities to trust for this server; `None` means those of the machine.
        ca_file: Option<PathBuf>,
    },
    /// A file.
    File(PathBuf),
}

/// Why a document could not be read. The text contains no URL, which may contain a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("its document is larger than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    #[error("the certificate file contains no certificate")]
    NoCertificate,
    #[error("{}", describe(.0))]
    Request(#[from] ureq::Error),
}

impl KeySource {
    /// The kind of the source, for the log.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::File(_) => "file",
        }
    }

    /// Reads the whole document.
    pub(super) fn read(&self) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Url { url, ca_file } => fetch(url, ca_file.as_deref()),
            Self::File(path) => read_limited(path),
        }
    }
}

fn read_limited(path: &Path) -> Result<Vec<u8>, SourceError> {
    let mut text = Vec::new();
    File::open(path)?
        .take(MAX_DOCUMENT_BYTES + 1)
        .read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= MAX_DOCUMENT_BYTES) {
        Ok(text)
    } else {
        Err(SourceError::TooLarge)
    }
}

/// Fetches a document over a new connection: the next fetch is minutes later, and the address of the server may change.
fn fetch(url: &str, ca_file: Option<&Path>) -> Result<Vec<u8>, SourceError> {
    let agent = ureq::Agent::config_builder()
        .tls_config(tls(ca_file)?)
        .https_only(url.starts_with("https:"))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(REQUEST_TIMEOUT))
        .max_redirects(MAX_REDIRECTS)
        .user_agent(concat!("user-service/", env!("CARGO_PKG_VERSION")))
        .proxy(None)
        .build()
        .new_agent();
    let asked = agent
        .get(url)
        .header("accept", "application/jwk-set+json, application/json");
    let mut answer = asked.call()?;
    match answer.status().as_u16() {
        200 => Ok(answer
            .body_mut()
            .with_config()
            .limit(MAX_DOCUMENT_BYTES)
            .read_to_vec()?),
        other => Err(ureq::Error::StatusCode(other).into()),
    }
}

fn tls(ca_file: Option<&Path>) -> Result<TlsConfig, SourceError> {
    let roots = match ca_file {
        None => RootCerts::PlatformVerifier,
        Some(path) => RootCerts::Specific(Arc::new(certificates(path)?)),
    };
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, SourceError> {
    let text = std::fs::read(path)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(SourceError::NoCertificate);
    }
    Ok(certificates)
}

/// Returns why a request failed.
fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(status) => format!("its server answers {status}"),
        ureq::Error::BodyExceedsLimit(_) => SourceError::TooLarge.to_string(),
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            "its server did not respond in time (connecting)".to_owned()
        }
        ureq::Error::Timeout(_) => "its server did not respond in time (answering)".to_owned(),
        ureq::Error::TooManyRedirects => "its server redirects too often".to_owned(),
        ureq::Error::RequireHttpsOnly(_) => "its server redirects from https to http".to_owned(),
        ureq::Error::HostNotFound => "the name of its server cannot be resolved".to_owned(),
        ureq::Error::Io(error) => format!("it cannot be read: {error}"),
        ureq::Error::Rustls(error) => format!("TLS failed: {error}"),
        ureq::Error::Tls(reason) => format!("TLS failed: {reason}"),
        ureq::Error::Pem(_) => SourceError::NoCertificate.to_string(),
        _ => "HTTP failed".to_owned(),
    }
}
