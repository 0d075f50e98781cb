//! `AMQP_URL` and the exchange.

use secrecy::ExposeSecret;

use super::{assert_refused, load};

/// The address, the credentials as `user:password`, the virtual host, and whether there is TLS.
fn parsed(url: &str) -> (String, String, String, bool) {
    let amqp = load(&[("AMQP_URL", url)]).broker.amqp.unwrap();
    let credentials = format!("{}:{}", amqp.user, amqp.password.expose_secret());
    let address = format!("{} {}", amqp.host, amqp.port);
    (address, credentials, amqp.virtual_host, amqp.has_tls)
}

#[test]
fn without_a_url_no_events_are_relayed() {
    let broker = load(&[]).broker;
    assert!(broker.amqp.is_none());
    assert!(!broker.shows_blocks);
    assert!(load(&[("AMQP_PRIVATE", "True")]).broker.shows_blocks);
}

#[test]
fn an_amqp_url_has_many_forms() {
    for (url, address, credentials, virtual_host, has_tls) in [
        ("amqp://broker", "broker 5672", "guest:guest", "/", false),
        ("amqp://broker/", "broker 5672", "guest:guest", "/", false),
        (
            "amqps://relay:a%2Fb%20c@broker/users",
            "broker 5671",
            "relay:a/b c",
            "users",
            true,
        ),
        (
            "amqp://u:p@10.0.0.1:7000/%2F",
            "10.0.0.1 7000",
            "u:p",
            "/",
            false,
        ),
        ("amqp://u:p@[::1]/a%2Fb", "::1 5672", "u:p", "a/b", false),
    ] {
        let expected = (
            address.to_owned(),
            credentials.to_owned(),
            virtual_host.to_owned(),
            has_tls,
        );
        assert_eq!(parsed(url), expected, "{url}");
    }
    let settings = load(&[("AMQP_URL", "amqp://broker?heartbeat=30")]);
    assert_eq!(
        settings.warnings().last().unwrap(),
        "AMQP_URL: the part after its `?` or `#` has no effect"
    );
}

#[test]
fn invalid_urls_and_exchanges_are_refused() {
    for (url, words) in [
        ("broker:5672", "must start with amqp:// or amqps://"),
        ("http://broker", "must start with"),
        ("amqp://", "has no host"),
        ("amqp://u:p@/users", "URL"),
        ("amqp://one,two", "names several servers"),
        ("amqp://broker/a/b", "%2F"),
        ("amqp://broker:port", "URL"),
    ] {
        assert_refused(&[("AMQP_URL", url)], "AMQP_URL", words);
    }
    for exchange in ["amq.topic", "events of users", &"e".repeat(128)] {
        assert_refused(&[("AMQP_EXCHANGE", exchange)], "AMQP_EXCHANGE", "must");
    }
}

#[test]
fn the_password_is_not_shown() {
    let settings = load(&[("AMQP_URL", "amqp://relay:hidden-word@broker")]);
    assert!(!format!("{settings:?}").contains("hidden-word"));
}
