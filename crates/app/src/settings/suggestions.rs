//! Suggests the setting that was probably meant by an unknown name.

use super::variables::variables;

/// Names that other programs and frameworks use, and the corresponding settings.
const ALIASES: &[(&str, &str)] = &[
    ("API_TOKENS", "ALLOWED_API_TOKENS"),
    ("ALLOWED_TOKENS", "ALLOWED_API_TOKENS"),
    ("CACHE_REDIS_URL", "REDIS_URL"),
    ("CORS_ORIGINS", "CORS_ALLOWED_ORIGINS"),
    ("DATABASE_DSN", "DATABASE_URI"),
    ("DATABASE_URL", "DATABASE_URI"),
    ("DB_SCHEMA", "DATABASE_SCHEMA"),
    ("DB_URI", "DATABASE_URI"),
    ("DB_URL", "DATABASE_URI"),
    ("FLASK_DEBUG", "DEBUG"),
    ("FLASK_RUN_HOST", "HOST"),
    ("FLASK_RUN_PORT", "PORT"),
    ("JWKS_FILE", "JWT_JWKS_FILE"),
    ("JWKS_URI", "JWT_JWKS_URL"),
    ("JWKS_URL", "JWT_JWKS_URL"),
    ("JWT_AUD", "JWT_AUDIENCE"),
    ("JWT_DECODE_AUDIENCE", "JWT_AUDIENCE"),
    ("JWT_DECODE_ISSUER", "JWT_ISSUER"),
    ("JWT_DECODE_LEEWAY", "JWT_LEEWAY_SECONDS"),
    ("JWT_ISS", "JWT_ISSUER"),
    ("JWT_KEY", "JWT_SECRET_KEY"),
    ("JWT_LEEWAY", "JWT_LEEWAY_SECONDS"),
    ("JWT_SECRET", "JWT_SECRET_KEY"),
    ("JWT_SIGNING_KEY", "JWT_SECRET_KEY"),
    ("LISTEN_PORT", "PORT"),
    ("LOGLEVEL", "LOG_LEVEL"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    (
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_HEADERS",
    ),
    ("POSTGRES_URI", "DATABASE_URI"),
    ("POSTGRES_URL", "DATABASE_URI"),
    ("REDIS_DSN", "REDIS_URL"),
    ("REDIS_URI", "REDIS_URL"),
    ("RUST_LOG", "LOG_LEVEL"),
    ("SECRET_KEY", "JWT_SECRET_KEY"),
    ("SQLALCHEMY_DATABASE_URI", "DATABASE_URI"),
    ("SQLALCHEMY_DATABASE_URL", "DATABASE_URI"),
];

/// Returns the setting that was probably meant: the name differs from it in case or by a few letters, or other programs
/// use the name.
pub(super) fn suggested_setting(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    let aliased = ALIASES.iter().find(|(alias, _)| *alias == name);
    if let Some((_, setting)) = aliased {
        return Some(setting);
    }
    variables()
        .iter()
        .map(|variable| (strsim::osa_distance(&name, variable.name), variable.name))
        .min()
        .filter(|(distance, _)| *distance <= max_edit_distance(&name))
        .map(|(_, setting)| setting)
}

/// The maximum number of wrong letters in a name. Short names resemble too many unrelated names.
fn max_edit_distance(name: &str) -> usize {
    match name.len() {
        0..6 => 0,
        6..10 => 1,
        _ => 2,
    }
}

/// Whether a text is certainly a name, not part of a value such as a line of a key. Only then it may be displayed.
pub(super) fn is_plain_name(text: &str) -> bool {
    let is_of = |is_letter: fn(&u8) -> bool| {
        text.bytes()
            .all(|byte| is_letter(&byte) || byte.is_ascii_digit() || byte == b'_')
    };
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
    starts_well
        && text.len() <= 64
        && (is_of(u8::is_ascii_uppercase) || is_of(u8::is_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alias_suggests_a_setting_and_is_not_a_setting() {
        for (alias, setting) in ALIASES {
            let is_setting = |name: &str| variables().iter().any(|known| known.name == name);
            assert!(is_setting(setting) && !is_setting(alias), "{alias}");
        }
    }

    #[test]
    fn a_name_similar_to_a_setting_suggests_it() {
        for (name, setting) in [
            ("DATABASE_URL", "DATABASE_URI"),
            ("REDIS_URI", "REDIS_URL"),
            ("JWT_SECRET", "JWT_SECRET_KEY"),
            ("JWT_SECERT_KEY", "JWT_SECRET_KEY"),
            ("JWT_SECRETKEY", "JWT_SECRET_KEY"),
            ("ALLOWED_API_TOKEN", "ALLOWED_API_TOKENS"),
            ("MIGRATE_ONSTART", "MIGRATE_ON_START"),
            ("Port", "PORT"),
            ("jwt_issuer", "JWT_ISSUER"),
            ("LOG_LEVL", "LOG_LEVEL"),
        ] {
            assert_eq!(suggested_setting(name), Some(setting), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "HOSTNAME",
            "POST",
            "SHELL",
            "USER",
            "TERM",
            "LANG",
            "PWD",
            "FLASK_APP",
            "POSTGRES_PASSWORD",
            "OTEL_RESOURCE_ATTRIBUTES",
            "OTEL_TRACES_SAMPLER",
            "REDIS_HOST",
            "REDIS_PORT",
            "DATABASE_HOST",
            "LOGNAME",
            "USER_SERVICE_PORT",
            "KUBERNETES_PORT",
            "JWT_ACCESS_TOKEN_EXPIRES",
            "HTTP_PROXY",
        ] {
            assert_eq!(suggested_setting(name), None, "{name}");
        }
    }

    #[test]
    fn only_plain_names_may_be_displayed() {
        for name in ["POSTGRES_PASSWORD", "port", "A1"] {
            assert!(is_plain_name(name), "{name}");
        }
        for other in [
            "",
            "1A",
            "aGVsbG8K",
            "A B",
            "-----END",
            "a-b",
            &"A".repeat(65),
        ] {
            assert!(!is_plain_name(other), "{other}");
        }
    }
}
