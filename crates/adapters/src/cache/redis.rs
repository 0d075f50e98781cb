//! The Redis tier, which all replicas share.
//!
//! A session uses one connection for its whole life, so every reply comes from the server that the session joined.
//! [`session`] keeps a session up. No request waits for one.

mod breaker;
mod clear;
mod commands;
mod connect;
mod identity;
mod keys;
mod messages;
pub(super) mod options;
mod scripts;
mod sentinel;
mod session;
mod tls;
mod tokens;
mod value;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::KeysInterface;
use fred::types::Value;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use tracing::Instrument;
use user_domain::user::User;
use user_domain::values::UserId;

use super::freshness::FreshnessTracker;
use super::meters::{Meters, RedisMeters};
use super::recent_changes::{ABSENCE_TTL, RecentChanges, USER_TTL};
use crate::failure::failure;
use crate::guards::Guards;
use crate::operations::{System, timed};
use breaker::CircuitBreaker;
pub use clear::clear;
pub use connect::{RedisError, refuse_cluster};
use identity::ServerIdentity;
use keys::RedisKeys;
use options::RedisOptions;
use value::ValueCodec;

/// The number of users that extend the time limit of a read by one millisecond.
const USERS_PER_MILLISECOND: usize = 50;
/// The time limit of every other command. A heartbeat or a correction that exceeds it ends the session.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(500);
/// The time that a reader has between its lease and its fill.
const LEASE_TTL: Duration = Duration::from_secs(3);
/// The maximum number of concurrent fills. Further fills are skipped.
const MAX_CONCURRENT_FILLS: usize = 256;
/// The maximum number of users in one correction command.
const CORRECTION_BATCH: usize = 500;

/// The Redis tier.
pub(super) struct RedisTier {
    options: RedisOptions,
    session: RwLock<Option<Arc<RedisSession>>>,
    values: ValueCodec,
    breaker: CircuitBreaker,
    fills: Arc<Semaphore>,
    recent: Arc<RecentChanges>,
    freshness: Arc<FreshnessTracker>,
    meters: Arc<Meters>,
    redis_meters: RedisMeters,
    guards: Guards,
}

/// A connection to Redis that has joined an epoch.
pub(super) struct RedisSession {
    client: Client,
    keys: RedisKeys,
    /// The server at the start of the session.
    server: ServerIdentity,
    epoch: String,
    /// The history of the database at the start of the session.
    history: String,
    /// The origin that values are sealed for: the epoch, and a digest of the store's id and history.
    origin: String,
    /// Whether the users in Redis have been corrected since the session started.
    corrected: AtomicBool,
    broken: Notify,
}

/// A lease to store one user, valid for one session.
pub(super) struct RedisLease {
    session: Arc<RedisSession>,
    token: String,
    /// When its reader started, before the database query.
    started: i64,
}

/// The result of reading one user from Redis.
pub(super) enum RedisLookup {
    /// The user, or its absence.
    Known(Option<Arc<User>>),
    /// A miss, with a lease if one could be taken.
    Miss(Option<RedisLease>),
}

impl RedisTier {
    pub(super) fn new(
        options: RedisOptions,
        recent: Arc<RecentChanges>,
        freshness: Arc<FreshnessTracker>,
        meters: Arc<Meters>,
        guards: Guards,
    ) -> Self {
        Self {
            values: ValueCodec::new(&options.sealing_key),
            options,
            session: RwLock::default(),
            breaker: CircuitBreaker::default(),
            fills: Arc::new(Semaphore::new(MAX_CONCURRENT_FILLS)),
            recent,
            freshness,
            meters,
            redis_meters: RedisMeters::default(),
            guards,
        }
    }

    /// Reads users with one command. What Redis does not return in time is a miss.
    pub(super) async fn read(&self, ids: &[UserId]) -> Vec<RedisLookup> {
        let (started, now) = (Instant::now(), self.recent.now());
        let misses = || ids.iter().map(|_| RedisLookup::Miss(None)).collect();
        let Some(session) = self.readable() else {
            return misses();
        };
        // The epoch is the first key, so that no reply begins with a value that another client chose.
        let mut keys = Vec::with_capacity(ids.len() + 1);
        keys.push(session.keys.epoch());
        keys.extend(ids.iter().map(|id| session.keys.user(*id)));
        let more = Duration::from_millis((ids.len() / USERS_PER_MILLISECOND) as u64);
        let max_wait = self.options.timeout + more;
        let call = timeout(max_wait, session.client.mget::<Vec<Value>, _>(keys));
        let values = match timed(System::Redis, "read", call, is_failure).await {
            Ok(Ok(values)) if values.len() == ids.len() + 1 => values,
            failed => {
                let cause = failure(failed);
                tracing::debug!(cause, "Redis read failed");
                self.breaker.record_failure();
                self.meters.shared.error.increment(ids.len() as u64);
                return misses();
            }
        };
        let mut values = values.into_iter();
        let epoch = values.next();
        if epoch.and_then(|epoch| epoch.as_string()).as_ref() != Some(&session.epoch) {
            // The next heartbeat ends the session.
            return misses();
        }
        let mut results: Vec<RedisLookup> = ids
            .iter()
            .zip(values)
            .map(|(id, value)| {
                let decoded = value
                    .as_bytes()
                    .and_then(|bytes| self.values.decode(bytes, &session.origin, *id));
                match decoded {
                    Some(decoded) if self.recent.accepts(*id, decoded.header, now) => {
                        RedisLookup::Known(decoded.user)
                    }
                    Some(_) | None => RedisLookup::Miss(None),
                }
            })
            .collect();
        self.lease(
            &session,
            ids,
            &mut results,
            now,
            max_wait.saturating_sub(started.elapsed()),
        )
        .await;
        results
    }

    /// Takes leases for the users that Redis did not have. A reader without a lease stores nothing.
    async fn lease(
        &self,
        session: &Arc<RedisSession>,
        ids: &[UserId],
        results: &mut [RedisLookup],
        started: i64,
        max_wait: Duration,
    ) {
        let missing: Vec<(&UserId, &mut RedisLookup)> = ids
            .iter()
            .zip(results)
            .filter(|(_, result)| matches!(result, RedisLookup::Miss(_)))
            .collect();
        if missing.is_empty() {
            return self.breaker.record_success();
        }
        let leases: Vec<String> = missing
            .iter()
            .map(|(id, _)| session.keys.lease(**id))
            .collect();
        let token = random();
        let arguments = vec![token.clone(), LEASE_TTL.as_millis().to_string()];
        let call = scripts::LEASE.evalsha_with_reload(&session.client, leases, arguments);
        let call = timed(System::Redis, "lease", timeout(max_wait, call), is_failure);
        let answers: Vec<i64> = match call.await {
            Ok(Ok(answers)) => answers,
            // Redis replied with an error, for example because its memory is full.
            Ok(Err(error)) => {
                tracing::debug!(%error, "Redis refused leases");
                return self.breaker.record_success();
            }
            Err(_) => {
                self.breaker.record_failure();
                return;
            }
        };
        self.breaker.record_success();
        for ((_, result), answer) in missing.into_iter().zip(answers) {
            if answer == 1 {
                *result = RedisLookup::Miss(Some(RedisLease {
                    session: session.clone(),
                    token: token.clone(),
                    started,
                }));
            }
        }
    }

    /// Stores what was read under a lease, in the background.
    pub(super) fn fill(&self, lease: RedisLease, id: UserId, found: Option<&Arc<User>>) {
        let Ok(permit) = self.fills.clone().try_acquire_owned() else {
            return;
        };
        let RedisLease {
            session,
            token,
            started,
        } = lease;
        let Some(value) = self.values.encode(&session.origin, id, found, started) else {
            return;
        };
        let ttl = if found.is_some() {
            USER_TTL
        } else {
            ABSENCE_TTL
        };
        let script = self.fill_script();
        let filling = async move {
            let _permit = permit;
            let keys = vec![session.keys.user(id), session.keys.lease(id)];
            let arguments: Vec<Value> = vec![
                token.into(),
                Value::Bytes(value.into()),
                ttl.as_millis().to_string().into(),
            ];
            let call = script.evalsha_with_reload::<i64, _, _>(&session.client, keys, arguments);
            let call = timeout(COMMAND_TIMEOUT, call);
            if let Ok(Err(error)) = timed(System::Redis, "fill", call, is_failure).await {
                tracing::debug!(%error, "Redis refused to store a user");
            }
        };
        tokio::spawn(filling.in_current_span());
    }

    #[cfg(feature = "removable-guards")]
    fn fill_script(&self) -> &'static fred::types::scripts::Script {
        if self.guards.is_active(crate::guards::Guard::Lease) {
            &scripts::FILL
        } else {
            &scripts::FILL_UNLEASED
        }
    }

    #[cfg(not(feature = "removable-guards"))]
    #[expect(
        clippy::unused_self,
        reason = "the guards of a release cannot be removed"
    )]
    fn fill_script(&self) -> &'static fred::types::scripts::Script {
        &scripts::FILL
    }

    /// Invalidates older revisions in Redis and in the other replicas, and waits for that until the time limit of a request.
    ///
    /// After that time the command continues in the background. The outbox poller of every replica invalidates in any
    /// case.
    pub(super) async fn publish(self: &Arc<Self>, id: UserId, revision: i64) {
        let Some(session) = self.session() else {
            return;
        };
        let tier = self.clone();
        let publishing = async move {
            let change = [(id, revision)];
            let call = timeout(COMMAND_TIMEOUT, session.invalidate(&change));
            match timed(System::Redis, "tell", call, is_failure).await {
                Ok(Ok(())) => tier.breaker.record_success(),
                Ok(Err(error)) => tracing::debug!(%error, "Redis invalidation failed"),
                Err(_) => tracing::debug!("Redis invalidation timed out"),
            }
        };
        let publishing = tokio::spawn(publishing.in_current_span());
        if self.breaker.is_closed() && timeout(self.options.timeout, publishing).await.is_err() {
            self.breaker.record_failure();
        }
    }

    /// Deletes the older revisions of changed users, and publishes the changes to replicas that cannot read the outbox.
    async fn correct(
        &self,
        session: &RedisSession,
        changes: &[(UserId, i64)],
    ) -> Result<(), RedisError> {
        for changes in changes.chunks(CORRECTION_BATCH) {
            timeout(COMMAND_TIMEOUT, session.invalidate(changes)).await??;
        }
        Ok(())
    }

    /// Returns the session, whether or not it may be read from.
    fn session(&self) -> Option<Arc<RedisSession>> {
        self.session
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_session(&self, session: Option<Arc<RedisSession>>) {
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = session;
    }

    /// Returns the session if its values are fresh and the circuit breaker is closed.
    fn readable(&self) -> Option<Arc<RedisSession>> {
        self.session().filter(|session| {
            session.corrected.load(Ordering::Acquire)
                && self.breaker.is_closed()
                && self
                    .freshness
                    .snapshot()
                    .redis_source(Instant::now())
                    .is_some()
        })
    }

    /// Updates the gauges.
    pub(super) fn measure(&self) {
        let figure = |holds: bool| if holds { 1.0 } else { 0.0 };
        let is_up = self
            .session()
            .is_some_and(|session| session.corrected.load(Ordering::Acquire));
        self.redis_meters.session.set(figure(is_up));
        self.redis_meters
            .breaker
            .set(figure(!self.breaker.is_closed()));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a token between two programs, not an id of the domain"
)]
fn random() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn is_failure<T, E, L>(answer: &Result<Result<T, E>, L>) -> bool {
    !matches!(answer, Ok(Ok(_)))
}
