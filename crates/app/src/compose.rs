//! The composition root: which adapter implements which port.

mod error;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::timeout;
use user_adapters::cache::{self, CacheOptions, CoalescingReader, RedisOptions, TieredUserCache};
use user_adapters::event_frontier::FollowedFrontier;
use user_adapters::guards::Guards;
use user_adapters::passwords::{HashingOptions, HashingPool};
use user_adapters::sea_orm::{
    Connections, IndexOutcome, PoolOptions, SeaOrmLogins, SeaOrmUsers, StandbyReader,
    StoreConsistency, SynchronizedClock,
};
use user_adapters::tokens::{
    Jwks, JwtOptions, JwtSubject, JwtVerifier, KeySource, ManagedTokens, ServiceTokenChain,
    StaticTokens,
};
use user_adapters::{SystemClock, UuidV7Ids};
use user_domain::StoreError;
use user_domain::directory::MetadataKey;
use user_domain::ports::{Clock, StoreClock as _};
use user_domain::use_cases::{Ports, UseCases};

pub use error::ComposeError;

use crate::keys;
use crate::settings::{
    self, DatabaseTarget, JwksSettings, PasswordSettings, Settings, TokenSettings,
};

/// How long connections to the database may take to close. A broken connection may never close.
const DATABASE_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The service without its listeners: the adapters behind their ports.
#[derive(Clone)]
pub struct Composition {
    /// The ports.
    pub ports: Ports,
    clock: Arc<SynchronizedClock>,
    pub(crate) connections: Connections,
    pub(crate) store: Arc<SeaOrmUsers>,
    logins: SeaOrmLogins,
    cache: TieredUserCache,
    frontier: FollowedFrontier,
    managed_tokens: Arc<ManagedTokens>,
    jwks: Option<Arc<Jwks>>,
}

impl Composition {
    /// Composes the service from its settings. PostgreSQL need not be available yet.
    ///
    /// # Errors
    /// If a SQLite file cannot be opened, or password hashing cannot start.
    pub async fn new(settings: &Settings) -> Result<Self, ComposeError> {
        Self::with_guards(settings, Guards::default()).await
    }

    /// Composes the service with these guards of its store and its cache. A release has all of them.
    ///
    /// # Errors
    /// Those of [`Composition::new`].
    pub async fn with_guards(settings: &Settings, guards: Guards) -> Result<Self, ComposeError> {
        let connections = connect(settings, guards).await?;
        let users = Arc::new(SeaOrmUsers::new(connections.clone()));
        let machine_clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let clock = Arc::new(users.clock(machine_clock.clone()));
        let cache = TieredUserCache::new(cache_options(settings, clock.clone(), guards));
        let hasher = HashingPool::start(&hashing_options(&settings.passwords))?;
        let logins = SeaOrmLogins::new(
            SeaOrmUsers::clone(&users),
            &keys::derive(&settings.tokens, "user-service logins v1"),
            hasher.dummy_hash(),
        );
        let managed_tokens = Arc::new(ManagedTokens::new(
            users.clone(),
            cache.tokens(),
            clock.clone(),
        ));
        let static_tokens = StaticTokens::new(
            &settings.tokens.allowed_api_tokens,
            &keys::derive(&settings.tokens, "user-service names of service tokens v1"),
        );
        let jwks = settings.tokens.jwks.as_ref().map(|jwks| {
            let sources = key_sources(jwks);
            Arc::new(Jwks::new(sources, jwks.refresh, machine_clock.clone()))
        });
        let frontier = FollowedFrontier::default();
        let ports = Ports {
            reader: Arc::new(CoalescingReader::new(users.clone())),
            writer: users.clone(),
            directory: users.clone(),
            import: users.clone(),
            change_log: users.clone(),
            erasures: users.clone(),
            event_feed: users.clone(),
            event_frontier: Arc::new(frontier.clone()),
            event_relays: users.clone(),
            records: users.clone(),
            retention: users.clone(),
            suspension_ends: users.clone(),
            credentials: users.clone(),
            relationships: users.clone(),
            follow_count_maintenance: users.clone(),
            login_attempts: Arc::new(logins.clone()),
            dummy_hashes: Arc::new(logins.clone()),
            hasher: Arc::new(hasher),
            cache: Arc::new(cache.clone()),
            write_records: users.clone(),
            health: users.clone(),
            tokens: Arc::new(JwtVerifier::new(
                jwt_options(&settings.tokens),
                jwks.clone(),
                // The times in a token are those of its issuer, not of the store.
                machine_clock,
            )),
            service_tokens: Arc::new(ServiceTokenChain::new(
                static_tokens,
                managed_tokens.clone(),
            )),
            token_registry: managed_tokens.clone(),
            clock: clock.clone(),
            store_clock: clock.clone(),
            ids: Arc::new(UuidV7Ids),
            consistency: StoreConsistency::of(&users, &cache).map(|port| Arc::new(port) as _),
            standby_reader: StandbyReader::of(&users).map(|reader| Arc::new(reader) as _),
        };
        Ok(Self {
            ports,
            clock,
            connections,
            store: users,
            logins,
            cache,
            frontier,
            managed_tokens,
            jwks,
        })
    }

    /// Reads the published keys of tokens periodically for as long as it is polled, if the settings name any. Without it,
    /// no key is known.
    pub async fn keep_jwks_fresh(self) {
        if let Some(jwks) = &self.jwks {
            jwks.keep_fresh().await;
        }
    }

    /// Samples the cost of stored password hashes, which determines the cost of a login to an unknown account. A
    /// failure keeps the previous sample.
    ///
    /// # Errors
    /// The store's.
    pub async fn sample_passwords(&self) -> Result<(), StoreError> {
        self.logins.refresh_dummy_hashes().await
    }

    /// Stores the last use of service tokens once a minute, for as long as it is polled.
    pub async fn run_token_usage_writer(self) {
        self.managed_tokens.run_usage_writer().await;
    }

    /// Stores the last use of service tokens now.
    pub async fn write_token_uses(&self) {
        self.managed_tokens.write_uses().await;
    }

    /// Synchronizes the clock with that of the database periodically, for as long as it is polled.
    pub async fn keep_clock_synchronized(self) {
        self.clock.keep_synchronized().await;
    }

    /// Synchronizes the clock with that of the database once, before the first write.
    ///
    /// # Errors
    /// Those of the store, at the latest after the timeout of a request. The clock is then that of the machine.
    pub async fn synchronize_clock(&self) -> Result<(), StoreError> {
        self.clock.read().await.map(drop)
    }

    /// Keeps the cache fresh for as long as it is polled. Without it, every read uses the database.
    pub async fn keep_cache_fresh(&self) {
        self.cache.keep_fresh(&self.store).await;
    }

    /// Follows the frontier of the event feed for as long as it is polled. Without it, no event can be read.
    pub async fn follow_event_frontier(self) {
        self.frontier.follow(&*self.store).await;
    }

    /// Closes the connections to the database. Does not wait for broken connections.
    pub async fn close(self) {
        if timeout(DATABASE_CLOSE_TIMEOUT, self.connections.close())
            .await
            .is_err()
        {
            tracing::warn!("some database connections did not close in time");
        }
    }

    /// Creates the use cases on these ports.
    pub fn use_cases(&self) -> UseCases {
        UseCases::new(&self.ports)
    }

    /// Checks that the database is reachable and can be used.
    ///
    /// # Errors
    /// [`ComposeError::Migrate`].
    pub(crate) async fn check_database(&self) -> Result<(), ComposeError> {
        let checked = Box::pin(self.connections.check()).await;
        Ok(checked.map_err(user_migrations::MigrateError::from)?)
    }

    /// Applies pending migrations and returns their names.
    ///
    /// # Errors
    /// [`ComposeError::Migrate`].
    pub async fn migrate(&self, schema: Option<&str>) -> Result<Vec<String>, ComposeError> {
        Ok(self.connections.migrate(schema).await?)
    }

    /// Creates missing indexes of these metadata keys. If `drop_others`, also drops the indexes of all other keys.
    ///
    /// # Errors
    /// [`ComposeError::Migrate`].
    pub async fn update_metadata_indexes(
        &self,
        keys: &[MetadataKey],
        drop_others: bool,
    ) -> Result<IndexOutcome, ComposeError> {
        let kept = self.connections.update_metadata_indexes(keys, drop_others);
        Ok(kept.await.map_err(user_migrations::MigrateError::from)?)
    }

    /// Returns the names of the pending migrations.
    ///
    /// # Errors
    /// [`ComposeError::Database`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, ComposeError> {
        self.connections
            .pending_migrations()
            .await
            .map_err(|error| ComposeError::Database(user_migrations::describe(&error)))
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

fn cache_options(settings: &Settings, clock: Arc<dyn Clock>, guards: Guards) -> CacheOptions {
    CacheOptions {
        memory_bytes: settings.cache.memory,
        redis: redis_options(settings),
        clock,
        guards,
    }
}

/// Returns the connection options of Redis, if the settings name one.
pub(crate) fn redis_options(settings: &Settings) -> Option<RedisOptions> {
    let connection = settings.cache.redis.clone()?;
    Some(RedisOptions {
        connection,
        timeout: settings.cache.redis_timeout,
        sealing_key: keys::derive(&settings.tokens, "user-service users in Redis v1"),
    })
}

/// Returns an error if the settings name a Redis that the service cannot use. Redis may be unavailable.
///
/// # Errors
/// [`ComposeError::Redis`].
pub(crate) async fn refuse_unusable_redis(settings: &Settings) -> Result<(), ComposeError> {
    match redis_options(settings) {
        Some(redis) => cache::refuse_cluster(&redis)
            .await
            .map_err(ComposeError::Redis),
        None => Ok(()),
    }
}

async fn connect(settings: &Settings, guards: Guards) -> Result<Connections, ComposeError> {
    let database = &settings.database;
    let opened = match &database.target {
        DatabaseTarget::Postgres {
            url,
            further_urls,
            accepts_standby,
        } => {
            let options = PoolOptions {
                further_servers: further_urls.clone(),
                accepts_standby: *accepts_standby,
                is_pooled: database.pooler == settings::Pooler::Transaction,
                maintenance_servers: database
                    .migration_target
                    .as_ref()
                    .map(DatabaseTarget::urls)
                    .unwrap_or_default(),
                schema: database.schema.clone(),
                max_connections: database.max_connections,
                standbys: database.read_urls.clone(),
                standby_time_without_primary: Some(database.read_time_without_primary),
                guards,
            };
            Connections::postgres(url.expose_secret(), &options).await
        }
        DatabaseTarget::Sqlite { path } => {
            if let Some(folder) = path.parent() {
                create_folder(folder)?;
            }
            Connections::sqlite(path).await
        }
    };
    opened.map_err(|error| ComposeError::Database(user_migrations::describe(&error)))
}

/// Creates a folder that only its owner can read, unless it exists.
pub(crate) fn create_folder(folder: &Path) -> Result<(), ComposeError> {
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

fn key_sources(jwks: &JwksSettings) -> Vec<KeySource> {
    let url = jwks.url.as_ref().map(|url| KeySource::Url {
        url: url.to_string(),
        ca_file: jwks.ca_file.clone(),
    });
    let file = jwks.file.clone().map(KeySource::File);
    file.into_iter().chain(url).collect()
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
