//! The settings of the database.

use std::path::Path;

use secrecy::ExposeSecret;

use super::super::DatabaseTarget;
use super::{assert_refused, load};

fn target(uri: &str) -> DatabaseTarget {
    load(&[("DATABASE_URI", uri)]).database.target
}

#[track_caller]
fn assert_postgres(uri: &str, expected: &str) {
    match target(uri) {
        DatabaseTarget::Postgres { url } => assert_eq!(url.expose_secret(), expected),
        DatabaseTarget::Sqlite { .. } => panic!("SQLite"),
    }
}

#[track_caller]
fn assert_sqlite(uri: &str, expected: &str) {
    match target(uri) {
        DatabaseTarget::Sqlite { path } => assert_eq!(path, Path::new(expected)),
        DatabaseTarget::Postgres { .. } => panic!("PostgreSQL"),
    }
}

#[test]
fn all_postgresql_schemes_are_normalized() {
    for scheme in [
        "postgres",
        "postgresql",
        "PostgreSQL",
        "postgresql+psycopg2",
        "postgresql+psycopg",
        "postgresql+asyncpg",
        "postgresql+pg8000",
        "postgres+psycopg2",
    ] {
        assert_postgres(
            &format!("{scheme}://u:p@db:5432/users"),
            "postgres://u:p@db:5432/users",
        );
    }
}

#[test]
fn percent_encodings_of_a_password_are_kept() {
    assert_postgres(
        "postgresql://us%40er:p%2Fw%25d@db/users",
        "postgres://us%40er:p%2Fw%25d@db/users",
    );
}

#[test]
fn unescaped_characters_of_a_password_are_accepted_as_in_sqlalchemy() {
    assert_postgres("postgresql://u:p#w@db/users", "postgres://u:p%23w@db/users");
    assert_postgres(
        "postgresql://u:p/w?x@db/users",
        "postgres://u:p%2Fw%3Fx@db/users",
    );
    assert_postgres("postgresql://u:p@w@db/users", "postgres://u:p%40w@db/users");
    assert_postgres("postgresql://u:p:w@db/users", "postgres://u:p%3Aw@db/users");
}

#[test]
fn a_host_with_a_port_is_not_parsed_as_credentials() {
    assert_postgres(
        "postgresql://db:5432/users?application_name=a%40b",
        "postgres://db:5432/users?application_name=a%40b",
    );
    assert_postgres(
        "postgresql://db:5432/users?user=a@b",
        "postgres://db:5432/users?user=a%40b",
    );
    assert_postgres(
        "postgresql://[::1]:5432/users?user=a@b",
        "postgres://[::1]:5432/users?user=a%40b",
    );
}

#[test]
fn a_local_socket_keeps_its_credentials() {
    assert_postgres(
        "postgresql:///users?host=/var/run/postgresql",
        "postgres:///users?host=%2Fvar%2Frun%2Fpostgresql",
    );
    assert_postgres(
        "postgresql://u:p%2B+w@/users?host=/run",
        "postgres:///users?host=%2Frun&user=u&password=p%2B%2Bw",
    );
}

#[test]
fn tls_is_never_weaker_than_requested() {
    assert_postgres(
        "postgresql://db/users?sslmode=verify-full",
        "postgres://db/users?sslmode=verify-full",
    );
    assert_postgres(
        "postgresql+asyncpg://db/users?ssl=require",
        "postgres://db/users?sslmode=require",
    );
    assert_postgres(
        "postgresql+asyncpg://db/users?ssl=true",
        "postgres://db/users?sslmode=require",
    );
    for (parameter, words) in [
        ("sslmode=strict", "sslmode"),
        ("sslcrl=/a", "sslcrl"),
        ("sslnegotiation=direct", "sslneg"),
    ] {
        let uri = format!("postgresql://db/users?{parameter}");
        assert_refused(&[("DATABASE_URI", &uri)], "DATABASE_URI", words);
    }
}

#[test]
fn parameters_of_other_drivers_are_dropped_with_a_warning() {
    let uri = "postgresql://db/users?connect_timeout=10&channel_binding=require&options=-csearch_path%3Da";
    assert_postgres(uri, "postgres://db/users?options=-csearch_path%3Da");
    let warnings = load(&[("DATABASE_URI", uri)]).warnings();
    assert_eq!(warnings.len(), 2);
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("`connect_timeout`"))
    );
}

#[test]
fn a_malformed_postgresql_uri_is_refused() {
    for uri in [
        "postgresql://db:port/users",
        "postgresql://db/users?port=x",
        "postgresql://db/users#x",
        "postgresql://db/users?host=a,b",
        "postgresql://db/users?host=a&host=b",
        "postgresql+unknown://db/users",
        "postgresql:db",
        "db.example.org/users",
    ] {
        assert_refused(&[("DATABASE_URI", uri)], "DATABASE_URI", "");
    }
}

#[test]
fn sqlite_paths_are_relative_after_three_slashes_and_absolute_after_four() {
    assert_sqlite("sqlite:///relative.db", "relative.db");
    assert_sqlite("sqlite:///data/users.db", "data/users.db");
    assert_sqlite("sqlite:////var/lib/users.db", "/var/lib/users.db");
    assert_sqlite("sqlite+pysqlite:///a%20b.db", "a%20b.db");
    assert_sqlite("sqlite:///C:\\users.db", "C:\\users.db");
}

#[test]
fn sqlite_must_be_a_writable_file() {
    for uri in [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://relative.db",
        "sqlite:///file:users?mode=memory&uri=true",
        "sqlite:///users.db?mode=ro",
        "sqlite:///data/",
        "sqlite:users.db",
    ] {
        assert_refused(&[("DATABASE_URI", uri)], "DATABASE_URI", "");
    }
    let settings = load(&[("DATABASE_URI", "sqlite:///users.db?check_same_thread=false")]);
    assert_eq!(settings.warnings().len(), 1);
}

#[test]
fn other_databases_are_refused_by_name() {
    for uri in [
        "mysql://db/users",
        "mysql+pymysql://db/users",
        "mariadb://db/users",
        "oracle://db",
    ] {
        assert_refused(&[("DATABASE_URI", uri)], "DATABASE_URI", "not supported");
    }
}

#[test]
fn without_database_uri_users_are_stored_in_a_file_with_a_warning() {
    let settings = load(&[]);
    assert!(settings.database.defaulted);
    assert_eq!(
        settings.database.target.to_string(),
        "SQLite in ./data/users.db"
    );
    assert!(
        settings
            .warnings()
            .iter()
            .any(|warning| warning.contains("./data/users.db"))
    );
    let settings = load(&[("DATABASE_URI", "sqlite:///./data/users.db")]);
    assert!(!settings.database.defaulted);
    assert!(settings.warnings().is_empty());
}

#[test]
fn redis_without_a_database_is_refused() {
    assert_refused(
        &[("REDIS_URL", "redis://cache")],
        "DATABASE_URI",
        "is required when REDIS_URL",
    );
}

#[test]
fn a_schema_is_a_plain_name() {
    let uri = ("DATABASE_URI", "postgresql://db/users");
    let longest = "a".repeat(63);
    for name in ["users", "_users2", &longest] {
        let settings = load(&[uri, ("DATABASE_SCHEMA", name)]);
        assert_eq!(settings.database.schema.as_deref(), Some(name));
    }
    let too_long = "a".repeat(64);
    for name in [
        "Users",
        "2users",
        "a-b",
        "a;b",
        "pg_users",
        "information_schema",
        &too_long,
    ] {
        assert_refused(&[uri, ("DATABASE_SCHEMA", name)], "DATABASE_SCHEMA", "");
    }
    let settings = load(&[
        ("DATABASE_URI", "sqlite:///a.db"),
        ("DATABASE_SCHEMA", "users"),
    ]);
    assert_eq!(settings.warnings().len(), 1);
}

#[test]
fn retention_is_on_until_it_is_switched_off() {
    assert!(load(&[]).database.retention);
    assert!(!load(&[("RETENTION", "False")]).database.retention);
    assert_refused(&[("RETENTION", "30")], "RETENTION", "True or False");
}

#[test]
fn connections_and_migrations_have_bounds_and_defaults() {
    let database = load(&[]).database;
    assert_eq!(
        (database.max_connections, database.migrate_on_start),
        (16, true)
    );
    let database = load(&[
        ("DATABASE_MAX_CONNECTIONS", "500"),
        ("MIGRATE_ON_START", "False"),
    ])
    .database;
    assert_eq!(
        (database.max_connections, database.migrate_on_start),
        (500, false)
    );
    for value in ["0", "1", "501", "many"] {
        assert_refused(
            &[("DATABASE_MAX_CONNECTIONS", value)],
            "DATABASE_MAX_CONNECTIONS",
            "2 to 500",
        );
    }
    assert_refused(
        &[("MIGRATE_ON_START", "maybe")],
        "MIGRATE_ON_START",
        "True or False",
    );
}

#[test]
fn indexed_metadata_is_a_list_of_public_and_private_keys() {
    let keys = |text: &str| {
        load(&[("INDEXED_METADATA", text)])
            .database
            .indexed_metadata
    };
    let named = |text: &str| {
        keys(text)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(load(&[]).database.indexed_metadata, None);
    assert_eq!(keys(""), None);
    assert_eq!(keys("none"), Some(Vec::new()));
    assert_eq!(
        named("public.plan, private.crm.id,public.plan"),
        ["public.plan", "private.crm.id"]
    );
    for (text, reason) in [
        ("public.plan,user.theme", "entry 2: Must be public.<key>"),
        ("plan", "entry 1"),
        ("public.plan,none", "entry 2"),
        ("public.", "at least 1"),
        ("public.a\"b", "quotation mark"),
        (
            "public.1,public.2,public.3,public.4,public.5,public.6,public.7,public.8,public.9",
            "at most 8 keys",
        ),
    ] {
        assert_refused(&[("INDEXED_METADATA", text)], "INDEXED_METADATA", reason);
    }
}
