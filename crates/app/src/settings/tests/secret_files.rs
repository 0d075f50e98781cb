//! Secrets in files.

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::super::{Section, Settings, variables};
use super::{KEY, Sources, assert_refused, sources};

/// A directory with the file `secret`, and the path of the file.
fn secret(text: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

/// Sources without a signing key, and with these environment variables.
fn without_key(variables: &[(&str, &str)]) -> Sources {
    let mut sources = sources(variables);
    sources.environment.remove("JWT_SECRET_KEY");
    sources
}

fn key_of(sources: &Sources) -> String {
    let settings = Settings::load(sources).unwrap();
    assert!(
        settings
            .warnings()
            .iter()
            .all(|text| !text.contains("_FILE"))
    );
    let key = settings.tokens.jwt_secret_key.as_ref().unwrap();
    key.expose_secret().to_owned()
}

#[test]
fn every_secret_and_nothing_else_can_be_in_a_file() {
    let (_directory, path) = secret("planted");
    for variable in variables() {
        let name = format!("{}_FILE", variable.name);
        assert_eq!(variable.file_name(), variable.secret.then(|| name.clone()));
        if !variable.secret {
            continue;
        }
        let layered = without_key(&[(&name, &path)]).layered();
        assert_eq!(layered.values.get(variable.name).unwrap(), "planted");
        assert!(!layered.values.contains_key(&name));
    }
}

#[test]
fn one_line_feed_at_the_end_is_not_part_of_a_secret() {
    for (text, expected) in [
        (KEY.to_owned(), KEY.to_owned()),
        (format!("{KEY}\n"), KEY.to_owned()),
        (format!("{KEY}\r\n"), KEY.to_owned()),
        (format!("{KEY}\n\n"), format!("{KEY}\n")),
        (format!(" {KEY}"), format!(" {KEY}")),
    ] {
        let (_directory, path) = secret(&text);
        assert_eq!(
            key_of(&without_key(&[("JWT_SECRET_KEY_FILE", &path)])),
            expected
        );
    }
}

#[test]
fn a_dollar_sign_in_a_file_is_part_of_the_secret() {
    let key = format!("{KEY}$PATH '\"\\#");
    let (_directory, path) = secret(&key);
    let (_other, dot_env) = secret(&format!("JWT_SECRET_KEY_FILE={path}"));
    let mut sources = without_key(&[]);
    sources.dot_env = Some(dot_env.into());
    assert_eq!(key_of(&sources), key);
}

#[test]
fn a_settings_file_may_name_the_file_of_a_secret() {
    let (directory, path) = secret(KEY);
    let named = directory.path().join("settings.toml");
    std::fs::write(&named, format!("jwt_secret_key_file = '{path}'")).unwrap();
    let mut sources = without_key(&[]);
    sources.file = Some(named);
    assert_eq!(key_of(&sources), KEY);
}

#[test]
fn a_file_overrides_a_lower_layer_and_is_overridden_by_a_higher_one() {
    let (_directory, path) = secret("a-key-of-the-file-that-is-long-enough");
    let (_other, dot_env) = secret("JWT_SECRET_KEY=a-key-of-dot-env-that-is-long-enough");
    let mut sources = without_key(&[("JWT_SECRET_KEY_FILE", &path)]);
    sources.dot_env = Some(dot_env.into());
    assert_eq!(key_of(&sources), "a-key-of-the-file-that-is-long-enough");

    let (_another, dot_env) = secret(&format!("JWT_SECRET_KEY_FILE={path}"));
    let mut sources = super::sources(&[]);
    sources.dot_env = Some(dot_env.into());
    assert_eq!(key_of(&sources), KEY);
}

#[test]
fn a_secret_and_its_file_in_one_layer_are_refused() {
    let (_directory, path) = secret(KEY);
    let reason = "is set, and so is JWT_SECRET_KEY";
    assert_refused(
        &[("JWT_SECRET_KEY_FILE", &path)],
        "JWT_SECRET_KEY_FILE",
        reason,
    );
}

#[test]
fn a_file_that_cannot_be_used_is_one_error_that_does_not_quote_it() {
    let (_directory, empty) = secret(" \n");
    let (_another, long) = secret(&"planted".repeat(10_000));
    let not_unicode = std::env::current_exe().unwrap();
    for (path, reason) in [
        ("/no/planted/file", "cannot be read: entity not found"),
        (&*empty, "names an empty file"),
        (&*long, "must name a file of at most 65536 bytes"),
        (not_unicode.to_str().unwrap(), "cannot be read: "),
        ("/", "cannot be read: "),
    ] {
        let errors = Settings::load(&without_key(&[("JWT_SECRET_KEY_FILE", path)])).unwrap_err();
        let text = errors.to_string();
        assert!(
            text.starts_with(&format!("JWT_SECRET_KEY_FILE: {reason}")),
            "{text}"
        );
        assert!(
            errors.errors().len() == 1 && !text.contains("planted"),
            "{text}"
        );
    }
}

#[test]
fn a_command_ignores_the_files_of_settings_that_it_does_not_use() {
    let sources = without_key(&[("AMQP_URL_FILE", "/no/such/file")]);
    let needed = [Section::Database, Section::Log];
    assert!(Settings::load_sections(&sources, &needed).is_ok());
    let needed = [Section::Broker];
    let errors = Settings::load_sections(&sources, &needed).unwrap_err();
    assert_eq!(errors.errors().len(), 1, "{errors}");
}

#[test]
fn the_example_file_names_all_secrets_that_can_be_in_a_file() {
    let example = super::example();
    let header = example.split("# ---").next().unwrap();
    for variable in variables() {
        assert_eq!(
            header.contains(&format!(" {}", variable.name)),
            variable.secret,
            "{}",
            variable.name
        );
    }
}
