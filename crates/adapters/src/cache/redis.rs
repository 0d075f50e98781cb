//! The tier in Redis, shared by the replicas: what is read from it and told to it over the link there is.
//!
//! A link is one connection for its whole life: whatever is asked on it is answered by the server that it was made to.
//! [`link`] keeps one up; nothing here waits for it.

mod breaker;
mod clear;
mod connect;
mod keys;
mod link;
mod scripts;
mod tokens;
mod value;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::KeysInterface;
use fred::types::Value;
use secrecy::SecretString;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use tracing::Instrument;
use user_domain::ports::LogPosition;
use user_domain::user::User;
use user_domain::values::UserId;

use super::freshness::Freshness;
use super::meters::{LinkMeters, Meters};
use crate::guards::Guards;
use crate::operations::{System, timed};
use breaker::Breaker;
pub use clear::clear;
pub use connect::RedisError;
use keys::Keys;
use value::Values;

/// How long a read waits for Redis, and a write for its news to be told.
const PATIENCE: Duration = Duration::from_millis(5);
/// How many more users a read may ask for in each further millisecond.
const USERS_A_MILLISECOND: usize = 50;
/// How long anything else may take. Whoever does not answer by then is gone.
const DEADLINE: Duration = Duration::from_millis(500);
/// How long a reader may take to fill in what it leased.
const LEASE: Duration = Duration::from_secs(3);
/// How long a user is kept.
const USER_LIFE: Duration = Duration::from_hours(1);
/// How long it is kept that there is no user: anybody may ask for any id.
const ABSENCE_LIFE: Duration = Duration::from_mins(1);
/// How many fills may be under way; the others are left out.
const FILLS: usize = 256;
/// How many users one step corrects.
const STEP: usize = 500;

/// How a Redis is reached.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://` or `rediss://`.
    pub url: SecretString,
    /// The certificates to believe instead of the machine's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// What users are sealed with there; the same on every replica.
    pub sealing_key: [u8; 32],
}

/// The tier in Redis.
pub(super) struct SecondTier {
    options: RedisOptions,
    link: RwLock<Option<Arc<Link>>>,
    values: Values,
    breaker: Breaker,
    fills: Arc<Semaphore>,
    freshness: Arc<Freshness>,
    meters: Arc<Meters>,
    state: LinkMeters,
    guards: Guards,
}

/// A connection to Redis that has joined an epoch.
pub(super) struct Link {
    client: Client,
    keys: Keys,
    epoch: String,
    /// Whether the users there have been corrected since this link came up.
    corrected: AtomicBool,
    broken: Notify,
}

/// Leave to fill a user in over one link.
pub(super) struct SecondLease {
    link: Arc<Link>,
    token: String,
}

/// What Redis tells of one user.
pub(super) enum Told {
    /// The user, or that there is none.
    Known(Option<Arc<User>>),
    /// Nothing; perhaps with leave to fill it in.
    Nothing(Option<SecondLease>),
}

impl SecondTier {
    pub(super) fn new(
        options: RedisOptions,
        freshness: Arc<Freshness>,
        meters: Arc<Meters>,
        guards: Guards,
    ) -> Self {
        Self {
            values: Values::new(&options.sealing_key),
            options,
            link: RwLock::default(),
            breaker: Breaker::default(),
            fills: Arc::new(Semaphore::new(FILLS)),
            freshness,
            meters,
            state: LinkMeters::default(),
            guards,
        }
    }

    /// Reads users, by one question. Whatever is not there within a few milliseconds is nothing.
    pub(super) async fn read(&self, ids: &[UserId]) -> Vec<Told> {
        let begun = Instant::now();
        let nothing = || ids.iter().map(|_| Told::Nothing(None)).collect();
        let Some(link) = self.readable() else {
            return nothing();
        };
        // The epoch comes first: a reply may not begin with a word that somebody else has chosen.
        let mut keys = Vec::with_capacity(ids.len() + 1);
        keys.push(link.keys.epoch());
        keys.extend(ids.iter().map(|id| link.keys.user(*id)));
        let more = Duration::from_millis((ids.len() / USERS_A_MILLISECOND) as u64);
        let patience = PATIENCE + more;
        let asked = timeout(patience, link.client.mget::<Vec<Value>, _>(keys));
        let values = match timed(System::Redis, "read", asked, is_failure).await {
            Ok(Ok(values)) if values.len() == ids.len() + 1 => values,
            failed => {
                // Not what it told instead: that may be somebody's data.
                let error = failed.map(Result::err);
                tracing::debug!(?error, "Redis did not tell");
                self.breaker.failed();
                self.meters.shared.error.increment(ids.len() as u64);
                return nothing();
            }
        };
        let mut values = values.into_iter();
        let epoch = values.next();
        if epoch.and_then(|epoch| epoch.as_string()).as_ref() != Some(&link.epoch) {
            // The next heartbeat ends the link.
            return nothing();
        }
        let mut told: Vec<Told> = ids
            .iter()
            .zip(values)
            .map(|(id, value)| {
                let told = value.as_bytes();
                match told.and_then(|told| self.values.decode(told, &link.epoch, *id)) {
                    Some(kept) => Told::Known(kept.0),
                    None => Told::Nothing(None),
                }
            })
            .collect();
        self.lease(
            &link,
            ids,
            &mut told,
            patience.saturating_sub(begun.elapsed()),
        )
        .await;
        told
    }

    /// Takes leases of the users that Redis did not know. Who gets none fills nothing in.
    async fn lease(&self, link: &Arc<Link>, ids: &[UserId], told: &mut [Told], patience: Duration) {
        let missing: Vec<(&UserId, &mut Told)> = ids
            .iter()
            .zip(told)
            .filter(|(_, told)| matches!(told, Told::Nothing(_)))
            .collect();
        if missing.is_empty() {
            return self.breaker.succeeded();
        }
        let leases: Vec<String> = missing
            .iter()
            .map(|(id, _)| link.keys.lease(**id))
            .collect();
        let token = random();
        let arguments = vec![token.clone(), LEASE.as_millis().to_string()];
        let asked = scripts::LEASE.evalsha_with_reload(&link.client, leases, arguments);
        let asked = timed(System::Redis, "lease", timeout(patience, asked), is_failure);
        let answers: Vec<i64> = match asked.await {
            Ok(Ok(answers)) => answers,
            // It has answered: it is full, say.
            Ok(Err(error)) => {
                tracing::debug!(%error, "Redis gave no lease");
                return self.breaker.succeeded();
            }
            Err(_) => {
                self.breaker.failed();
                return;
            }
        };
        self.breaker.succeeded();
        for ((_, told), answer) in missing.into_iter().zip(answers) {
            if answer == 1 {
                *told = Told::Nothing(Some(SecondLease {
                    link: link.clone(),
                    token: token.clone(),
                }));
            }
        }
    }

    /// Fills in what was read under a lease, in the background.
    pub(super) fn fill(&self, lease: SecondLease, id: UserId, found: Option<&Arc<User>>) {
        let Ok(turn) = self.fills.clone().try_acquire_owned() else {
            return;
        };
        let SecondLease { link, token } = lease;
        let Some(value) = self.values.encode(&link.epoch, id, found) else {
            return;
        };
        let life = if found.is_some() {
            USER_LIFE
        } else {
            ABSENCE_LIFE
        };
        let script = self.fill_script();
        let filling = async move {
            let _turn = turn;
            let keys = vec![link.keys.user(id), link.keys.lease(id)];
            let arguments: Vec<Value> = vec![
                token.into(),
                Value::Bytes(value.into()),
                life.as_millis().to_string().into(),
            ];
            let asked = script.evalsha_with_reload::<i64, _, _>(&link.client, keys, arguments);
            let asked = timeout(DEADLINE, asked);
            if let Ok(Err(error)) = timed(System::Redis, "fill", asked, is_failure).await {
                tracing::debug!(%error, "Redis took no user");
            }
        };
        tokio::spawn(filling.in_current_span());
    }

    #[cfg(feature = "removable-guards")]
    fn fill_script(&self) -> &'static fred::types::scripts::Script {
        if self.guards.stands(crate::guards::Guard::Lease) {
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

    /// Tells Redis and the other replicas that a version exists, and waits for it a few milliseconds.
    ///
    /// What is not told within that time is told all the same if it can be, and by the tail of every replica in any case.
    pub(super) async fn tell(self: &Arc<Self>, id: UserId, version: i64) {
        let Some(link) = self.link() else {
            return;
        };
        let tier = self.clone();
        let telling = async move {
            let change = [(id, version)];
            let told = timeout(DEADLINE, link.mark(&change));
            match timed(System::Redis, "tell", told, is_failure).await {
                Ok(Ok(())) => tier.breaker.succeeded(),
                Ok(Err(error)) => tracing::debug!(%error, "Redis was not told of a change"),
                Err(_) => tracing::debug!("Redis was not told of a change in time"),
            }
        };
        let telling = tokio::spawn(telling.in_current_span());
        if self.breaker.is_closed() && timeout(PATIENCE, telling).await.is_err() {
            self.breaker.failed();
        }
    }

    /// Takes out what the outbox says is old, and tells it to those whose own outbox is away.
    async fn correct(&self, link: &Link, changes: &[(UserId, i64)]) -> Result<(), RedisError> {
        for changes in changes.chunks(STEP) {
            timeout(DEADLINE, link.mark(changes)).await??;
        }
        Ok(())
    }

    /// The link, whether or not it may be read from.
    fn link(&self) -> Option<Arc<Link>> {
        self.link
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_link(&self, link: Option<Arc<Link>>) {
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = link;
    }

    /// The link, if what it reads can be believed and it is not left alone.
    fn readable(&self) -> Option<Arc<Link>> {
        self.link().filter(|link| {
            link.corrected.load(Ordering::Acquire)
                && self.breaker.is_closed()
                && self
                    .freshness
                    .stamps()
                    .second_voucher(Instant::now())
                    .is_some()
        })
    }

    /// Writes the state that changes by itself into the gauges.
    pub(super) fn measure(&self) {
        let figure = |holds: bool| if holds { 1.0 } else { 0.0 };
        let is_up = self
            .link()
            .is_some_and(|link| link.corrected.load(Ordering::Acquire));
        self.state.link.set(figure(is_up));
        self.state.breaker.set(figure(!self.breaker.is_closed()));
    }
}

impl Link {
    /// Takes out what is below these versions, voids the leases and tells the replicas.
    async fn mark(&self, changes: &[(UserId, i64)]) -> Result<(), RedisError> {
        let mut keys = Vec::with_capacity(changes.len() * 2);
        let mut arguments = Vec::with_capacity(changes.len() * 2 + 1);
        arguments.push(self.keys.changes());
        for (id, version) in changes {
            keys.extend([self.keys.user(*id), self.keys.lease(*id)]);
            arguments.extend([version.to_string(), link::news(*id, *version)]);
        }
        scripts::MARK
            .evalsha_with_reload::<i64, _, _>(&self.client, keys, arguments)
            .await?;
        Ok(())
    }

    /// Gives how far the users of the epoch have been corrected; nothing if nobody knows.
    async fn position(&self) -> Result<Option<LogPosition>, RedisError> {
        let asked = self.client.get::<Value, _>(self.keys.position());
        let position = timeout(DEADLINE, asked).await??;
        // Whatever stands there by mistake need not be text.
        let text = position
            .as_bytes()
            .and_then(|bytes| str::from_utf8(bytes).ok());
        Ok(text.map(|text| LogPosition::from_store(text.to_owned())))
    }

    /// Notes how far the users have been corrected.
    async fn advance(&self, position: &LogPosition) -> Result<(), RedisError> {
        let keys = vec![self.keys.epoch(), self.keys.position()];
        let arguments = vec![self.epoch.clone(), position.as_str().to_owned()];
        let asked =
            scripts::ADVANCE.evalsha_with_reload::<i64, _, _>(&self.client, keys, arguments);
        timeout(DEADLINE, asked).await??;
        Ok(())
    }

    /// Ends the epoch, so that nothing that was filled in counts any more.
    async fn clear(&self) -> Result<(), RedisError> {
        let keys = vec![self.keys.epoch(), self.keys.position()];
        let arguments = vec![self.epoch.clone(), self.keys.changes()];
        let asked = scripts::CLEAR.evalsha_with_reload::<i64, _, _>(&self.client, keys, arguments);
        timeout(DEADLINE, asked).await??;
        Ok(())
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
