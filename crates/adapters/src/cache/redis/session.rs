//! Keeps a session with Redis up: applies messages, sends heartbeats, and reconnects.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fred::interfaces::KeysInterface;
use fred::types::Message;
use futures_util::future::BoxFuture;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use user_domain::ports::{ChangeLog, LogPosition};
use user_domain::values::UserId;

use super::connect::{self, OpenedSession};
use super::keys::RedisKeys;
use super::messages::{FLUSH, parse_token_message, parse_user_message};
use super::{COMMAND_TIMEOUT, RedisError, RedisSession, RedisTier};
use crate::cache::invalidation::InvalidationTarget;
use crate::cache::outbox_poller::{Correction, OutboxPoller};
use crate::failure::failure;
use crate::guards::Guard;
use crate::sea_orm::change_log;

/// The interval between two heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(250);
/// The shortest and the longest wait before another connection attempt.
const MIN_RECONNECT_INTERVAL: Duration = Duration::from_millis(50);
const MAX_RECONNECT_INTERVAL: Duration = Duration::from_secs(1);
/// The minimum time between two warnings that Redis is unavailable.
const REMINDER_INTERVAL: Duration = Duration::from_secs(30);
/// The position is stored after this many polls without a change.
const MAX_QUIET_POLLS: u32 = 40;

/// The longest time that a reader waits for Redis. This long after the end of a session, none waits for its replies.
const MAX_READER_WAIT: Duration = Duration::from_secs(5);

/// The start and the duration of a heartbeat; `None` if another epoch has started.
type Heartbeat = Option<(Instant, Duration)>;

/// Why a session has ended.
enum SessionEnd {
    /// Another epoch has started. The next session joins it.
    NewEpoch,
    /// The connection failed, or changes of the outbox could not be applied.
    Broken(String),
}

impl RedisTier {
    /// Keeps a session up for as long as the future is polled, and applies its messages to the in-process tier.
    pub(in crate::cache) async fn keep_connected(
        self: Arc<Self>,
        store: &str,
        memory: &dyn InvalidationTarget,
        poller: &OutboxPoller,
    ) {
        let keys = RedisKeys::of(store);
        let mut retry = MIN_RECONNECT_INTERVAL;
        let mut last_warning: Option<Instant> = None;
        let server = &self.options.connection.server;
        loop {
            let position = poller.position().await;
            let any_server = !self.guards.is_active(Guard::ServerIdentity);
            match connect::connect(&self.options, &keys, &position, any_server).await {
                Ok(opened) => {
                    tracing::info!("Redis connected");
                    let session = opened.session.clone();
                    let ended = self.run(opened, memory).await;
                    self.set_session(None);
                    self.freshness.record_disconnection();
                    match ended {
                        SessionEnd::NewEpoch => tracing::info!("Redis cache epoch ended"),
                        SessionEnd::Broken(reason) => {
                            tracing::warn!(%reason, "Redis connection lost");
                        }
                    }
                    // A session that never became usable counts as a failed attempt.
                    if session.corrected.load(Ordering::Acquire) {
                        (retry, last_warning) = (MIN_RECONNECT_INTERVAL, None);
                    }
                }
                Err(error) => {
                    if last_warning
                        .is_none_or(|last_warning| last_warning.elapsed() >= REMINDER_INTERVAL)
                    {
                        tracing::warn!(address = %server, %error, "Redis unavailable; requests are served without it");
                        last_warning = Some(Instant::now());
                    }
                }
            }
            sleep(retry).await;
            retry = (retry * 2).min(MAX_RECONNECT_INTERVAL);
        }
    }

    /// Runs a session until it ends.
    async fn run(&self, opened: OpenedSession, memory: &dyn InvalidationTarget) -> SessionEnd {
        let OpenedSession {
            session,
            mut messages,
            mut connection,
        } = opened;
        self.freshness.record_connection(Instant::now());
        self.set_session(Some(session.clone()));
        let mut ticks = interval(HEARTBEAT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heartbeat: Option<BoxFuture<'_, Result<Heartbeat, RedisError>>> = None;
        loop {
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Ok(message) => if !self.apply(&message, memory) {
                        return SessionEnd::NewEpoch;
                    },
                    Err(lost) => return SessionEnd::Broken(lost.to_string()),
                },
                reason = connection.ended() => return SessionEnd::Broken(reason),
                () = session.broken.notified() => {
                    return SessionEnd::Broken("changes of the outbox could not be applied".to_owned());
                }
                result = next(&mut heartbeat) => {
                    heartbeat = None;
                    let (started, took) = match result {
                        Ok(Some(result)) => result,
                        Ok(None) => return SessionEnd::NewEpoch,
                        Err(error) => return SessionEnd::Broken(error.to_string()),
                    };
                    // All messages that were sent before the reply have arrived.
                    match drain(&mut messages, |message| self.apply(message, memory)) {
                        Ok(true) => {}
                        Ok(false) => return SessionEnd::NewEpoch,
                        Err(lost) => return SessionEnd::Broken(lost.to_string()),
                    }
                    self.breaker.record_heartbeat(took, self.options.timeout);
                    self.freshness.record_heartbeat(started);
                }
                _ = ticks.tick(), if heartbeat.is_none() => {
                    heartbeat = Some(Box::pin(self.send_heartbeat(&session)));
                }
            }
        }
    }

    /// Checks that the server and the epoch are still those of the session. Returns the start and the duration of the
    /// check if they are.
    async fn send_heartbeat(&self, session: &RedisSession) -> Result<Heartbeat, RedisError> {
        let started = Instant::now();
        let epoch = async {
            let call = session
                .client
                .get::<Option<String>, _>(session.keys.epoch());
            Ok(call.await?)
        };
        let server = self.is_server(session);
        let call = Box::pin(async { futures_util::try_join!(epoch, server) });
        let (epoch, is_server) = timeout(COMMAND_TIMEOUT, call).await??;
        let took = started.elapsed();
        Ok((is_server && epoch.as_deref() == Some(&session.epoch)).then_some((started, took)))
    }

    /// Whether the server and its data are still those of the session.
    async fn is_server(&self, session: &RedisSession) -> Result<bool, RedisError> {
        if !self.guards.is_active(Guard::ServerIdentity) {
            return Ok(true);
        }
        session.server.is_current(&session.client).await
    }

    /// Applies a message. Returns `false` if the message ends the epoch.
    fn apply(&self, message: &Message, memory: &dyn InvalidationTarget) -> bool {
        let Some(text) = message.value.as_str() else {
            return true;
        };
        if &*text == FLUSH {
            self.meters.flushed.increment(1);
            memory.flush();
            return false;
        }
        if let Some((id, revision)) = parse_user_message(&text) {
            self.meters.invalidated_by_message.increment(1);
            self.recent.record_message(id, revision);
            memory.invalidate(id, revision);
        } else if let Some(id) = parse_token_message(&text) {
            memory.invalidate_token(id);
        }
        true
    }

    /// Applies to Redis the changes that the outbox poller has read.
    ///
    /// A session that has missed a poll continues at the position that Redis stores. It applies every later change
    /// before the first user is read from Redis.
    pub(in crate::cache) async fn apply_corrections(
        &self,
        memory: &dyn InvalidationTarget,
        poller: &OutboxPoller,
        log: &dyn ChangeLog,
    ) {
        let mut corrections = poller.corrections().await;
        let mut state = CorrectionState::default();
        while let Some(correction) = corrections.recv().await {
            let Some(session) = self.session() else {
                state = CorrectionState::default();
                // No reader of the last session still waits, and the next session is not read before it has caught up.
                if let Some(moment) = correction.started.checked_sub(MAX_READER_WAIT) {
                    memory.drop_confirmed(moment);
                }
                continue;
            };
            match self
                .apply_correction(&session, &mut state, &correction, log)
                .await
            {
                Ok(Some(started)) => {
                    self.freshness.record_correction(started);
                    memory.drop_confirmed(started);
                }
                // The database did not answer; the next poll tries again.
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(%error, "changes of the outbox could not be applied to Redis");
                    session.broken.notify_one();
                    state = CorrectionState::default();
                }
            }
        }
    }

    /// Applies one poll, or everything that was missed. Returns the time up to which all changes are applied to Redis.
    async fn apply_correction(
        &self,
        session: &Arc<RedisSession>,
        state: &mut CorrectionState,
        correction: &Correction,
        log: &dyn ChangeLog,
    ) -> Result<Option<Instant>, RedisError> {
        if change_log::history(&correction.position) != session.history {
            return Err(RedisError::Unusable(
                "the database was restarted, or its outbox was replaced",
            ));
        }
        let continues = state
            .session
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, session))
            && correction.number == state.next
            && correction.complete;
        let started = if continues {
            self.correct(session, &correction.changed).await?;
            self.publish_tokens(session, &correction.tokens).await?;
            state.quiet_polls += 1;
            state.has_changes |= !correction.changed.is_empty() || !correction.tokens.is_empty();
            correction.started
        } else {
            session.corrected.store(false, Ordering::Release);
            let Some(started) = self.catch_up(session, log).await? else {
                return Ok(None);
            };
            state.session = Some(session.clone());
            (state.quiet_polls, state.has_changes) = (0, false);
            session.corrected.store(true, Ordering::Release);
            started
        };
        state.next = correction.number + 1;
        if state.has_changes || state.quiet_polls == MAX_QUIET_POLLS {
            (state.quiet_polls, state.has_changes) = (0, false);
            if let Err(error) = session.save_position(&correction.position).await {
                // A full Redis refuses the position; the next session then has more changes to apply.
                tracing::debug!(%error, "Redis refused the outbox position");
            }
        }
        Ok(Some(started))
    }

    /// Applies every change since the position that Redis stores. Returns `None` if the database does not answer.
    async fn catch_up(
        &self,
        session: &Arc<RedisSession>,
        log: &dyn ChangeLog,
    ) -> Result<Option<Instant>, RedisError> {
        let position = session
            .position()
            .await?
            .unwrap_or_else(|| LogPosition::from_store(String::new()));
        let started = Instant::now();
        // This query uses the outbox poller's own connection; without a time limit it could block the polls.
        let changes = match timeout(COMMAND_TIMEOUT, log.since(&position)).await {
            Ok(Ok(changes)) => changes,
            failed => {
                let cause = failure(failed);
                tracing::debug!(cause, "outbox read for the Redis catch-up failed");
                return Ok(None);
            }
        };
        if !changes.complete {
            tracing::warn!("Redis cache too far behind the outbox: starting a new epoch");
            session.clear().await?;
            return Err(RedisError::Unusable(
                "the cache was too far behind the outbox",
            ));
        }
        let missed: Vec<(UserId, i64)> = changes
            .changed
            .iter()
            .map(|change| (change.id, change.revision.get()))
            .collect();
        self.correct(session, &missed).await?;
        self.publish_tokens(session, &changes.tokens).await?;
        if let Err(error) = session.save_position(&changes.position).await {
            tracing::debug!(%error, "Redis refused the outbox position");
        }
        Ok(Some(started))
    }
}

/// The progress of the corrections within a session.
#[derive(Default)]
struct CorrectionState {
    session: Option<Arc<RedisSession>>,
    next: u64,
    /// The number of polls since the position was stored, and whether one of them had changes.
    quiet_polls: u32,
    has_changes: bool,
}

/// Waits for an optional future. Without one, never completes.
async fn next<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Applies the messages that have arrived. Returns `false` if one of them ends the epoch.
fn drain(
    messages: &mut Receiver<Message>,
    mut apply: impl FnMut(&Message) -> bool,
) -> Result<bool, TryRecvError> {
    loop {
        match messages.try_recv() {
            Ok(message) => {
                if !apply(&message) {
                    return Ok(false);
                }
            }
            Err(TryRecvError::Empty) => return Ok(true),
            Err(lost) => return Err(lost),
        }
    }
}
