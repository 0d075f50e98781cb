//! The rules of each section except the database.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::super::{JwtSubject, LogFormat, LogLevel};
use super::{assert_refused, errors, load};

#[test]
fn a_missing_signing_key_is_refused() {
    assert_refused(&[("JWT_SECRET_KEY", "")], "JWT_SECRET_KEY", "is required");
}

/// A key of 32 characters that looks random.
const RANDOM: &str = "bXk7QwZt2MfR9sLpY4vHcD8nGjU3eaT6";

#[test]
fn a_signing_key_is_measured_in_bytes() {
    assert_refused(
        &[("JWT_SECRET_KEY", &RANDOM[1..])],
        "JWT_SECRET_KEY",
        "32 bytes",
    );
    load(&[("JWT_SECRET_KEY", RANDOM)]);
    load(&[("JWT_SECRET_KEY", "äöüéèòñåçßâêîôûæø")]);
}

#[test]
fn a_signing_key_keeps_its_white_space_with_a_warning() {
    let key = format!("{RANDOM}\n");
    let settings = load(&[("JWT_SECRET_KEY", &key)]);
    let kept = settings.tokens.jwt_secret_key.as_ref().unwrap();
    assert_eq!(kept.expose_secret(), key);
    assert!(
        settings
            .warnings()
            .iter()
            .any(|warning| warning.starts_with("JWT_SECRET_KEY"))
    );
}

#[test]
fn a_sealing_key_is_optional_but_not_short() {
    assert!(load(&[]).tokens.sealing_key.is_none());
    let settings = load(&[("SEALING_KEY", RANDOM)]);
    assert!(settings.tokens.sealing_key.is_some());
    assert_refused(&[("SEALING_KEY", "short")], "SEALING_KEY", "32 bytes");
}

#[test]
fn weak_keys_and_service_tokens_are_refused() {
    let repeated = "a".repeat(32);
    let published = "a-string-secret-at-least-256-bits-long";
    for (weak, reason) in [(&*repeated, "repeats itself"), (published, "documentation")] {
        for variable in ["JWT_SECRET_KEY", "SEALING_KEY", "ALLOWED_API_TOKENS"] {
            assert_refused(&[(variable, weak)], variable, reason);
        }
        assert_refused(
            &[("JWT_SECRET_KEY_PREVIOUS", weak), ("SEALING_KEY", RANDOM)],
            "JWT_SECRET_KEY_PREVIOUS",
            reason,
        );
        let both = format!("{RANDOM},{weak}");
        assert_refused(
            &[("ALLOWED_API_TOKENS", &both)],
            "ALLOWED_API_TOKENS",
            "entry 2",
        );
    }
}

#[test]
fn a_tokens_subject_is_an_id_or_an_external_id() {
    assert_eq!(load(&[]).tokens.jwt_subject, JwtSubject::Id);
    let settings = load(&[("JWT_SUBJECT", "external_id")]);
    assert_eq!(settings.tokens.jwt_subject, JwtSubject::ExternalId);
    assert_refused(&[("JWT_SUBJECT", "email")], "JWT_SUBJECT", "external_id");
}

#[test]
fn leeway_is_at_most_five_seconds() {
    assert_eq!(load(&[]).tokens.jwt_leeway, Duration::ZERO);
    let settings = load(&[("JWT_LEEWAY_SECONDS", "5")]);
    assert_eq!(settings.tokens.jwt_leeway, Duration::from_secs(5));
    for value in ["6", "-1", "1.5", "one"] {
        assert_refused(
            &[("JWT_LEEWAY_SECONDS", value)],
            "JWT_LEEWAY_SECONDS",
            "0 to 5",
        );
    }
}

#[test]
fn service_tokens_are_trimmed_without_empty_and_repeated_entries() {
    let (one, two) = (RANDOM, "h4Gq8Zc1Xn6Wb3Tk");
    let settings = load(&[("ALLOWED_API_TOKENS", &format!(" {one}, ,{two} ,,{one},"))]);
    let tokens = &settings.tokens.allowed_api_tokens;
    let tokens: Vec<&str> = tokens.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(tokens, [one, two]);
    assert!(load(&[]).tokens.allowed_api_tokens.is_empty());
    assert!(
        load(&[("ALLOWED_API_TOKENS", ", ,")])
            .tokens
            .allowed_api_tokens
            .is_empty()
    );
}

#[test]
fn a_short_service_token_is_refused() {
    load(&[("ALLOWED_API_TOKENS", "sixteen--letters")]);
    assert_refused(
        &[("ALLOWED_API_TOKENS", "sixteen--letters,fifteen-letters")],
        "ALLOWED_API_TOKENS",
        "entry 2 has under 16 characters",
    );
}

#[test]
fn the_server_listens_on_all_addresses_at_port_5000_by_default() {
    let server = load(&[]).server;
    assert_eq!(
        (server.host.to_string().as_str(), server.port),
        ("0.0.0.0", 5000)
    );
    assert_eq!((server.base_path.as_str(), server.workers), ("", None));
    assert_eq!(server.shutdown_grace, Duration::from_secs(25));
    let server = load(&[
        ("HOST", "[::1]"),
        ("PORT", "0"),
        ("HTTP_WORKERS", "3"),
        ("SHUTDOWN_GRACE_SECONDS", "0"),
    ])
    .server;
    assert_eq!((server.host.to_string().as_str(), server.port), ("::1", 0));
    assert_eq!(
        (server.workers, server.shutdown_grace),
        (Some(3), Duration::ZERO)
    );
    assert!(load(&[("HOST", "localhost")]).server.host.is_loopback());
}

#[test]
fn malformed_addresses_ports_and_counts_are_refused() {
    assert_refused(&[("HOST", "example.org")], "HOST", "IP address");
    assert_refused(&[("PORT", "65536")], "PORT", "0 to 65535");
    assert_refused(&[("HTTP_WORKERS", "0")], "HTTP_WORKERS", "1 to 1024");
    assert_refused(
        &[("SHUTDOWN_GRACE_SECONDS", "601")],
        "SHUTDOWN_GRACE_SECONDS",
        "0 to 600",
    );
}

#[test]
fn the_base_path_is_normalized_to_a_leading_slash_only() {
    for (given, kept) in [
        ("/", ""),
        ("users", "/users"),
        ("/users/", "/users"),
        ("/a/b.c", "/a/b.c"),
    ] {
        assert_eq!(load(&[("PUBLIC_BASE_PATH", given)]).server.base_path, kept);
    }
    for given in [
        "https://example.org/users",
        "/a//b",
        "/..",
        "/a b",
        "/a?b",
        "/%41",
        "/{id}",
    ] {
        assert_refused(&[("PUBLIC_BASE_PATH", given)], "PUBLIC_BASE_PATH", "path");
    }
}

#[test]
fn a_rate_limit_is_a_rate_and_a_burst() {
    let settings = load(&[("RATE_LIMIT_USER", "20, 40")]).server;
    let limit = settings.user_rate_limit.unwrap();
    assert_eq!((limit.per_second.get(), limit.burst.get()), (20, 40));
    assert_eq!(settings.service_rate_limit, None);
    for given in [
        "20",
        "20,",
        "0,1",
        "1,0",
        "1,1000001",
        "-1,1",
        "1.5,2",
        "1,2,3",
        "x,y",
    ] {
        for variable in ["RATE_LIMIT_USER", "RATE_LIMIT_SERVICE"] {
            assert_refused(&[(variable, given)], variable, "requests per second");
        }
    }
}

#[test]
fn cors_origins_are_normalized_as_browsers_write_them() {
    let origins = |given| {
        load(&[("CORS_ALLOWED_ORIGINS", given)])
            .server
            .cors_allowed_origins
    };
    assert!(origins("").is_empty());
    assert_eq!(origins("*"), ["*"]);
    assert_eq!(
        origins("https://App.example.org/, http://localhost:3000,https://app.example.org:443"),
        ["https://app.example.org", "http://localhost:3000"]
    );
    assert_eq!(origins("capacitor://localhost"), ["capacitor://localhost"]);
}

#[test]
fn cors_header_fields_are_lower_case_without_repetitions() {
    let headers = |given| {
        load(&[("CORS_ALLOWED_HEADERS", given)])
            .server
            .cors_allowed_headers
    };
    assert!(headers("").is_empty());
    assert_eq!(
        headers("X-Client-Version, x-b3-traceid,,x-client-version"),
        ["x-client-version", "x-b3-traceid"]
    );
    for given in ["x-a,*", "x-a,x b", "x-a,x:b", "x-a,\u{eb}"] {
        assert_refused(
            &[("CORS_ALLOWED_HEADERS", given)],
            "CORS_ALLOWED_HEADERS",
            "entry 2",
        );
    }
}

#[test]
fn cors_header_fields_without_an_origin_cause_a_warning() {
    let is_warned = |variables: &[(&str, &str)]| {
        load(variables)
            .warnings()
            .iter()
            .any(|warning| warning.starts_with("CORS_ALLOWED_HEADERS"))
    };
    let headers = ("CORS_ALLOWED_HEADERS", "x-a");
    assert!(is_warned(&[headers]));
    assert!(!is_warned(&[headers, ("CORS_ALLOWED_ORIGINS", "*")]));
    assert!(!is_warned(&[("CORS_ALLOWED_HEADERS", "")]));
}

#[test]
fn an_invalid_origin_is_refused_with_its_position() {
    for given in [
        "https://a.org,b.org",
        "https://a.org,https://b.org/path",
        "https://a.org,https://user@b.org",
        "https://a.org,https://b.org?x",
        "https://a.org,null",
        "https://a.org,https://*.b.org",
    ] {
        assert_refused(
            &[("CORS_ALLOWED_ORIGINS", given)],
            "CORS_ALLOWED_ORIGINS",
            "entry 2",
        );
    }
    assert_refused(
        &[("CORS_ALLOWED_ORIGINS", "https://a.org,*")],
        "CORS_ALLOWED_ORIGINS",
        "alone",
    );
}

#[test]
fn debug_changes_the_log_and_nothing_else() {
    let quiet = load(&[]).log;
    assert_eq!(
        (quiet.level, quiet.format, quiet.debug),
        (LogLevel::Info, LogFormat::Json, false)
    );
    for value in ["True", "1", "true", "yes"] {
        let log = load(&[("DEBUG", value)]).log;
        assert_eq!(
            (log.level, log.format, log.debug),
            (LogLevel::Debug, LogFormat::Pretty, true)
        );
    }
    for value in ["False", "0", "false", "no"] {
        assert_eq!(load(&[("DEBUG", value)]).log, quiet);
    }
    let log = load(&[
        ("DEBUG", "1"),
        ("LOG_LEVEL", "warn"),
        ("LOG_FORMAT", "json"),
    ])
    .log;
    assert_eq!((log.level, log.format), (LogLevel::Warn, LogFormat::Json));
}

#[test]
fn log_levels_and_formats_have_names() {
    for name in ["error", "warn", "info", "debug", "trace"] {
        assert_eq!(load(&[("LOG_LEVEL", name)]).log.level.to_string(), name);
    }
    assert_eq!(load(&[("LOG_LEVEL", "WARNING")]).log.level, LogLevel::Warn);
    let errors = errors(&[("LOG_LEVEL", "loud"), ("LOG_FORMAT", "xml"), ("DEBUG", "2")]);
    assert_eq!(errors.errors().len(), 3);
}

#[test]
fn the_memory_of_the_cache_has_bounds_and_a_default() {
    assert_eq!(load(&[]).cache.memory, 64 * 1024 * 1024);
    assert_eq!(load(&[("CACHE_MEMORY_MB", "0")]).cache.memory, 0);
    let timeout = load(&[("REDIS_TIMEOUT_MS", "20")]).cache.redis_timeout;
    assert_eq!(timeout.as_millis(), 20);
    for text in ["0", "251", "5ms"] {
        assert_refused(&[("REDIS_TIMEOUT_MS", text)], "REDIS_TIMEOUT_MS", "");
    }
    for text in ["-1", "65537", "64MB"] {
        assert_refused(&[("CACHE_MEMORY_MB", text)], "CACHE_MEMORY_MB", "");
    }
}

#[test]
fn the_defaults_of_password_hashing_are_those_of_owasp() {
    let usual = load(&[]);
    let parameters = |settings: &super::super::Settings| {
        let passwords = &settings.passwords;
        (
            passwords.memory_kib,
            passwords.iterations,
            passwords.parallelism,
        )
    };
    assert_eq!(parameters(&usual), (19456, 2, 1));
    assert_eq!(usual.passwords.threads, None);
    let most = load(&[
        ("ARGON2_MEMORY_KIB", "262144"),
        ("ARGON2_ITERATIONS", "16"),
        ("ARGON2_PARALLELISM", "16"),
        ("PASSWORD_HASHING_THREADS", "64"),
    ]);
    assert_eq!(parameters(&most), (262_144, 16, 16));
    assert_eq!(most.passwords.threads.unwrap().get(), 64);
    for (variable, value, words) in [
        ("ARGON2_MEMORY_KIB", "7", "from 8 to 262144"),
        ("ARGON2_MEMORY_KIB", "262145", "from 8 to 262144"),
        ("ARGON2_ITERATIONS", "0", "from 1 to 16"),
        ("ARGON2_ITERATIONS", "17", "from 1 to 16"),
        ("ARGON2_PARALLELISM", "0", "from 1 to 16"),
        ("ARGON2_PARALLELISM", "17", "from 1 to 16"),
        ("PASSWORD_HASHING_THREADS", "0", "from 1 to 64"),
        ("PASSWORD_HASHING_THREADS", "65", "from 1 to 64"),
    ] {
        assert_refused(&[(variable, value)], variable, words);
    }
}

#[test]
fn each_lane_of_a_hash_needs_at_least_8_kib() {
    let lanes = ("ARGON2_PARALLELISM", "2");
    load(&[("ARGON2_MEMORY_KIB", "16"), lanes]);
    assert_refused(
        &[("ARGON2_MEMORY_KIB", "15"), lanes],
        "ARGON2_MEMORY_KIB",
        "8 times ARGON2_PARALLELISM",
    );
}

#[test]
fn little_memory_for_a_hash_causes_a_warning() {
    let warned = |memory| {
        let settings = load(&[("ARGON2_MEMORY_KIB", memory)]);
        let is_named = |warning: &String| warning.starts_with("ARGON2_MEMORY_KIB");
        settings.warnings().iter().any(is_named)
    };
    assert!(warned("8191"));
    assert!(!warned("8192"));
}
