//! Every variable the service knows: the one list behind defaults, `.env.example` and the check of a file's keys.

/// A variable, as an operator sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Variable {
    /// Its name in the environment and `.env`; in a file also in lower case.
    pub name: &'static str,
    /// What it decides.
    pub meaning: &'static str,
    /// The value it has when unset, where that is one value.
    pub default: Option<&'static str>,
    /// Whether the value must never be shown.
    pub secret: bool,
}

/// Every variable the service knows, in the order of `.env.example`.
pub const fn variables() -> &'static [Variable] {
    VARIABLES
}

/// The variable of this name, whatever its case.
pub(super) fn variable_named(name: &str) -> Option<&'static Variable> {
    VARIABLES
        .iter()
        .find(|variable| variable.name.eq_ignore_ascii_case(name))
}

const fn plain(name: &'static str, meaning: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        default: None,
        secret: false,
    }
}

const fn secret(name: &'static str, meaning: &'static str) -> Variable {
    Variable {
        secret: true,
        ..plain(name, meaning)
    }
}

const fn with_default(
    name: &'static str,
    meaning: &'static str,
    default: &'static str,
) -> Variable {
    Variable {
        default: Some(default),
        ..plain(name, meaning)
    }
}

const VARIABLES: &[Variable] = &[
    secret(
        "JWT_SECRET_KEY",
        "the secret of the Auth Service's tokens (HS256), at least 32 bytes; required unless keys are published",
    ),
    secret(
        "JWT_SECRET_KEY_PREVIOUS",
        "the secret before it, while tokens signed with it are still good",
    ),
    plain(
        "JWT_JWKS_URL",
        "where the Auth Service publishes its keys (RS256, ES256, EdDSA): https://…; unset: nowhere",
    ),
    plain(
        "JWT_JWKS_CA_FILE",
        "the certificates to believe of JWT_JWKS_URL, as PEM; unset: the machine's",
    ),
    plain(
        "JWT_JWKS_FILE",
        "a file with such keys, instead of JWT_JWKS_URL or beside it",
    ),
    with_default(
        "JWT_JWKS_REFRESH_SECONDS",
        "how often published keys are read again, 10 to 86400 seconds",
        "300",
    ),
    with_default(
        "JWT_SUBJECT",
        "what a token's `sub` is: id or external_id",
        "id",
    ),
    plain(
        "JWT_ISSUER",
        "the `iss` a token must have; unset: not checked",
    ),
    plain(
        "JWT_AUDIENCE",
        "an `aud` a token must have; unset: not checked",
    ),
    with_default(
        "JWT_LEEWAY_SECONDS",
        "how far clocks may differ, 0 to 5 seconds",
        "0",
    ),
    secret(
        "ALLOWED_API_TOKENS",
        "the tokens of other services, with all scopes; a comma list",
    ),
    secret(
        "SEALING_KEY",
        "the key of cursors and fingerprints, at least 32 bytes; unset: derived from JWT_SECRET_KEY; required without it",
    ),
    with_default(
        "ARGON2_MEMORY_KIB",
        "the memory in which Argon2id hashes one password, 8 to 262144 KiB; under 8192 is for tests",
        "19456",
    ),
    with_default(
        "ARGON2_ITERATIONS",
        "the passes of Argon2id over its memory, 1 to 16",
        "2",
    ),
    with_default("ARGON2_PARALLELISM", "the lanes of Argon2id, 1 to 16", "1"),
    plain(
        "PASSWORD_HASHING_THREADS",
        "the threads that hash passwords, 1 to 64; unset: half of the cores",
    ),
    secret(
        "DATABASE_URI",
        "where users are kept: postgresql://… or sqlite:///…; unset: SQLite in ./data",
    ),
    plain(
        "DATABASE_SCHEMA",
        "the PostgreSQL schema of the tables; unset: the role's own",
    ),
    with_default(
        "DATABASE_MAX_CONNECTIONS",
        "the connections of one process to PostgreSQL, 2 to 500: half for writes, half for reads",
        "16",
    ),
    with_default(
        "MIGRATE_ON_START",
        "whether `serve` brings the database up to date first",
        "True",
    ),
    with_default(
        "RETENTION",
        "whether `serve` removes what is over its time, every hour",
        "True",
    ),
    secret(
        "REDIS_URL",
        "the tier of the cache that replicas share: redis://… or rediss://…; needs DATABASE_URI",
    ),
    plain(
        "REDIS_CA_FILE",
        "the certificates to believe of a rediss:// server, as PEM; unset: the machine's",
    ),
    with_default(
        "CACHE_MEMORY_MB",
        "how much each process remembers of users, 0 to 65536 megabytes; 0 remembers nothing",
        "64",
    ),
    with_default("HOST", "the address to listen on", "0.0.0.0"),
    with_default(
        "PORT",
        "the port to listen on; 0 takes any free one",
        "5000",
    ),
    plain(
        "MANAGEMENT_PORT",
        "the port of health, metrics and the log's level; unset: health and metrics are at PORT",
    ),
    plain("PUBLIC_BASE_PATH", "the path a gateway puts before ours"),
    plain(
        "CORS_ALLOWED_ORIGINS",
        "the origins of browsers' pages that may call, a comma list or *; unset: none",
    ),
    plain(
        "HTTP_WORKERS",
        "the threads that take requests, 1 to 1024; unset: one a core",
    ),
    with_default(
        "SHUTDOWN_DELAY_SECONDS",
        "how long requests are still taken after SIGTERM, while not ready, 0 to 60 seconds",
        "0",
    ),
    with_default(
        "SHUTDOWN_GRACE_SECONDS",
        "how long accepted requests may take to end, 0 to 600 seconds",
        "25",
    ),
    plain(
        "LOG_LEVEL",
        "error, warn, info, debug or trace; unset: info, or debug under DEBUG",
    ),
    plain(
        "LOG_FORMAT",
        "json or pretty; unset: json, or pretty under DEBUG",
    ),
    with_default("DEBUG", "more and prettier logs; nothing else", "False"),
    plain(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "where traces are sent by OTLP over HTTP, http://host:4318 say; unset: nothing is traced",
    ),
    secret(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "the header fields that the collector asks for, a comma list of name=value",
    ),
    with_default(
        "OTEL_SERVICE_NAME",
        "what the service calls itself in traces",
        "user-service",
    ),
    with_default(
        "OTEL_TRACES_SAMPLER_ARG",
        "the share of requests that are traced if their caller has not decided, 0 to 1",
        "1",
    ),
    plain(
        "CONFIG_FILE",
        "a TOML or YAML file with the same names; environment and .env go before it",
    ),
];
