//! The client and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use user_domain::Secret;

use crate::error::Error;

/// The maximum time for all attempts of a call together.
const DEADLINE: Duration = Duration::from_secs(30);
/// The maximum time for one attempt. The service responds to a list within five seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Less than the five seconds after which the service closes an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// A client of the user service. It is cheap to clone, and its clones share connections.
///
/// Each method is an operation of the API, and its name is the `operationId` of that operation. It returns a
/// [`Read`](crate::Read) or a [`Write`](crate::Write), which is sent when it is awaited.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    credentials: Credentials,
}

struct Shared {
    http: reqwest::Client,
    settings: Settings,
}

pub(crate) struct Settings {
    /// The address of the service without a trailing slash.
    pub(crate) base_url: String,
    pub(crate) deadline: Duration,
    pub(crate) attempt_timeout: Duration,
}

#[derive(Clone)]
enum Credentials {
    None,
    Token(HeaderValue),
    Source(Arc<dyn Fn() -> Secret + Send + Sync>),
}

/// The settings of a client that is not built yet.
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    base_url: String,
    credentials: Result<Credentials, Error>,
    deadline: Duration,
    attempt_timeout: Duration,
    http: Option<reqwest::Client>,
}

impl Client {
    /// Creates a client with a token: a service token, or the JWT of a user.
    ///
    /// # Errors
    /// Those of [`ClientBuilder::build`].
    pub fn new(base_url: &str, token: impl Into<Secret>) -> Result<Self, Error> {
        Self::builder(base_url).token(token).build()
    }

    /// Starts the settings of a client. The URL is `https://host`, with `PUBLIC_BASE_PATH` of the service if it has one.
    pub fn builder(base_url: &str) -> ClientBuilder {
        ClientBuilder {
            base_url: base_url.to_owned(),
            credentials: Ok(Credentials::None),
            deadline: DEADLINE,
            attempt_timeout: ATTEMPT_TIMEOUT,
            http: None,
        }
    }

    /// Returns a client with another token and the same connections, for example for the user of one request.
    ///
    /// # Errors
    /// An invalid request if the token has other characters than visible ASCII.
    pub fn with_token(&self, token: impl Into<Secret>) -> Result<Self, Error> {
        Ok(Self {
            shared: self.shared.clone(),
            credentials: Credentials::Token(bearer(&token.into())?),
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.shared.http
    }

    pub(crate) fn add_credentials(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        let value = match &self.credentials {
            Credentials::None => return Ok(()),
            Credentials::Token(value) => value.clone(),
            Credentials::Source(token) => bearer(&token())?,
        };
        headers.insert(AUTHORIZATION, value);
        Ok(())
    }
}

impl ClientBuilder {
    /// Sets the token: a service token, or the JWT of a user.
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.credentials = bearer(&token.into()).map(Credentials::Token);
        self
    }

    /// Sets a function that returns the current token. It is called before each request and must not block, so it
    /// returns a token that another task reads from a file or renews.
    pub fn token_source(mut self, token: impl Fn() -> Secret + Send + Sync + 'static) -> Self {
        self.credentials = Ok(Credentials::Source(Arc::new(token)));
        self
    }

    /// Limits the time for all attempts of a call together; 30 seconds by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Limits the time for one attempt; 10 seconds by default. The service responds within five.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Uses this HTTP client, for example with a certificate authority of its own.
    ///
    /// It must not follow redirects, because they would send the token elsewhere. It must give up idle connections
    /// before the five seconds after which the service closes them.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http = Some(client);
        self
    }

    /// Creates the client. It does not connect.
    ///
    /// # Errors
    /// An invalid request if the URL or the token is invalid, or if TLS cannot be set up.
    pub fn build(self) -> Result<Client, Error> {
        let base_url = checked(&self.base_url)?;
        let http = match self.http {
            Some(client) => client,
            None => http_client(base_url.starts_with("https:"))?,
        };
        Ok(Client {
            shared: Arc::new(Shared {
                http,
                settings: Settings {
                    base_url,
                    deadline: self.deadline,
                    attempt_timeout: self.attempt_timeout,
                },
            }),
            credentials: self.credentials?,
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_url = &self.settings().base_url;
        f.debug_struct("Client")
            .field("base_url", base_url)
            .finish_non_exhaustive()
    }
}

/// Returns the URL without a trailing slash.
fn checked(text: &str) -> Result<String, Error> {
    let url =
        Url::parse(text).map_err(|error| Error::invalid_request(format!("the URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Error::invalid_request(
            "the URL must be https://host or http://host",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid_request(
            "the URL must not contain a password",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::invalid_request("the URL must not have a query"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn bearer(token: &Secret) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| Error::invalid_request("the token has other characters than visible ASCII"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn http_client(is_https: bool) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("user-client/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .https_only(is_https)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT);
    #[cfg(feature = "rustls")]
    let builder = builder.tls_backend_preconfigured(tls(is_https)?);
    builder.build().map_err(Error::invalid_request)
}

/// Configures TLS with ring, whatever other provider the application has, and the certificate authorities of the machine.
/// Without HTTPS, it does not read them: a machine may have none.
#[cfg(feature = "rustls")]
fn tls(is_https: bool) -> Result<rustls::ClientConfig, Error> {
    use rustls_platform_verifier::BuilderVerifierExt;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::invalid_request)?;
    let config = if is_https {
        config
            .with_platform_verifier()
            .map_err(Error::invalid_request)?
    } else {
        config.with_root_certificates(rustls::RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_kept_without_its_trailing_slash() {
        assert_eq!(checked("https://h/users/").unwrap(), "https://h/users");
        assert_eq!(checked("http://h:1").unwrap(), "http://h:1");
        for invalid in [
            "",
            "h:1",
            "ftp://h",
            "https://u:p@h",
            "https://h?a",
            "https://h#a",
        ] {
            assert!(checked(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_client_shows_no_token() {
        let client = Client::new("http://h", "very-secret").unwrap();
        assert!(!format!("{client:?}").contains("very-secret"));
        assert!(Client::new("http://h", "a\nb").is_err());
    }
}
