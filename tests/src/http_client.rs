//! The HTTP client of the tests.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Less than the 5 seconds after which the service closes a connection on which no request has arrived. The client opens
/// connections in advance; a request on one that is just being closed would fail.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// TLS that trusts no server: the tests speak HTTP, and reading the machine's certificates takes long.
static NO_TLS: LazyLock<ClientConfig> = LazyLock::new(|| {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
});

/// Creates a client that uses no proxy, and gives up idle connections before the service does.
pub fn http_client() -> reqwest::Client {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(NO_TLS.clone())
        .no_proxy()
        .pool_idle_timeout(IDLE_TIMEOUT);
    client.build().unwrap()
}
