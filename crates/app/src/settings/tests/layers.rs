//! The sources of settings and their precedence.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::{KEY, Settings, Sources, assert_refused, load, sources};

/// Writes a file to a temporary directory, which is removed when the first value is dropped.
fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

pub(super) fn with_dot_env(text: &str) -> Result<Settings, super::SettingsErrors> {
    let (_directory, path) = file(".env", text);
    let mut sources = sources(&[]);
    sources.dot_env = Some(path);
    Settings::load(&sources)
}

pub(super) fn with_file(name: &str, text: &str) -> Result<Settings, super::SettingsErrors> {
    let (_directory, path) = file(name, text);
    let mut sources = sources(&[]);
    sources.file = Some(path);
    Settings::load(&sources)
}

#[test]
fn the_environment_overrides_dot_env_then_the_file_then_defaults() {
    let (_one, dot_env) = file(".env", "PORT=2\nLOG_LEVEL=warn\nJWT_ISSUER=dot-env\n");
    let (_two, named) = file(
        "settings.toml",
        "port = 3\njwt_issuer = 'file'\njwt_audience = 'file'",
    );
    let mut sources = sources(&[("PORT", "1"), ("CONFIG_FILE", named.to_str().unwrap())]);
    sources.dot_env = Some(dot_env);
    let settings = Settings::load(&sources).unwrap();
    assert_eq!(settings.server.port, 1);
    assert_eq!(settings.log.level, super::super::LogLevel::Warn);
    assert_eq!(settings.tokens.jwt_issuer.as_deref(), Some("dot-env"));
    assert_eq!(settings.tokens.jwt_audience.as_deref(), Some("file"));
    assert_eq!(settings.database.max_connections, 16);
}

#[test]
fn dot_env_may_name_the_file() {
    let (_directory, named) = file("settings.yaml", "PORT: 7");
    let settings = with_dot_env(&format!("CONFIG_FILE={}", named.display())).unwrap();
    assert_eq!(settings.server.port, 7);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let settings = load(&[("PORT", ""), ("DATABASE_URI", " "), ("LOG_LEVEL", "")]);
    assert_eq!(settings.server.port, 5000);
    assert!(settings.database.defaulted);
    assert_refused(&[("JWT_SECRET_KEY", "")], "JWT_SECRET_KEY", "is required");
}

#[test]
fn an_empty_variable_does_not_override_a_lower_layer() {
    let (_directory, path) = file(".env", "PORT=7");
    let mut sources = sources(&[("PORT", "")]);
    sources.dot_env = Some(path);
    assert_eq!(Settings::load(&sources).unwrap().server.port, 7);
}

#[test]
fn a_value_that_is_not_utf_8_is_an_error_only_for_settings() {
    let mut sources = sources(&[]);
    sources.not_unicode.insert("LESSCHARSET".to_owned());
    assert!(Settings::load(&sources).is_ok());
    sources.not_unicode.insert("JWT_SECRET_KEY".to_owned());
    sources.environment.remove("JWT_SECRET_KEY");
    let errors = Settings::load(&sources).unwrap_err();
    assert_eq!(errors.to_string(), "JWT_SECRET_KEY: is not valid UTF-8");
}

#[test]
fn variables_of_other_programs_are_ignored() {
    assert!(with_dot_env("POSTGRES_PASSWORD=a b $c\nnot a line\n'\nPORT=7\n").is_ok());
    assert!(Settings::load(&sources(&[("FLASK_APP", "app"), ("port", "x")])).is_ok());
}

#[test]
fn dot_env_supports_quotes_exports_and_comments() {
    let text =
        "\u{feff}# first\r\nexport PORT=7\r\nJWT_ISSUER='a $b # c' # why\nJWT_AUDIENCE=\"x y\"\n";
    let settings = with_dot_env(text).unwrap();
    assert_eq!(settings.server.port, 7);
    assert_eq!(settings.tokens.jwt_issuer.as_deref(), Some("a $b # c"));
    assert_eq!(settings.tokens.jwt_audience.as_deref(), Some("x y"));
}

#[test]
fn a_dollar_in_dot_env_must_be_quoted() {
    for line in ["SEALING_KEY=abc$HOME", "SEALING_KEY=\"${PATH}\""] {
        let errors = with_dot_env(line).unwrap_err().to_string();
        assert!(errors.starts_with("SEALING_KEY: has a `$`"), "{errors}");
    }
}

#[test]
fn dot_env_supports_lists_with_spaces_after_commas() {
    let settings =
        with_dot_env("ALLOWED_API_TOKENS=posts-service-token, auth-service-token \n").unwrap();
    assert_eq!(settings.tokens.allowed_api_tokens.len(), 2);
}

#[test]
fn an_unreadable_line_of_dot_env_is_named_but_not_quoted() {
    let errors = with_dot_env("SEALING_KEY=\"planted planted").unwrap_err();
    assert!(
        errors
            .to_string()
            .starts_with("SEALING_KEY: cannot be read")
    );
    assert!(!format!("{errors:?}").contains("planted"));
}

#[test]
fn dot_env_does_not_change_the_process_environment() {
    with_dot_env("JWT_AUDIENCE=never-exported").unwrap();
    assert_ne!(
        std::env::var("JWT_AUDIENCE").ok().as_deref(),
        Some("never-exported")
    );
}

#[test]
fn a_file_can_contain_numbers_booleans_and_lists() {
    let toml = "PORT = 7\ndebug = true\nallowed_api_tokens = ['one-token-of-sixteen', 'another-token-of-16']";
    let yaml = "port: 7\ndebug: true\njwt_issuer: null\nallowed_api_tokens:\n  - one-token-of-sixteen\n  - another-token-of-16";
    for (name, text) in [("a.toml", toml), ("a.yaml", yaml), ("a.yml", yaml)] {
        let settings = with_file(name, text).unwrap();
        assert_eq!(settings.server.port, 7);
        assert!(settings.log.debug);
        let tokens = settings.tokens.allowed_api_tokens;
        let tokens: Vec<&str> = tokens.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(tokens, ["one-token-of-sixteen", "another-token-of-16"]);
    }
}

#[test]
fn an_unknown_key_in_the_file_is_an_error() {
    let errors = with_file("a.toml", "prot = 7").unwrap_err().to_string();
    assert_eq!(errors, "CONFIG_FILE: has an unknown key `prot`");
}

#[test]
fn an_unreadable_file_is_an_error_that_does_not_quote_it() {
    let errors = with_file("a.toml", "sealing_key = planted planted").unwrap_err();
    assert_eq!(errors.to_string(), "CONFIG_FILE: is not valid TOML or YAML");
    assert!(
        with_file("a.ini", "")
            .unwrap_err()
            .to_string()
            .contains(".toml")
    );
    assert_refused(
        &[("CONFIG_FILE", "/nowhere/a.toml")],
        "CONFIG_FILE",
        "cannot be read",
    );
}

#[test]
fn the_process_is_a_source() {
    let sources = Sources::from_process();
    assert!(sources.environment.contains_key("PATH"));
    assert!(!format!("{sources:?}").contains(KEY));
}
