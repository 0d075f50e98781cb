//! Which adapter serves which port.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::timeout;
use user_adapters::cache::{CacheOptions, GatheredReader, RedisOptions, UserTiers};
use user_adapters::guards::Guards;
use user_adapters::passwords::{HashingOptions, HashingPool, HashingPoolError};
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmLogins, SeaOrmUsers};
use user_adapters::tokens::{
    AllowedTokens, FollowedKeys, Jwks, JwksOptions, JwtOptions, JwtSubject, JwtVerifier,
    KnownServices, ManagedTokens,
};
use user_adapters::{SystemClock, UuidV7Ids};
use user_domain::StoreError;
use user_domain::use_cases::{Ports, UseCases};

use crate::keys;
use crate::settings::{
    self, DatabaseTarget, JwksSettings, PasswordSettings, Settings, TokenSettings,
};

/// How long connections to the database may take to close; a dead one never does.
const CLOSING: Duration = Duration::from_secs(2);

/// Why the service could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The folder of the SQLite file could not be made.
    #[error("the folder {0} cannot be made: {1}")]
    Folder(String, std::io::Error),
    /// The database could not be opened.
    #[error("the database cannot be opened: {0}")]
    Database(String),
    /// The schema could not be brought up to date.
    #[error(transparent)]
    Migrate(#[from] user_migrations::MigrateError),
    /// The recorder of metrics could not be made.
    #[error("metrics cannot be recorded: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingPoolError),
    /// There can be no more threads.
    #[error("a thread cannot be made: {0}")]
    Thread(std::io::Error),
    /// The address could not be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, std::io::Error),
}

impl ComposeError {
    /// Tells whether the same may succeed later, when the database is back.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Migrate(user_migrations::MigrateError::Database(error)) => {
                user_adapters::sea_orm::is_passing(error)
            }
            Self::Migrate(user_migrations::MigrateError::ForeignTable)
            | Self::Folder(..)
            | Self::Database(_)
            | Self::Metrics(_)
            | Self::Hashing(_)
            | Self::Thread(_)
            | Self::Listen(..) => false,
        }
    }
}

/// The service without its listener: adapters in their ports.
#[derive(Clone)]
pub struct Composition {
    /// The ports.
    pub ports: Ports,
    pub(crate) connections: Connections,
    pub(crate) store: Arc<SeaOrmUsers>,
    logins: SeaOrmLogins,
    cache: UserTiers,
    managed_tokens: Arc<ManagedTokens>,
    jwks: Option<Arc<Jwks>>,
}

impl Composition {
    /// Puts the service together as the settings say. A PostgreSQL need not be there yet.
    ///
    /// # Errors
    /// When a SQLite file cannot be opened.
    pub async fn new(settings: &Settings) -> Result<Self, ComposeError> {
        Self::guarded(settings, Guards::default()).await
    }

    /// Puts the service together with these guards of its promises; a release has all of them.
    ///
    /// # Errors
    /// Those of [`Composition::new`].
    pub async fn guarded(settings: &Settings, guards: Guards) -> Result<Self, ComposeError> {
        let connections = connect(settings).await?;
        let users = Arc::new(SeaOrmUsers::new(connections.clone()));
        let cache = UserTiers::new(cache_options(settings, guards));
        let hasher = HashingPool::start(&hashing_options(&settings.passwords))?;
        let logins = SeaOrmLogins::new(
            SeaOrmUsers::clone(&users),
            &keys::derive(&settings.tokens, "user-service logins v1"),
            hasher.stand_in(),
        );
        let clock = Arc::new(SystemClock);
        let managed_tokens = Arc::new(ManagedTokens::new(
            users.clone(),
            cache.tokens(),
            clock.clone(),
        ));
        let allowed_tokens = AllowedTokens::new(
            &settings.tokens.allowed_api_tokens,
            &keys::derive(&settings.tokens, "user-service names of service tokens v1"),
        );
        let jwks = settings.tokens.jwks.as_ref();
        let jwks = jwks.map(|jwks| Arc::new(Jwks::new(jwks_options(jwks), clock.clone())));
        let ports = Ports {
            reader: Arc::new(GatheredReader::new(users.clone())),
            writer: users.clone(),
            directory: users.clone(),
            import: users.clone(),
            change_log: users.clone(),
            retention: users.clone(),
            credentials: users.clone(),
            relationships: users.clone(),
            relationship_upkeep: users.clone(),
            login_attempts: Arc::new(logins.clone()),
            decoys: Arc::new(logins.clone()),
            hasher: Arc::new(hasher),
            cache: Arc::new(cache.clone()),
            health: users.clone(),
            tokens: Arc::new(JwtVerifier::new(
                jwt_options(&settings.tokens),
                jwks.clone(),
                clock.clone(),
            )),
            service_tokens: Arc::new(KnownServices::new(allowed_tokens, managed_tokens.clone())),
            token_registry: managed_tokens.clone(),
            clock,
            ids: Arc::new(UuidV7Ids),
        };
        Ok(Self {
            ports,
            connections,
            store: users,
            logins,
            cache,
            managed_tokens,
            jwks,
        })
    }

    /// Reads the published keys of tokens, if there are any, and follows them; without this, none is known.
    ///
    /// # Errors
    /// [`ComposeError::Thread`].
    pub fn follow_keys(&self) -> Result<Option<FollowedKeys>, ComposeError> {
        let jwks = self.jwks.as_ref();
        jwks.map(|jwks| jwks.follow())
            .transpose()
            .map_err(ComposeError::Thread)
    }

    /// Takes a sample of the passwords that users have, by whose costs strangers are answered. Once there is one, it is kept.
    ///
    /// # Errors
    /// The store's.
    pub async fn sample_passwords(&self) -> Result<(), StoreError> {
        self.logins.sample().await
    }

    /// Writes down when the tokens of services were used, once a minute for as long as it is polled.
    pub async fn keep_noting_token_uses(&self) {
        self.managed_tokens.keep_noting_uses().await;
    }

    /// Writes down when the tokens of services were used, now.
    pub async fn note_token_uses(&self) {
        self.managed_tokens.note_uses().await;
    }

    /// Keeps the cache fresh for as long as it is polled; without this, every read asks the database.
    pub async fn keep_cache_fresh(&self) {
        self.cache.keep_fresh(&self.store).await;
    }

    /// Closes the connections to the database, once nothing uses them any more. A dead one is not waited for.
    pub async fn close(self) {
        if timeout(CLOSING, self.connections.close()).await.is_err() {
            tracing::warn!("some connections to the database did not close in time");
        }
    }

    /// The use cases on these ports.
    pub fn use_cases(&self) -> UseCases {
        UseCases::new(&self.ports)
    }

    /// Brings the database up to date and gives the names of the migrations applied.
    ///
    /// # Errors
    /// [`ComposeError::Migrate`].
    pub async fn migrate(&self, schema: Option<&str>) -> Result<Vec<String>, ComposeError> {
        Ok(self.connections.migrate(schema).await?)
    }

    /// Gives the names of the migrations that are pending.
    ///
    /// # Errors
    /// [`ComposeError::Database`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, ComposeError> {
        self.connections
            .pending_migrations()
            .await
            .map_err(|error| ComposeError::Database(error.to_string()))
    }
}

fn hashing_options(passwords: &PasswordSettings) -> HashingOptions {
    HashingOptions::new(
        passwords.memory_kib,
        passwords.iterations,
        passwords.parallelism,
        passwords.threads,
    )
}

fn cache_options(settings: &Settings, guards: Guards) -> CacheOptions {
    CacheOptions {
        memory: settings.cache.memory,
        redis: redis_options(settings),
        guards,
    }
}

/// How Redis is reached, if the settings name one.
pub(crate) fn redis_options(settings: &Settings) -> Option<RedisOptions> {
    let url = settings.cache.redis_url.clone()?;
    Some(RedisOptions {
        url,
        ca_file: settings.cache.redis_ca_file.clone(),
        sealing_key: keys::derive(&settings.tokens, "user-service users in Redis v1"),
    })
}

async fn connect(settings: &Settings) -> Result<Connections, ComposeError> {
    let database = &settings.database;
    let opened = match &database.target {
        DatabaseTarget::Postgres { url } => {
            let options = PoolOptions {
                schema: database.schema.clone(),
                max_connections: database.max_connections,
                ..PoolOptions::default()
            };
            Connections::postgres(url.expose_secret(), &options).await
        }
        DatabaseTarget::Sqlite { path } => {
            if let Some(folder) = path.parent() {
                make_folder(folder)?;
            }
            Connections::sqlite(path).await
        }
    };
    opened.map_err(|error| ComposeError::Database(error.to_string()))
}

/// Makes a folder that only its owner can look into, unless it is there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), ComposeError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| ComposeError::Folder(folder.display().to_string(), error))
}

fn jwks_options(jwks: &JwksSettings) -> JwksOptions {
    JwksOptions {
        url: jwks.url.as_ref().map(ToString::to_string),
        ca_file: jwks.ca_file.clone(),
        file: jwks.file.clone(),
        refresh: jwks.refresh,
    }
}

fn jwt_options(tokens: &TokenSettings) -> JwtOptions {
    JwtOptions {
        secret: tokens.jwt_secret_key.clone(),
        previous_secret: tokens.jwt_secret_key_previous.clone(),
        subject: match tokens.jwt_subject {
            settings::JwtSubject::Id => JwtSubject::Id,
            settings::JwtSubject::ExternalId => JwtSubject::ExternalId,
        },
        issuer: tokens.jwt_issuer.clone(),
        audience: tokens.jwt_audience.clone(),
        leeway_seconds: u8::try_from(tokens.jwt_leeway.as_secs()).unwrap_or(u8::MAX),
    }
}
