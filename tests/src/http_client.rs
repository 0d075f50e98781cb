//! The HTTP client of the tests.

use std::time::Duration;

/// Less than the 5 seconds after which the service closes a connection on which no request has arrived. The client opens
/// connections in advance; a request on one that is just being closed would fail.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// Creates a client that uses no proxy, and gives up idle connections before the service does.
pub fn http_client() -> reqwest::Client {
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_idle_timeout(IDLE_TIMEOUT);
    client.build().unwrap()
}
