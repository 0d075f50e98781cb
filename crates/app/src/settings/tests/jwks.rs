//! The settings of the keys that sign tokens of users.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{KEY, assert_refused, errors, load};
use crate::keys;

const OTHER: &str = "another-key-of-32-bytes-at-the-least";
const URL: &str = "https://auth.example.org/.well-known/jwks.json";

fn has_warning(variables: &[(&str, &str)], variable: &str) -> bool {
    let warnings = load(variables).warnings();
    warnings
        .iter()
        .any(|warning| warning.starts_with(variable) && warning[variable.len()..].starts_with(':'))
}

#[test]
fn a_secret_is_required_unless_there_are_published_keys_and_a_sealing_key() {
    assert_refused(&[("JWT_SECRET_KEY", "")], "JWT_SECRET_KEY", "is required");
    let published = [("JWT_SECRET_KEY", ""), ("JWT_JWKS_URL", URL)];
    assert_refused(&published, "SEALING_KEY", "is required");
    let settings = load(&[published[0], published[1], ("SEALING_KEY", OTHER)]);
    assert!(settings.tokens.jwt_secret_key.is_none());
    let jwks = settings.tokens.jwks.unwrap();
    assert_eq!(jwks.shown_url().unwrap(), URL);
    assert_eq!(jwks.refresh, Duration::from_mins(5));
    assert!(load(&[]).tokens.jwks.is_none());
}

#[test]
fn the_url_of_keys_is_http_without_a_password() {
    for url in [
        "auth.example.org/keys",
        "ftp://auth.example.org/keys",
        "file:///etc/keys.json",
        "https://",
        "https://user:password@auth.example.org/keys",
        "https://user@auth.example.org/keys",
        "https://auth.example.org/keys#first",
    ] {
        assert_refused(&[("JWT_JWKS_URL", url)], "JWT_JWKS_URL", "");
    }
    for (url, is_warned) in [
        (URL, false),
        ("http://127.0.0.1:8000/keys", false),
        ("http://[::1]/keys", false),
        ("http://localhost:8000/keys", false),
        ("http://auth:8000/keys", true),
        ("http://127.0.0.1.example.org/keys", true),
    ] {
        let variables = [("JWT_JWKS_URL", url)];
        assert_eq!(has_warning(&variables, "JWT_JWKS_URL"), is_warned, "{url}");
    }
}

#[test]
fn files_of_keys_and_certificates_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, "").unwrap();
    let path = file.to_str().unwrap();
    let jwks = load(&[("JWT_JWKS_FILE", path)]).tokens.jwks.unwrap();
    assert_eq!(jwks.file.as_deref(), Some(file.as_path()));
    for variable in ["JWT_JWKS_FILE", "JWT_JWKS_CA_FILE"] {
        for absent in [folder.path().to_str().unwrap(), "/nowhere/keys.json"] {
            assert_refused(&[(variable, absent)], variable, "");
        }
    }
    assert!(has_warning(
        &[("JWT_JWKS_CA_FILE", path)],
        "JWT_JWKS_CA_FILE"
    ));
    let both = [("JWT_JWKS_CA_FILE", path), ("JWT_JWKS_URL", URL)];
    assert!(!has_warning(&both, "JWT_JWKS_CA_FILE"));
}

#[test]
fn the_refresh_interval_of_keys_is_ten_seconds_to_a_day() {
    for (seconds, is_good) in [
        ("9", false),
        ("10", true),
        ("86400", true),
        ("86401", false),
    ] {
        let variables = [("JWT_JWKS_URL", URL), ("JWT_JWKS_REFRESH_SECONDS", seconds)];
        if is_good {
            let refresh = load(&variables).tokens.jwks.unwrap().refresh;
            assert_eq!(refresh.as_secs().to_string(), seconds);
        } else {
            assert_refused(&variables, "JWT_JWKS_REFRESH_SECONDS", "10 to 86400");
        }
    }
}

#[test]
fn the_previous_secret_differs_and_has_at_least_32_bytes() {
    let previous = "JWT_SECRET_KEY_PREVIOUS";
    let tokens = load(&[(previous, OTHER)]).tokens;
    assert_eq!(
        tokens.jwt_secret_key_previous.unwrap().expose_secret(),
        OTHER
    );
    assert_refused(&[(previous, "short")], previous, "32 bytes");
    assert_refused(&[(previous, KEY)], previous, "the same");
    let alone = [
        ("JWT_SECRET_KEY", ""),
        ("JWT_JWKS_URL", URL),
        ("SEALING_KEY", OTHER),
        (previous, OTHER),
    ];
    assert_refused(&alone, previous, "requires JWT_SECRET_KEY");
    assert_eq!(errors(&alone).errors().len(), 1);
}

#[test]
fn replacing_the_secret_without_a_sealing_key_causes_a_warning() {
    let replaced = ("JWT_SECRET_KEY_PREVIOUS", OTHER);
    assert!(has_warning(&[replaced], "SEALING_KEY"));
    assert!(!has_warning(
        &[replaced, ("SEALING_KEY", OTHER)],
        "SEALING_KEY"
    ));
    assert!(!has_warning(&[], "SEALING_KEY"));
}

#[test]
fn the_old_secret_as_sealing_key_keeps_all_derived_keys() {
    let derived = |variables: &[(&str, &str)]| -> [u8; 32] {
        keys::derive(&load(variables).tokens, "anything")
    };
    let before = derived(&[]);
    let after = [("JWT_SECRET_KEY", OTHER), ("SEALING_KEY", KEY)];
    assert_eq!(derived(&after), before);
    assert_ne!(derived(&[("JWT_SECRET_KEY", OTHER)]), before);
}
