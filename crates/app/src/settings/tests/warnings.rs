//! Warnings name what is ignored or probably a mistake, and never a value.

use super::layers::{with_dot_env, with_file};
use super::{KEY, Settings, errors, load, sources};

/// The warnings that these variables add to those of the default sources of the tests.
fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
    let usual = load(&[]).warnings();
    let mut warnings = load(variables).warnings();
    warnings.retain(|warning| !usual.contains(warning));
    warnings
}

#[track_caller]
fn assert_warned(variables: &[(&str, &str)], name: &str, words: &str) {
    let warnings = warnings(variables);
    let is_meant =
        |warning: &String| warning.starts_with(&format!("{name}: ")) && warning.contains(words);
    assert!(
        warnings.iter().any(is_meant),
        "{name}, {words}: {warnings:?}"
    );
}

#[test]
fn quotes_that_are_part_of_a_value_cause_a_warning_for_every_setting() {
    let quoted = format!("\"{KEY}\"");
    for variable in [
        "JWT_SECRET_KEY",
        "SEALING_KEY",
        "JWT_ISSUER",
        "ALLOWED_API_TOKENS",
    ] {
        for value in [quoted.clone(), format!("'{KEY}'"), format!(" {quoted} ")] {
            assert_warned(&[(variable, &value)], variable, "quotes");
        }
    }
    assert_eq!(warnings(&[("JWT_ISSUER", "it's")]), [""; 0]);
    assert_eq!(warnings(&[("JWT_ISSUER", "\"a\" b")]), [""; 0]);
    // If they make a setting invalid, the warning is returned with the error.
    for variable in super::super::variables() {
        let quoted = [(variable.name, "\"planted\"")];
        let warnings = match Settings::load(&sources(&quoted)) {
            Ok(settings) => settings.warnings(),
            Err(errors) => errors.warnings().to_vec(),
        };
        let is_named =
            |warning: &String| warning.starts_with(&format!("{}: starts", variable.name));
        assert!(
            warnings.iter().any(is_named),
            "{}: {warnings:?}",
            variable.name
        );
        assert!(!format!("{warnings:?}").contains("planted"), "{warnings:?}");
    }
}

#[test]
fn quotes_in_dot_env_are_not_part_of_a_value() {
    let settings = with_dot_env("JWT_ISSUER=\"issuer\"\nJWT_AUDIENCE='audience'\n").unwrap();
    assert_eq!(settings.warnings(), load(&[]).warnings());
    let settings = with_dot_env("JWT_ISSUER=\"'issuer'\"\n").unwrap();
    assert!(
        settings
            .warnings()
            .iter()
            .any(|warning| warning.starts_with("JWT_ISSUER: "))
    );
}

#[test]
fn white_space_around_a_value_causes_a_warning() {
    assert_warned(
        &[("JWT_SECRET_KEY", &format!("{KEY}\n"))],
        "JWT_SECRET_KEY",
        "part of the key",
    );
    assert_warned(&[("JWT_ISSUER", "issuer ")], "JWT_ISSUER", "removed");
    assert_warned(&[("PORT", " 5001")], "PORT", "removed");
}

#[test]
fn a_name_similar_to_a_setting_causes_a_warning_without_its_value() {
    for (name, meant) in [
        ("DATABASE_URL", "DATABASE_URI"),
        ("REDIS_URI", "REDIS_URL"),
        ("JWT_SECRET", "JWT_SECRET_KEY"),
        ("JWT_SECRET_KYE", "JWT_SECRET_KEY"),
        ("CORS_ALLOWED_ORIGIN", "CORS_ALLOWED_ORIGINS"),
        ("port", "PORT"),
    ] {
        let given = [(name, "planted")];
        assert_warned(&given, name, &format!("did you mean {meant}?"));
        assert!(!format!("{:?}", warnings(&given)).contains("planted"));
    }
    for other in ["PATH", "HOSTNAME", "FLASK_APP", "POSTGRES_PASSWORD"] {
        assert_eq!(warnings(&[(other, "x")]), [""; 0], "{other}");
    }
    assert_eq!(
        warnings(&[("DATABASE_URL", " ")]),
        [""; 0],
        "a blank value has no effect"
    );
}

#[test]
fn a_warning_about_the_cause_is_returned_with_the_error() {
    let mut sources = sources(&[("JWT_SECRET", KEY)]);
    sources.environment.remove("JWT_SECRET_KEY");
    let refused = Settings::load(&sources).unwrap_err();
    assert_eq!(refused.to_string(), "JWT_SECRET_KEY: is required");
    let is_cause = |warning: &String| warning.starts_with("JWT_SECRET: ");
    assert!(
        refused.warnings().iter().any(is_cause),
        "{:?}",
        refused.warnings()
    );
}

#[test]
fn names_in_dot_env_that_are_not_settings_are_listed() {
    let text = "POSTGRES_PASSWORD=planted\n# A comment\n\nexport GREETING=planted\nDATABSE_URI=planted\n\
                GREETING=planted\nEMPTY=\nthis line\naGVsbG8K=planted\nJBSWY3DPEHPK3PXP==\nPORT=7\n";
    let settings = with_dot_env(text).unwrap();
    assert_eq!(settings.server.port, 7);
    let usual = load(&[]).warnings();
    let mut warnings = settings.warnings();
    warnings.retain(|warning| !usual.contains(warning));
    assert_eq!(
        warnings,
        [
            "DATABSE_URI: is not a setting of this service and is ignored; did you mean DATABASE_URI?",
            ".env: has names that are not settings of this service and are ignored: POSTGRES_PASSWORD, GREETING",
            ".env: has lines that are not NAME=value and are ignored: 8, 9, 10",
        ]
    );
    let many: Vec<String> = (0..100)
        .map(|number| format!("OTHER_{number}=x\n"))
        .collect();
    let many = many.concat();
    let warnings = with_dot_env(&many).unwrap().warnings();
    let bounded = |warning: &String| warning.ends_with("OTHER_19 and 80 more");
    assert!(warnings.iter().any(bounded), "{warnings:?}");
}

#[test]
fn an_unknown_key_in_the_file_suggests_a_similar_setting() {
    let refused = with_file("a.toml", "database_url = 'x'").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "CONFIG_FILE: has an unknown key `database_url`; did you mean DATABASE_URI?"
    );
}

#[test]
fn ignored_parts_of_a_url_cause_a_warning() {
    let redis = |url: &str| {
        let given = [
            ("DATABASE_URI", "postgresql://db/users"),
            ("REDIS_URL", url),
        ];
        load(&given).warnings().join("\n")
    };
    let warned = redis("redis://cache/0?ssl_cert_reqs=planted&timeout=3#planted");
    for part in ["`ssl_cert_reqs`", "`timeout`", "`#`"] {
        assert!(warned.contains(part), "{part}: {warned}");
    }
    assert!(redis("redis://cache:1?planted@cache").contains("%3F"));
    let sentinel = "redis-sentinel://cache?sentinelServiceName=a&sentinelPassword=b";
    assert_eq!(redis(sentinel), "");
    assert!(redis("redis://cache?sentinelServiceName=a").contains("`sentinelServiceName`"));
    assert_eq!(redis("redis://cache?db=2"), "");
    assert!(!warned.contains("planted"), "{warned}");
    assert!(redis("redis://planted@cache").contains("user name without a password"));
    assert_eq!(redis("rediss://user:password@cache:6380/2"), "");

    let postgres = |uri: &str| load(&[("DATABASE_URI", uri)]).warnings().join("\n");
    let warned = postgres(
        "postgresql://u:planted@planted-host:5433/planted?host=b&port=1&dbname=c&user=d&password=e",
    );
    for part in ["`host`", "`port`", "`dbname`", "`user`", "`password`"] {
        assert!(warned.contains(part), "{part}: {warned}");
    }
    assert!(!warned.contains("planted"), "{warned}");
    assert_eq!(postgres("postgresql:///users?host=/run&user=u"), "");
    let shown = |uri: &str| load(&[("DATABASE_URI", uri)]).database.target.to_string();
    for (uri, server) in [
        (
            "postgresql://a:5433/b?host=c&port=1&dbname=d",
            "PostgreSQL at c:1/d",
        ),
        ("postgresql://a:5433/b", "PostgreSQL at a:5433/b"),
        ("postgresql://a/b", "PostgreSQL at a:5432/b"),
        (
            "postgresql:///b?host=/run",
            "PostgreSQL at a local socket, /b",
        ),
    ] {
        assert_eq!(shown(uri), server);
    }
}

#[test]
fn certificates_without_tls_cause_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    assert_warned(
        &[
            ("DATABASE_URI", "postgresql://db/users"),
            ("REDIS_URL", "redis://cache"),
            ("REDIS_CA_FILE", file),
        ],
        "REDIS_CA_FILE",
        "rediss://",
    );
    let given = [
        ("JWT_JWKS_URL", "http://localhost/keys"),
        ("JWT_JWKS_CA_FILE", file),
    ];
    assert_warned(&given, "JWT_JWKS_CA_FILE", "https://");
}

#[test]
fn errors_are_logged_in_the_configured_format() {
    use super::super::LogFormat;
    let pretty = errors(&[("PORT", "x"), ("LOG_FORMAT", "pretty")]);
    assert_eq!(pretty.log().format, LogFormat::Pretty);
    let faulty = errors(&[("PORT", "x"), ("LOG_FORMAT", "xml")]);
    assert_eq!(faulty.log().format, LogFormat::Json);
}
