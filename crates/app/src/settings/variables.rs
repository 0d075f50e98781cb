//! All variables of the service: the single list for defaults, `.env.example` and the validation of keys in a file.

/// A variable of the settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Variable {
    /// Its name in the environment and in `.env`. In a file, it can be in lower case.
    pub name: &'static str,
    /// Its meaning, with limits and unit.
    pub meaning: &'static str,
    /// The value if it is unset, if that is a constant.
    pub default: Option<&'static str>,
    /// Whether the value must never be displayed.
    pub secret: bool,
}

impl Variable {
    /// Returns the name of the variable that names a file with the value: `DATABASE_URI_FILE` for `DATABASE_URI`.
    /// `None` if the value is not secret.
    pub fn file_name(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.name))
    }
}

/// Returns all variables of the service, in the order of `.env.example`.
pub const fn variables() -> &'static [Variable] {
    VARIABLES
}

/// Returns the variable with this name, in upper or lower case.
pub(super) fn variable_named(name: &str) -> Option<&'static Variable> {
    VARIABLES
        .iter()
        .find(|variable| variable.name.eq_ignore_ascii_case(name))
}

/// Returns the secret variable whose value is in the file that a variable with this name names.
pub(super) fn variable_of_file(name: &str) -> Option<&'static Variable> {
    let is_file_of = |variable: &&Variable| {
        let file_name = variable.file_name();
        file_name.is_some_and(|file_name| file_name.eq_ignore_ascii_case(name))
    };
    VARIABLES.iter().find(is_file_of)
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
        "the secret with which the Auth Service signs its tokens (HS256), at least 32 bytes; required unless keys are published",
    ),
    secret(
        "JWT_SECRET_KEY_PREVIOUS",
        "the previous secret, for as long as tokens signed with it are still valid",
    ),
    plain(
        "JWT_JWKS_URL",
        "the URL at which the Auth Service publishes its keys (RS256, ES256, EdDSA): https://…; unset: none",
    ),
    plain(
        "JWT_JWKS_CA_FILE",
        "the certificate authorities to trust for JWT_JWKS_URL, as a PEM file; unset: those of this machine",
    ),
    plain(
        "JWT_JWKS_FILE",
        "a file with such keys, instead of JWT_JWKS_URL or in addition to it",
    ),
    with_default(
        "JWT_JWKS_REFRESH_SECONDS",
        "how often published keys are read again, 10 to 86400 seconds",
        "300",
    ),
    with_default(
        "JWT_SUBJECT",
        "what the `sub` of a token contains: id or external_id",
        "id",
    ),
    plain(
        "JWT_ISSUER",
        "the `iss` that a token must have; unset: not checked",
    ),
    plain(
        "JWT_AUDIENCE",
        "the value that the `aud` of a token must equal or include; unset: not checked",
    ),
    with_default(
        "JWT_LEEWAY_SECONDS",
        "the largest accepted difference between the clocks of this machine and of the Auth Service, 0 to 5 seconds",
        "0",
    ),
    secret(
        "ALLOWED_API_TOKENS",
        "tokens of other services, which have all scopes: a comma-separated list, at least 16 characters each",
    ),
    secret(
        "SEALING_KEY",
        "the key that signs pagination cursors and request fingerprints, at least 32 bytes; unset: derived from JWT_SECRET_KEY; required without it",
    ),
    with_default(
        "ARGON2_MEMORY_KIB",
        "the memory of Argon2id for one password, 8 to 262144 KiB; values under 8192 are for tests",
        "19456",
    ),
    with_default(
        "ARGON2_ITERATIONS",
        "the iterations of Argon2id, 1 to 16",
        "2",
    ),
    with_default("ARGON2_PARALLELISM", "the lanes of Argon2id, 1 to 16", "1"),
    plain(
        "PASSWORD_HASHING_THREADS",
        "the number of threads that hash passwords, 1 to 64; unset: half the number of cores",
    ),
    secret(
        "DATABASE_URI",
        "the URL of the database: postgresql://… or sqlite:///…; unset: SQLite in ./data",
    ),
    plain(
        "DATABASE_SCHEMA",
        "the PostgreSQL schema of the tables; unset: the default schema of the role",
    ),
    with_default(
        "DATABASE_POOLER",
        "the connection pooler that DATABASE_URI names: none (also for one in session mode) or transaction",
        "none",
    ),
    secret(
        "DATABASE_READ_URIS",
        "the URLs of PostgreSQL standbys for lists, searches, counts and exports, separated by commas, at most 8; unset: the primary server answers them",
    ),
    with_default(
        "DATABASE_READ_SECONDS_WITHOUT_PRIMARY",
        "how long the standbys answer reads while the primary server is unavailable, in seconds, 0 to 60",
        "60",
    ),
    with_default(
        "DATABASE_MAX_CONNECTIONS",
        "the number of PostgreSQL connections of one process, 2 to 500: half for writes, half for reads",
        "16",
    ),
    plain(
        "INDEXED_METADATA",
        "the metadata keys by which users can be found, a comma-separated list of up to 8, such as public.plan,private.crm_id; none: no keys, all indexes are dropped; unset: no keys, no index is dropped",
    ),
    with_default(
        "MIGRATE_ON_START",
        "whether `serve` applies pending migrations when it starts",
        "True",
    ),
    secret(
        "MIGRATE_DATABASE_URI",
        "the URL of the same database for migrations and metadata indexes, past the connection pooler; unset: DATABASE_URI",
    ),
    with_default(
        "RETENTION",
        "whether `serve` removes expired data every hour",
        "True",
    ),
    secret(
        "REDIS_URL",
        "the Redis that all replicas use as a shared cache: redis://…, rediss://…, redis-sentinel://… or unix://…; requires DATABASE_URI",
    ),
    plain(
        "REDIS_CA_FILE",
        "the certificate authorities to trust for a rediss:// server, as a PEM file; unset: those of this machine",
    ),
    plain(
        "REDIS_CERT_FILE",
        "the certificate that this service shows to a rediss:// server, as a PEM file; requires REDIS_KEY_FILE; unset: none",
    ),
    plain(
        "REDIS_KEY_FILE",
        "the private key of that certificate, as a PEM file",
    ),
    with_default(
        "REDIS_TIMEOUT_MS",
        "the time that a request waits for Redis, 1 to 250 milliseconds; then it is served without",
        "5",
    ),
    with_default(
        "CACHE_MEMORY_MB",
        "the size of the in-process cache of users, 0 to 65536 megabytes; 0 disables it",
        "64",
    ),
    secret(
        "AMQP_URL",
        "the RabbitMQ to which events are relayed: amqp://… or amqps://…; unset: none",
    ),
    with_default(
        "AMQP_EXCHANGE",
        "the topic exchange to which events are published",
        "user-service.events",
    ),
    with_default(
        "AMQP_PRIVATE",
        "whether events about blocks, and the actors that reveal a block, are published too",
        "False",
    ),
    with_default("HOST", "the address to listen on", "0.0.0.0"),
    with_default(
        "PORT",
        "the port to listen on; 0 selects any free port",
        "5000",
    ),
    plain(
        "MANAGEMENT_PORT",
        "the port for health, metrics and the log level; 0 selects any free port; unset: health and metrics are served at PORT",
    ),
    plain(
        "PUBLIC_BASE_PATH",
        "the path prefix that a gateway puts before the paths of this service",
    ),
    plain(
        "CORS_ALLOWED_ORIGINS",
        "the origins of web pages that may call the API from a browser, a comma-separated list or *; unset: none",
    ),
    plain(
        "CORS_ALLOWED_HEADERS",
        "further header fields that these pages may send, a comma-separated list; unset: no others",
    ),
    plain(
        "HTTP_WORKERS",
        "the number of threads that handle requests, 1 to 1024; unset: one per core",
    ),
    plain(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "the maximum number of connections from one client address, 1 to 10000; unset: no limit, as needed behind a gateway",
    ),
    plain(
        "RATE_LIMIT_USER",
        "the requests per second of one user and how many may arrive at once, such as 20,40, per process; unset: no limit",
    ),
    plain(
        "RATE_LIMIT_SERVICE",
        "the requests per second of one service and how many may arrive at once, such as 500,1000, per process; unset: no limit",
    ),
    with_default(
        "SHUTDOWN_DELAY_SECONDS",
        "how long the service still accepts requests after SIGTERM, while it reports that it is not ready, 0 to 60 seconds",
        "0",
    ),
    with_default(
        "SHUTDOWN_GRACE_SECONDS",
        "how long accepted requests may take to finish after that, 0 to 600 seconds",
        "25",
    ),
    plain(
        "LOG_LEVEL",
        "the least severe level that is logged: error, warn, info, debug or trace; unset: info, or debug if DEBUG is on",
    ),
    plain(
        "LOG_FORMAT",
        "the format of the log: json or pretty; unset: json, or pretty if DEBUG is on",
    ),
    with_default(
        "DEBUG",
        "sets the defaults of LOG_LEVEL and LOG_FORMAT to debug and pretty; changes nothing else",
        "False",
    ),
    plain(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "the collector to which traces are sent by OTLP over HTTP, such as http://host:4318; unset: nothing is traced",
    ),
    secret(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "the header fields that the collector requires, a comma-separated list of name=value, percent-encoded",
    ),
    with_default(
        "OTEL_SERVICE_NAME",
        "the name of this service in traces",
        "user-service",
    ),
    with_default(
        "OTEL_TRACES_SAMPLER_ARG",
        "the share of requests that are traced if the caller has not decided it, 0 to 1",
        "1",
    ),
    plain(
        "CONFIG_FILE",
        "a TOML or YAML file with the same names; the environment and .env override it",
    ),
];
