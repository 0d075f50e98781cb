//! Which connections apply migrations and build indexes.

use std::sync::Arc;

use sea_orm::DbErr;
use secrecy::ExposeSecret as _;

use super::{Connections, Pool, PoolOptions};

/// Which connections apply migrations and build indexes.
#[derive(Clone)]
pub(super) enum Maintenance {
    /// The write connections.
    Writes,
    /// Connections of their own.
    Own(Arc<PoolOptions>),
    /// None: the others are pooled.
    Unavailable,
}

impl Maintenance {
    pub(super) fn of(options: &PoolOptions) -> Self {
        match (options.maintenance_servers.is_empty(), options.is_pooled) {
            (false, _) => Self::Own(Arc::new(options.clone())),
            (true, false) => Self::Writes,
            (true, true) => Self::Unavailable,
        }
    }

    /// Returns the pool for migrations and index builds, and the connections to close afterwards.
    pub(super) async fn pool(&self, writes: &Pool) -> Result<(Pool, Option<Connections>), DbErr> {
        let options = match self {
            Self::Writes => return Ok((writes.clone(), None)),
            Self::Own(options) => options,
            Self::Unavailable => {
                let refusal = "migrations and index builds need a session, which a connection pooler in transaction mode \
                    does not provide: set MIGRATE_DATABASE_URI to the server itself, or to a pooler in session mode";
                return Err(DbErr::Custom(refusal.to_owned()));
            }
        };
        let mut urls = options.maintenance_servers.iter();
        let url = urls.next().map_or("", |url| url.expose_secret());
        let options = PoolOptions {
            further_servers: urls.cloned().collect(),
            is_pooled: false,
            maintenance_servers: Vec::new(),
            standbys: Vec::new(),
            ..PoolOptions::clone(options)
        };
        let own = Connections::postgres(url, &options).await?;
        own.check().await?;
        Ok((own.writes.clone(), Some(own)))
    }
}
