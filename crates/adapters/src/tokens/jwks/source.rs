//! Where a document of keys comes from.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::JwksOptions;

/// The most bytes of a document.
pub(super) const LARGEST: u64 = 256 * 1024;
/// How long a server may take to be connected.
const CONNECT: Duration = Duration::from_secs(2);
/// How long it may take for all, redirections included.
const WHOLE: Duration = Duration::from_secs(5);
/// How often it may send the service elsewhere.
const REDIRECTS: u32 = 3;

/// A source of keys.
pub(super) enum Source {
    /// A document at an address.
    Url {
        /// Its address.
        url: String,
        /// The certificates to believe, as PEM.
        ca_file: Option<PathBuf>,
    },
    /// A file.
    File(PathBuf),
}

/// Why a source gave no document. No address: it may hold what is secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("its document is larger than {LARGEST} bytes")]
    TooLarge,
    #[error("its server answers {0}")]
    Status(u16),
    #[error("its server is not heard from in time ({0})")]
    TooSlow(&'static str),
    #[error("its server redirects too often")]
    TooManyRedirects,
    #[error("its server redirects from https to http")]
    Downgrade,
    #[error("its server's name is not known")]
    HostNotFound,
    #[error("TLS fails: {0}")]
    Tls(String),
    #[error("the file of certificates holds none")]
    NoCertificate,
    #[error("HTTP fails")]
    Http,
}

impl Source {
    /// The sources that these options name.
    pub(super) fn all(options: &JwksOptions) -> Vec<Self> {
        let url = options.url.clone().map(|url| Self::Url {
            url,
            ca_file: options.ca_file.clone(),
        });
        let file = options.file.clone().map(Self::File);
        file.into_iter().chain(url).collect()
    }

    /// What kind of source it is, for the log.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::File(_) => "file",
        }
    }

    /// Reads the document, whole.
    pub(super) fn read(&self) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Url { url, ca_file } => fetch(url, ca_file.as_deref()),
            Self::File(path) => read_limited(path),
        }
    }
}

fn read_limited(path: &Path) -> Result<Vec<u8>, SourceError> {
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= LARGEST) {
        Ok(text)
    } else {
        Err(SourceError::TooLarge)
    }
}

/// Gets a document. Each time by a new connection: the next is minutes away, and the server's address may be another.
fn fetch(url: &str, ca_file: Option<&Path>) -> Result<Vec<u8>, SourceError> {
    let agent = ureq::Agent::config_builder()
        .tls_config(tls(ca_file)?)
        .https_only(url.starts_with("https:"))
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(WHOLE))
        .max_redirects(REDIRECTS)
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
            .limit(LARGEST)
            .read_to_vec()?),
        other => Err(SourceError::Status(other)),
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

impl From<ureq::Error> for SourceError {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::StatusCode(status) => Self::Status(status),
            ureq::Error::BodyExceedsLimit(_) => Self::TooLarge,
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                Self::TooSlow("connecting")
            }
            ureq::Error::Timeout(_) => Self::TooSlow("answering"),
            ureq::Error::TooManyRedirects => Self::TooManyRedirects,
            ureq::Error::RequireHttpsOnly(_) => Self::Downgrade,
            ureq::Error::HostNotFound => Self::HostNotFound,
            ureq::Error::Io(error) => Self::Io(error),
            ureq::Error::Rustls(error) => Self::Tls(error.to_string()),
            ureq::Error::Tls(reason) => Self::Tls(reason.to_owned()),
            ureq::Error::Pem(_) => Self::NoCertificate,
            _ => Self::Http,
        }
    }
}
