//! Tests of the settings.

mod broker;
mod database;
mod jwks;
mod layers;
mod needs;
mod operations;
mod redis;
mod secret_files;
mod sections;
mod warnings;

use std::path::Path;

use super::{Settings, SettingsErrors, Sources};

const KEY: &str = "a-signing-key-of-32-bytes-at-the-least";

/// Returns sources with a signing key and these environment variables.
fn sources(variables: &[(&str, &str)]) -> Sources {
    let mut sources = Sources::default();
    for (name, value) in [("JWT_SECRET_KEY", KEY)].iter().chain(variables) {
        sources
            .environment
            .insert((*name).to_owned(), (*value).to_owned());
    }
    sources
}

fn load(variables: &[(&str, &str)]) -> Settings {
    Settings::load(&sources(variables)).unwrap()
}

fn errors(variables: &[(&str, &str)]) -> SettingsErrors {
    Settings::load(&sources(variables)).unwrap_err()
}

/// Asserts that only this variable is invalid, for a reason with these words.
fn assert_refused(variables: &[(&str, &str)], variable: &str, words: &str) {
    let errors = errors(variables);
    let text = errors.to_string();
    let only = errors
        .errors()
        .iter()
        .all(|error| error.variable == variable);
    assert!(only && text.contains(words), "{text}");
}

#[test]
fn only_a_signing_key_is_required() {
    let settings = load(&[]);
    assert!(settings.database.defaulted);
    assert_eq!(settings.server.port, 5000);
}

#[test]
fn all_errors_are_reported_at_once_one_per_line() {
    let text = errors(&[
        ("JWT_SECRET_KEY", "short"),
        ("PORT", "http"),
        ("DEBUG", "perhaps"),
        ("DATABASE_URI", "mysql://localhost/users"),
        ("JWT_LEEWAY_SECONDS", "6"),
        ("CORS_ALLOWED_ORIGINS", "example.org"),
    ])
    .to_string();
    let named: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(variable, _)| variable)
        .collect();
    assert_eq!(
        named,
        [
            "JWT_SECRET_KEY",
            "JWT_LEEWAY_SECONDS",
            "DATABASE_URI",
            "PORT",
            "CORS_ALLOWED_ORIGINS",
            "DEBUG"
        ]
    );
}

#[test]
fn debug_and_warnings_show_no_secret() {
    let sources = sources(&[
        ("JWT_SECRET_KEY", "planted-one-bXk7QwZt2MfR9sLpY4vHcD8"),
        ("SEALING_KEY", "planted-two-Gj3UeaT6xVn5KbR1mWq0Sy9"),
        ("ALLOWED_API_TOKENS", "planted-three-h4Gq8Zc1"),
        (
            "DATABASE_URI",
            "postgresql://user:planted-four@db.example.org/users?token=planted-five",
        ),
        ("REDIS_URL", "redis://:planted-six@cache.example.org"),
    ]);
    let settings = Settings::load(&sources).unwrap();
    let shown = format!(
        "{settings:?} {settings:#?} {sources:?} {} {:?}",
        settings.database.target,
        settings.warnings()
    );
    assert!(!shown.contains("planted"), "{shown}");
    assert!(shown.contains("PostgreSQL at db.example.org:5432/users"));
}

#[test]
fn errors_show_no_value() {
    let planted = "planted-planted";
    let everywhere: Vec<(&str, &str)> = super::variables()
        .iter()
        .map(|variable| (variable.name, planted))
        .collect();
    let errors = errors(&everywhere);
    let shown = format!("{errors} {errors:?}");
    assert!(errors.errors().len() > 10, "{shown}");
    assert!(!shown.contains("planted"), "{shown}");

    for uri in [
        "postgresql://user:planted@host:port/users",
        "postgresql://user:planted@host/users?sslmode=planted",
        "postgresql://user:planted@host/users#planted",
        "postgresql://user:planted@host/users?sslcrl=planted",
        "sqlite://planted.db",
        "planted://user:planted@host",
    ] {
        let errors = self::errors(&[("DATABASE_URI", uri), ("REDIS_URL", "http://:planted@host")]);
        assert!(
            !format!("{errors} {errors:?}").contains("planted"),
            "{errors}"
        );
    }
}

#[test]
fn the_example_file_has_exactly_the_known_variables() {
    let example = example();
    let mut named: Vec<&str> = example.lines().filter_map(assigned).collect();
    let mut known: Vec<&str> = super::variables().iter().map(|known| known.name).collect();
    assert_eq!(named, known, "in the same order, each once");
    named.dedup();
    known.sort_unstable();
    known.dedup();
    assert_eq!(named.len(), known.len());
}

#[test]
fn the_example_file_shows_the_defaults() {
    let example = example();
    for variable in super::variables() {
        if let Some(default) = variable.default {
            let line = format!("#{}={default}", variable.name);
            assert!(example.lines().any(|shown| shown == line), "{line}");
        }
    }
}

#[test]
fn the_example_file_is_invalid_until_its_key_is_edited() {
    let sources = Sources {
        dot_env: Some(example_path()),
        ..Sources::default()
    };
    let errors = Settings::load(&sources).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "JWT_SECRET_KEY: must have at least 32 bytes"
    );
}

#[test]
fn every_variable_has_a_meaning() {
    assert!(
        super::variables()
            .iter()
            .all(|variable| !variable.meaning.is_empty())
    );
}

fn example_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.env.example")
}

fn example() -> String {
    std::fs::read_to_string(example_path()).unwrap()
}

/// The variable that a line of the example file sets, also in a comment.
fn assigned(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start_matches('#').split_once('=')?;
    let is_name = name
        .chars()
        .all(|letter| matches!(letter, 'A'..='Z' | '0'..='9' | '_'));
    is_name.then_some(name)
}
