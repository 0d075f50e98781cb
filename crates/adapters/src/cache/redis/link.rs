//! Keeps a link up: news, heartbeats, and a new link when it breaks.

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

use super::connect::{self, Linked};
use super::keys::Keys;
use super::{DEADLINE, Link, PATIENCE, RedisError, SecondTier, tokens};
use crate::cache::first_tier::FirstTier;
use crate::cache::tail::{Correction, Tail};
use crate::guards::Guard;

/// How often a link shows that it lives.
const BEAT: Duration = Duration::from_millis(250);
/// How long to wait before an absent Redis is tried again: at first, and at most.
const RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// How often the log repeats that Redis is absent.
const REMINDER: Duration = Duration::from_secs(30);
/// After how many looks that found nothing the position is noted all the same.
const QUIET_LOOKS: u32 = 40;

/// After how long nobody waits for an answer of a link that is no more.
const GIVEN_UP: Duration = Duration::from_secs(5);

/// The word that makes every replica forget what it knows.
pub(super) const FLUSH: &str = "flush";

/// Words the news of a change.
pub(super) fn news(id: UserId, version: i64) -> String {
    format!("{id} {version}")
}

/// When a heartbeat began and how long it took; nothing if another epoch has begun.
type Beaten = Option<(Instant, Duration)>;

/// Why a link has ended.
enum Ended {
    /// Another epoch has begun: the next link joins it.
    Elsewhere,
    /// It broke.
    Broken(String),
}

impl SecondTier {
    /// Keeps a link up for as long as it is polled, and gives news to the first tier.
    pub(in crate::cache) async fn keep_linked(
        self: Arc<Self>,
        store: &str,
        first: &FirstTier,
        tail: &Tail,
    ) {
        let keys = Keys::of(store);
        let mut retry = RETRY;
        let mut told: Option<Instant> = None;
        loop {
            let position = tail.position().await;
            let any_server = !self.guards.stands(Guard::ServerIdentity);
            match connect::connect(&self.options, &keys, &position, any_server).await {
                Ok(linked) => {
                    tracing::info!("linked to Redis");
                    let link = linked.link.clone();
                    let ended = self.run(linked, first).await;
                    self.set_link(None);
                    self.freshness.unlinked();
                    match ended {
                        Ended::Elsewhere => tracing::info!("the cache in Redis begins anew"),
                        Ended::Broken(reason) => {
                            tracing::warn!(%reason, "the link to Redis broke");
                        }
                    }
                    // One that was of no use is tried again as seldom as one that is away.
                    if link.corrected.load(Ordering::Acquire) {
                        (retry, told) = (RETRY, None);
                    }
                }
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() >= REMINDER) {
                        tracing::warn!(%error, "Redis is away; the service goes on without it");
                        told = Some(Instant::now());
                    }
                }
            }
            sleep(retry).await;
            retry = (retry * 2).min(LONGEST_RETRY);
        }
    }

    /// Uses a link until it ends.
    async fn run(&self, linked: Linked, first: &FirstTier) -> Ended {
        let Linked {
            link,
            mut news,
            mut connection,
        } = linked;
        self.freshness.linked(Instant::now());
        self.set_link(Some(link.clone()));
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beat: Option<BoxFuture<'_, Result<Beaten, RedisError>>> = None;
        loop {
            tokio::select! {
                biased;
                message = news.recv() => match message {
                    Ok(message) => if !self.apply(&message, first) {
                        return Ended::Elsewhere;
                    },
                    Err(lost) => return Ended::Broken(lost.to_string()),
                },
                reason = connection.ended() => return Ended::Broken(reason),
                () = link.broken.notified() => return Ended::Broken("a correction failed".to_owned()),
                beaten = next(&mut beat) => {
                    beat = None;
                    let (begun, took) = match beaten {
                        Ok(Some(beaten)) => beaten,
                        Ok(None) => return Ended::Elsewhere,
                        Err(error) => return Ended::Broken(error.to_string()),
                    };
                    // What was sent before the answer is here by now.
                    match drain(&mut news, |message| self.apply(message, first)) {
                        Ok(true) => {}
                        Ok(false) => return Ended::Elsewhere,
                        Err(lost) => return Ended::Broken(lost.to_string()),
                    }
                    self.breaker.beaten(took, PATIENCE);
                    self.freshness.beaten(begun);
                }
                _ = beats.tick(), if beat.is_none() => beat = Some(Box::pin(self.beat(&link))),
            }
        }
    }

    /// Asks whether server and epoch are still those that the link was made to; if so, gives when it asked and how long
    /// the answer took.
    async fn beat(&self, link: &Link) -> Result<Beaten, RedisError> {
        let begun = Instant::now();
        let epoch = async {
            let asked = link.client.get::<Option<String>, _>(link.keys.epoch());
            Ok(asked.await?)
        };
        let server = self.is_server(link);
        let asked = Box::pin(async { futures_util::try_join!(epoch, server) });
        let (epoch, is_server) = timeout(DEADLINE, asked).await??;
        let took = begun.elapsed();
        Ok((is_server && epoch.as_deref() == Some(&link.epoch)).then_some((begun, took)))
    }

    /// Asks whether server and data are still those that the link was made to.
    async fn is_server(&self, link: &Link) -> Result<bool, RedisError> {
        if !self.guards.stands(Guard::ServerIdentity) {
            return Ok(true);
        }
        let server = connect::server(&link.client).await?;
        let joined = link.epoch.split_once('/').map(|(joined, _)| joined);
        Ok(joined == Some(&*server))
    }

    /// Applies news; false if everything is to be forgotten.
    fn apply(&self, message: &Message, first: &FirstTier) -> bool {
        let Some(text) = message.value.as_str() else {
            return true;
        };
        if &*text == FLUSH {
            self.meters.flushed.increment(1);
            first.flush();
            return false;
        }
        if let Some((id, version)) = read_news(&text) {
            self.meters.invalidated_by_push.increment(1);
            first.raise(id, version);
        } else if let Some(id) = tokens::read_news(&text) {
            first.service_tokens().raise(id);
        }
        true
    }

    /// Corrects the users in Redis by what the tail sees.
    ///
    /// A link that has missed something begins at the position that Redis itself keeps: everything since is corrected
    /// before the first user is read from there.
    pub(in crate::cache) async fn keep_correct(
        &self,
        first: &FirstTier,
        tail: &Tail,
        log: &dyn ChangeLog,
    ) {
        let mut corrections = tail.corrections().await;
        let mut state = Corrected::default();
        while let Some(correction) = corrections.recv().await {
            let Some(link) = self.link() else {
                state = Corrected::default();
                // Nothing is read from Redis before all of it has been corrected; whoever asked before has given up.
                if let Some(moment) = correction.begun.checked_sub(GIVEN_UP) {
                    first.settle(moment);
                }
                continue;
            };
            match self.follow(&link, &mut state, &correction, log).await {
                Ok(Some(begun)) => {
                    self.freshness.corrected(begun);
                    first.settle(begun);
                }
                // The database did not tell; the next look will.
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "the cache in Redis was not corrected");
                    link.broken.notify_one();
                    state = Corrected::default();
                }
            }
        }
    }

    /// Corrects by one look, or by all that was missed; gives when the look began that Redis has now been told of.
    async fn follow(
        &self,
        link: &Arc<Link>,
        state: &mut Corrected,
        correction: &Correction,
        log: &dyn ChangeLog,
    ) -> Result<Option<Instant>, RedisError> {
        let continues = state
            .link
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, link))
            && correction.number == state.next
            && correction.complete;
        let begun = if continues {
            self.correct(link, &correction.changed).await?;
            self.announce(link, &correction.tokens).await?;
            state.quiet = if correction.changed.is_empty() && correction.tokens.is_empty() {
                state.quiet + 1
            } else {
                QUIET_LOOKS
            };
            correction.begun
        } else {
            link.corrected.store(false, Ordering::Release);
            let Some(begun) = self.catch_up(link, log).await? else {
                return Ok(None);
            };
            state.link = Some(link.clone());
            state.quiet = 0;
            link.corrected.store(true, Ordering::Release);
            begun
        };
        state.next = correction.number + 1;
        if state.quiet >= QUIET_LOOKS {
            state.quiet = 0;
            if let Err(error) = link.advance(&correction.position).await {
                // A full Redis takes no position: the next link has more to catch up with.
                tracing::debug!(%error, "Redis took no position");
            }
        }
        Ok(Some(begun))
    }

    /// Corrects everything since the position that Redis keeps; nothing if the database did not tell.
    async fn catch_up(
        &self,
        link: &Arc<Link>,
        log: &dyn ChangeLog,
    ) -> Result<Option<Instant>, RedisError> {
        let position = link
            .position()
            .await?
            .unwrap_or_else(|| LogPosition::from_store(String::new()));
        let begun = Instant::now();
        // It asks on the tail's own connection: who waits for ever here keeps the tail from looking.
        let changes = match timeout(DEADLINE, log.since(&position)).await {
            Ok(Ok(changes)) => changes,
            failed => {
                tracing::debug!(?failed, "the outbox did not tell what Redis has missed");
                return Ok(None);
            }
        };
        if !changes.complete {
            tracing::warn!("the cache in Redis is too far behind: it begins anew");
            link.clear().await?;
            return Err(RedisError::Unfit("it was too far behind"));
        }
        let missed: Vec<(UserId, i64)> = changes
            .changed
            .iter()
            .map(|change| (change.id, change.version.get()))
            .collect();
        self.correct(link, &missed).await?;
        self.announce(link, &changes.tokens).await?;
        if let Err(error) = link.advance(&changes.position).await {
            tracing::debug!(%error, "Redis took no position");
        }
        Ok(Some(begun))
    }
}

/// How far the users in Redis have been corrected over which link.
#[derive(Default)]
struct Corrected {
    link: Option<Arc<Link>>,
    next: u64,
    quiet: u32,
}

/// Waits for a future that may not be there.
async fn next<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Applies what has arrived. Gives false if everything is to be forgotten.
fn drain(
    news: &mut Receiver<Message>,
    mut apply: impl FnMut(&Message) -> bool,
) -> Result<bool, TryRecvError> {
    loop {
        match news.try_recv() {
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

pub(super) fn read_news(text: &str) -> Option<(UserId, i64)> {
    let (id, version) = text.split_once(' ')?;
    Some((UserId::parse(id).ok()?, version.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use user_domain::test_support::samples::user_id;

    use super::*;

    #[test]
    fn news_is_read_as_it_was_worded() {
        let id = user_id();
        assert_eq!(read_news(&news(id, 7)), Some((id, 7)));
        assert_eq!(read_news(&news(id, i64::MAX)), Some((id, i64::MAX)));
        for spoilt in [
            "",
            "flush",
            "x 1",
            "1",
            &format!("{id}"),
            &format!("{id} x"),
        ] {
            assert_eq!(read_news(spoilt), None, "{spoilt}");
        }
    }
}
