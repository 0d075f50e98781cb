//! Relays the event feed to RabbitMQ, on one replica at a time.

use std::sync::Mutex;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::time::{Instant, sleep, timeout};
use user_adapters::amqp::AmqpPublisher;
use user_domain::caller::Caller;
use user_domain::ports::Clock;
use user_domain::use_cases::{
    BatchThrottle as _, Leadership, Ports, RelayEvents, RelayEventsError, RelayLag, RelayTerm,
};

use crate::lifecycle::{StopSignal, WorkerGroup};
use crate::settings::BrokerSettings;

/// How often a follower looks at the lease. It takes over this long after a leader that stopped in an orderly way.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How often the leader renews its lease.
const RENEW_INTERVAL: Duration = Duration::from_secs(3);
/// The age of a renewal after which the leader gives up its lease of [`RelayEvents::LEASE`], if it cannot be renewed. The
/// last attempt takes two seconds at most, so it ends before the lease.
const MAX_RENEWAL_AGE: Duration = Duration::from_secs(5);
/// How often the leader checks its connection while there are no events.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the leader may take to publish its last page and to resign when it is stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// The pauses after consecutive failures. Meanwhile another replica can take over.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(5))
    .without_max_times();

/// A gauge: 1 while this replica runs the relay.
const LEADER: &str = "event_relay_leader";
/// A gauge of seconds since the oldest event that is not relayed.
const LAG: &str = "event_relay_lag_seconds";
/// A gauge of positions between the relay and the feed.
const LAG_EVENTS: &str = "event_relay_lag_events";
/// A counter of published events.
const PUBLISHED: &str = "event_relay_published_total";
/// A counter of errors by `kind`.
const ERRORS: &str = "event_relay_errors_total";

/// Each value of `kind`.
const ERROR_KINDS: [&str; 8] = [
    "connect", "lost", "refused", "silent", "gap", "lease", "encoding", "store",
];

/// Starts the worker, if the settings name a broker.
pub(crate) fn start(group: &WorkerGroup, ports: &Ports, settings: &BrokerSettings) {
    let Some(amqp) = settings.amqp.clone() else {
        return;
    };
    let publisher = Arc::new(AmqpPublisher::new(amqp));
    let relay = RelayEvents::new(
        ports,
        publisher,
        user_http::cloud_event,
        settings.shows_blocks,
    );
    let worker = Worker {
        relay,
        clock: ports.clock.clone(),
        stop: group.stop_signal(Duration::ZERO),
        lag: Mutex::default(),
        meters: Meters::register(),
    };
    group.start("event relay", worker.run());
}

struct Worker {
    relay: RelayEvents,
    clock: Arc<dyn Clock>,
    stop: StopSignal,
    lag: Mutex<RelayLag>,
    meters: Meters,
}

struct Meters {
    leader: Gauge,
    lag: Gauge,
    lag_events: Gauge,
    published: Counter,
}

/// The failures since the last published page.
struct Failures {
    pauses: ExponentialBackoff,
    /// The kind of the failure that was logged last.
    logged: Option<&'static str>,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            pauses: BACKOFF.build(),
            logged: None,
        }
    }
}

impl Worker {
    async fn run(self) {
        let failures = Mutex::new(Failures::default());
        let mut wait = Duration::ZERO;
        while self.stop.wait(wait).await {
            let asked = Instant::now();
            let result = match self.relay.take(&Caller::Operator).await {
                Ok(Leadership::Follower(remaining)) => {
                    *lock(&failures) = Failures::default();
                    self.record_lag(RelayLag::default());
                    wait = remaining.min(LOOK_INTERVAL);
                    continue;
                }
                Ok(Leadership::Leader(term)) => self.lead(term, asked, &failures).await,
                Err(error) => Err(error),
            };
            wait = match result {
                Ok(()) => break,
                Err(error) => lock(&failures).pause_after(&error),
            };
        }
    }

    /// Relays events until the worker is stopped or fails. The lease was requested at this moment.
    async fn lead(
        &self,
        mut term: RelayTerm,
        requested: Instant,
        failures: &Mutex<Failures>,
    ) -> Result<(), RelayEventsError> {
        let epoch = term.epoch();
        if lock(failures).logged.is_none() {
            tracing::info!(epoch, "event relay took the lease");
        }
        self.meters.leader.set(1.0);
        let stopped = async {
            self.stopped().await;
            sleep(STOP_TIMEOUT).await;
        };
        let ended = tokio::select! {
            ended = self.relay_pages(&mut term, failures) => ended,
            ended = self.keep_lease(epoch, requested) => ended,
            () = stopped => Ok(()),
        };
        // If it fails, the lease ends by itself.
        let _ = timeout(STOP_TIMEOUT, self.relay.resign(epoch)).await;
        self.meters.leader.set(0.0);
        ended
    }

    /// Relays page by page until it is stopped.
    async fn relay_pages(
        &self,
        term: &mut RelayTerm,
        failures: &Mutex<Failures>,
    ) -> Result<(), RelayEventsError> {
        while !self.stop.should_stop() {
            let page = match self
                .relay
                .relay_page(term, |lag| self.record_lag(lag))
                .await
            {
                Ok(page) => page,
                Err(error @ RelayEventsError::Gap(_)) => {
                    count(&error);
                    tracing::error!(%error, "event relay continues at the oldest event");
                    continue;
                }
                // Reads may be refused for a while, for example while many lists are requested.
                Err(error @ RelayEventsError::Read(_)) => {
                    let pause = lock(failures).pause_after(&error);
                    sleep(pause).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            *lock(failures) = Failures::default();
            self.meters
                .published
                .increment(u64::try_from(page.published).unwrap_or_default());
            if !page.has_more {
                tokio::select! {
                    () = self.relay.wait_for_more(&page) => {}
                    () = sleep(IDLE_INTERVAL) => {}
                    () = self.stopped() => {}
                }
            }
        }
        Ok(())
    }

    /// Renews the lease until that fails. Since the last successful request for it, less time than
    /// [`RelayEvents::LEASE`] has passed when this returns.
    async fn keep_lease(&self, epoch: i64, requested: Instant) -> Result<(), RelayEventsError> {
        let mut requested = requested;
        loop {
            sleep(RENEW_INTERVAL).await;
            let lag = *lock(&self.lag);
            self.record_lag(lag);
            // A short outage of the database ends no term: the statement is repeated while the lease is valid.
            requested = loop {
                let now = Instant::now();
                let Err(error) = self.relay.renew(epoch).await else {
                    break now;
                };
                let is_lost = error == RelayEventsError::LeaseLost;
                if is_lost || requested.elapsed() > MAX_RENEWAL_AGE {
                    return Err(error);
                }
                sleep(Duration::from_millis(500)).await;
            };
        }
    }

    async fn stopped(&self) {
        while self.stop.wait(Duration::from_hours(1)).await {}
    }

    fn record_lag(&self, lag: RelayLag) {
        *lock(&self.lag) = lag;
        let age = lag.since.map_or(Duration::ZERO, |since| {
            let micros = self.clock.now().as_utc() - since.as_utc();
            micros.to_std().unwrap_or_default()
        });
        self.meters.lag.set(age.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "events are far fewer than 2^52")]
        self.meters.lag_events.set(lag.positions as f64);
    }
}

impl Failures {
    /// Counts and logs a failure. Returns the pause after it.
    fn pause_after(&mut self, error: &RelayEventsError) -> Duration {
        let kind = count(error);
        if *error == RelayEventsError::LeaseLost {
            tracing::warn!("event relay lost its lease to another replica");
        } else if self.logged != Some(kind) {
            // Once for each cause, not at every attempt.
            self.logged = Some(kind);
            if let RelayEventsError::Encoding(_) = error {
                tracing::error!(%error, "events cannot be relayed");
            } else {
                tracing::warn!(%error, "events cannot be relayed at the moment");
            }
        }
        self.pauses.next().unwrap_or(LOOK_INTERVAL)
    }
}

impl Meters {
    fn register() -> Self {
        for kind in ERROR_KINDS {
            counter!(ERRORS, "kind" => kind).increment(0);
        }
        let meters = Self {
            leader: gauge!(LEADER),
            lag: gauge!(LAG),
            lag_events: gauge!(LAG_EVENTS),
            published: counter!(PUBLISHED),
        };
        meters.leader.set(0.0);
        meters.lag.set(0.0);
        meters.lag_events.set(0.0);
        meters.published.increment(0);
        meters
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts an error, and returns its kind.
fn count(error: &RelayEventsError) -> &'static str {
    let kind = match error {
        RelayEventsError::Publish(error) => error.kind(),
        RelayEventsError::Gap(_) => "gap",
        RelayEventsError::LeaseLost => "lease",
        RelayEventsError::Encoding(_) => "encoding",
        RelayEventsError::Denied(_) | RelayEventsError::Store(_) | RelayEventsError::Read(_) => {
            "store"
        }
    };
    counter!(ERRORS, "kind" => kind).increment(1);
    kind
}

/// Registers the descriptions of the metrics of the worker.
pub(crate) fn describe_metrics() {
    describe_gauge!(LEADER, "1 while this replica relays events, 0 otherwise");
    describe_gauge!(
        LAG,
        Unit::Seconds,
        "Time since the oldest event that this replica has not relayed yet; 0 at replicas that relay no events"
    );
    describe_gauge!(
        LAG_EVENTS,
        Unit::Count,
        "Positions between the relay and the end of the event feed; 0 at replicas that relay no events"
    );
    describe_counter!(
        PUBLISHED,
        Unit::Count,
        "Events that the broker has confirmed"
    );
    describe_counter!(
        ERRORS,
        Unit::Count,
        "Failures of the relay of events, by kind"
    );
}
