//! Loading only the sections that a command needs.

use super::super::sections::Section;
use super::super::variables;
use super::*;

/// A value that is valid only for variables of type text.
const NONSENSE: &str = "\u{1}nonsense";

#[test]
fn a_section_is_read_despite_invalid_variables_of_others() {
    for section in Section::ALL {
        let mut sources = Sources::default();
        for variable in variables() {
            let of_another = Section::of(variable.name).is_some_and(|other| other != section);
            if of_another {
                let value = NONSENSE.to_owned();
                sources.environment.insert(variable.name.to_owned(), value);
            }
        }
        if section == Section::Tokens {
            let key = KEY.to_owned();
            sources.environment.insert("JWT_SECRET_KEY".to_owned(), key);
        }
        let loaded = Settings::load_sections(&sources, &[section]);
        assert!(loaded.is_ok(), "{section:?}: {:?}", loaded.err());
    }
}

#[test]
fn only_errors_of_needed_sections_are_reported() {
    let mut sources = Sources::default();
    for (name, value) in [
        ("PORT", "http"),
        ("DATABASE_URI", "mysql://localhost/users"),
    ] {
        sources
            .environment
            .insert(name.to_owned(), value.to_owned());
    }
    let errors = Settings::load_sections(&sources, &[Section::Database]).unwrap_err();
    let named: Vec<&str> = errors
        .errors()
        .iter()
        .map(|error| error.variable.as_str())
        .collect();
    assert_eq!(named, ["DATABASE_URI"]);
    let errors = Settings::load_sections(&sources, &[Section::Tokens]).unwrap_err();
    assert!(errors.to_string().contains("JWT_SECRET_KEY: is required"));
}

#[test]
fn an_unreadable_settings_file_is_an_error_for_every_command() {
    let mut sources = Sources::default();
    let file = "no-such-file.toml".to_owned();
    sources.environment.insert("CONFIG_FILE".to_owned(), file);
    assert!(Settings::load_sections(&sources, &[Section::Server]).is_err());
}
