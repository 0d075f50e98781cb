//! The settings of the keys that the Auth Service publishes.

use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::Read;
use super::reader::{Reader, file};

/// Where the Auth Service publishes its keys (JSON Web Key Set, RFC 7517): at a URL, in a file, or both.
#[derive(Clone, Debug)]
pub struct JwksSettings {
    /// The URL of the document (`JWT_JWKS_URL`).
    pub url: Option<Url>,
    /// The certificate authorities to trust for that URL, as a PEM file (`JWT_JWKS_CA_FILE`). `None`: those of the
    /// machine.
    pub ca_file: Option<PathBuf>,
    /// A file with such a document (`JWT_JWKS_FILE`).
    pub file: Option<PathBuf>,
    /// How often both are read again (`JWT_JWKS_REFRESH_SECONDS`).
    pub refresh: Duration,
}

impl JwksSettings {
    /// Reads the section. `None` if no keys are published.
    pub(super) fn read(reader: &mut Reader) -> Read<Option<Self>> {
        let url = reader.optional("JWT_JWKS_URL", address);
        let ca_file = reader.optional("JWT_JWKS_CA_FILE", file);
        let file = reader.optional("JWT_JWKS_FILE", file);
        let refresh = reader.number("JWT_JWKS_REFRESH_SECONDS", 10..=86_400);

        let (url, ca_file, file, refresh) = (url?, ca_file?, file?, refresh?);
        if ca_file.is_some() && url.is_none() {
            reader.warn("JWT_JWKS_CA_FILE", "has no effect: JWT_JWKS_URL is not set");
        }
        if ca_file.is_some() && url.as_ref().is_some_and(|url| url.scheme() == "http") {
            reader.warn(
                "JWT_JWKS_CA_FILE",
                "has no effect: JWT_JWKS_URL does not start with https://",
            );
        }
        if url.as_ref().is_some_and(is_open_to_forgery) {
            reader.warn(
                "JWT_JWKS_URL",
                "is not https: an attacker in the network can replace the keys and create tokens of any user",
            );
        }
        let is_used = url.is_some() || file.is_some();
        Ok(is_used.then_some(Self {
            url,
            ca_file,
            file,
            refresh: Duration::from_secs(refresh),
        }))
    }

    /// Returns the URL without its query, which can contain secrets.
    pub fn shown_url(&self) -> Option<String> {
        let mut url = self.url.clone()?;
        url.set_query(None);
        Some(url.into())
    }
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "is not a valid URL".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("must start with https://host or http://host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment".to_owned());
    }
    Ok(url)
}

/// Whether the document is transferred over a network without TLS.
fn is_open_to_forgery(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_here
}
