//! The settings of the database.

use std::path::Path;

use secrecy::ExposeSecret;

use super::super::{DatabaseTarget, Pooler};
use super::{assert_refused, load};

fn target(uri: &str) -> DatabaseTarget {
    load(&[("DATABASE_URI", uri)]).database.target
}

#[track_caller]
fn assert_postgres(uri: &str, expected: &str) {
    match target(uri) {
        DatabaseTarget::Postgres { url, .. } => assert_eq!(url.expose_secret(), expected),
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
fn each_standby_has_a_url_of_its_own() {
    let text = "postgresql://u:a,b@one/users, postgresql+psycopg2://u:p@two:5433/users";
    let settings = load(&[
        ("DATABASE_URI", "postgresql://u:p@db/users"),
        ("DATABASE_READ_URIS", text),
    ]);
    let urls = settings.database.read_urls.iter();
    let urls: Vec<&str> = urls.map(ExposeSecret::expose_secret).collect();
    assert_eq!(
        urls,
        [
            "postgres://u:a,b@one/users",
            "postgres://u:p@two:5433/users"
        ]
    );
}

#[test]
fn lists_of_hosts_other_databases_and_too_many_standbys_are_refused() {
    let many = ["postgresql://u:p@db/users"; 9].join(",");
    for (uris, reason) in [
        ("postgresql://a,b/users", "entry 1 names several hosts"),
        (
            "postgresql://a/users,sqlite:///users.db",
            "entry 2 must start with postgresql://",
        ),
        ("one", "entry 1 must start with postgresql://"),
        (many.as_str(), "must name at most 8 standbys"),
    ] {
        assert_refused(
            &[("DATABASE_READ_URIS", uris)],
            "DATABASE_READ_URIS",
            reason,
        );
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
        "postgres://[::1]:5432/users?user=a%40b&host=%3A%3A1",
    );
}

/// Asserts the URLs of all servers, and whether a standby may be used.
#[track_caller]
fn assert_servers(uri: &str, expected: &[&str], standby: bool) {
    let DatabaseTarget::Postgres {
        url,
        further_urls,
        accepts_standby,
    } = target(uri)
    else {
        panic!("SQLite");
    };
    let urls = std::iter::once(&url).chain(&further_urls);
    let urls: Vec<_> = urls.map(ExposeSecret::expose_secret).collect();
    assert_eq!((&*urls, accepts_standby), (expected, standby), "{uri}");
}

#[test]
fn an_ipv6_address_is_a_host() {
    assert_servers(
        "postgresql://u:p@[::1]:5433/users",
        &["postgres://u:p@[::1]:5433/users?host=%3A%3A1"],
        false,
    );
    let shown = target("postgresql://u:p@[::1]:5433/users").to_string();
    assert_eq!(shown, "PostgreSQL at [::1]:5433/users");
}

#[test]
fn several_servers_are_accepted_as_in_libpq_and_sqlalchemy() {
    let [a, b] = ["postgres://u:p@a:1/users", "postgres://u:p@b:2/users"];
    assert_servers("postgresql://u:p@a:1,b:2/users", &[a, b], false);
    let any = "postgresql://u:p@a:1,b:2/users?target_session_attrs=any";
    assert_servers(any, &[a, b], true);
    let primary = "postgresql://u:p@a,b/users?target_session_attrs=read-write&sslmode=require";
    assert_servers(
        primary,
        &[
            "postgres://u:p@a/users?sslmode=require",
            "postgres://u:p@b/users?sslmode=require",
        ],
        false,
    );
    assert_servers(
        "postgresql://a:1,b:2/users?user=u@x",
        &[
            "postgres://a:1/users?user=u%40x",
            "postgres://b:2/users?user=u%40x",
        ],
        false,
    );
    let expected = [
        "postgres:///users?host=a&port=1&user=u",
        "postgres:///users?host=b&port=2&user=u",
    ];
    for parameters in [
        "host=a:1&host=b:2",
        "host=a,b&port=1,2",
        "host=a&host=b&port=1&port=2",
    ] {
        let uri = format!("postgresql://u@/users?{parameters}");
        assert_servers(&uri, &expected, false);
    }
    assert_servers(
        "postgresql:///users?host=[::1]:1,::2&port=3",
        &[
            "postgres:///users?host=%3A%3A1&port=1",
            "postgres:///users?host=%3A%3A2&port=3",
        ],
        false,
    );
    let shown = target("postgresql://u:p@a:1,[::1]/users").to_string();
    assert_eq!(shown, "PostgreSQL at a:1, [::1]:5432/users");
    for (uri, reason) in [
        ("postgresql://a,,b/users", "empty host"),
        (
            "postgresql:///users?host=a,b&port=1,2,3",
            "as many ports as hosts",
        ),
        ("postgresql:///users?host=a:x", "malformed port"),
        (
            "postgresql://a,b/users?target_session_attrs=standby",
            "target_session_attrs",
        ),
        (
            "postgresql://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q/users",
            "more than 16",
        ),
    ] {
        assert_refused(&[("DATABASE_URI", uri)], "DATABASE_URI", reason);
    }
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
fn a_pooler_is_announced_and_migrations_may_have_another_address() {
    let uri = ("DATABASE_URI", "postgresql://pooler/users");
    let pooler = ("DATABASE_POOLER", "transaction");
    let direct = ("MIGRATE_DATABASE_URI", "postgresql://u:secret@db,db2/users");
    let database = load(&[uri]).database;
    assert_eq!(database.pooler, Pooler::None);
    assert!(database.migration_target.is_none());
    let database = load(&[uri, pooler, direct]).database;
    assert_eq!(database.pooler, Pooler::Transaction);
    let target = database.migration_target.unwrap();
    assert_eq!(target.to_string(), "PostgreSQL at db:5432, db2:5432/users");
    assert_eq!(target.urls().len(), 2);

    let refused = "none or transaction";
    assert_refused(&[uri, ("DATABASE_POOLER", "session")], pooler.0, refused);
    let sqlite = ("MIGRATE_DATABASE_URI", "sqlite:///a.db");
    assert_refused(&[uri, pooler, sqlite], sqlite.0, "postgresql://");
    assert_refused(&[pooler], pooler.0, "SQLite has no");
    let options = ("DATABASE_URI", "postgresql://db/users?options=-cgeqo%3Doff");
    assert_refused(&[options, pooler], options.0, "`options`");
    let ignored = load(&[("DATABASE_URI", "sqlite:///a.db"), direct]);
    assert_eq!(ignored.warnings().len(), 1);
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
