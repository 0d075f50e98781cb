//! A running service: from settings to a listener, and from a signal to a clean end.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use user_adapters::guards::Guards;
use user_adapters::tokens::FollowedKeys;
use user_http::{Api, HttpSettings, Readiness, Writes};

use crate::cli::Outcome;
use crate::compose::{ComposeError, Composition};
use crate::connections;
use crate::keys;
use crate::migrating;
use crate::retention::Retention;
use crate::settings::Settings;
use crate::settling::Settling;
use crate::signals::Signals;
use crate::telemetry::{self, LogControl};

/// How long a client may take to send its headers.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The most connections of operators: probes, scrapers and a few people.
const MANAGEMENT_CONNECTIONS: usize = 64;
/// How often the recorder of metrics takes in what was recorded, whether or not anybody scrapes it.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long to wait before the cache is kept fresh again after a defect.
const FRESH_RETRY: Duration = Duration::from_secs(1);
/// How often users' passwords are sampled.
const SAMPLING: Duration = Duration::from_mins(5);
/// How long to wait for a database that could not be asked.
const SAMPLING_RETRY: Duration = Duration::from_secs(1);

/// A service that takes requests.
pub struct Service {
    /// What it is made of, for those who work on its store beside it.
    pub composition: Composition,
    address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
    handle: ServerHandle,
    management: Option<Management>,
    background: Vec<JoinHandle<()>>,
    retention: Retention,
    settling: Settling,
    followed_keys: Option<FollowedKeys>,
    readiness: Readiness,
    writes: Writes,
    delay: Duration,
    grace: Duration,
}

impl Service {
    /// Starts the service. A PostgreSQL that is away is waited for in the background, while the service is not ready.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub async fn start(settings: &Settings) -> Result<Self, ComposeError> {
        let writes = Writes::new(Handle::current());
        Self::start_with(settings, writes, Guards::default()).await
    }

    /// Starts the service with its writes run like this and these guards of the cache's promises.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub async fn start_with(
        settings: &Settings,
        writes: Writes,
        guards: Guards,
    ) -> Result<Self, ComposeError> {
        // First: what counts is made with what it counts.
        let metrics = telemetry::metrics()?;
        let composition = Composition::guarded(settings, guards).await?;
        let followed_keys = composition.follow_keys()?;
        let mut background: Vec<_> = migrating::start(&composition, settings)
            .await?
            .into_iter()
            .collect();
        let cached = composition.clone();
        background.push(tokio::spawn(keep_fresh(cached)));
        let noting = composition.clone();
        background.push(tokio::spawn(async move {
            noting.keep_noting_token_uses().await;
        }));
        background.push(tokio::spawn(keep_up(metrics.clone())));
        background.push(tokio::spawn(keep_sampled(composition.clone())));
        let readiness = Readiness::default();
        let api = Api::new(
            &composition.ports,
            http_settings(settings),
            writes.clone(),
            readiness.clone(),
            telemetry::exposition(metrics, &composition),
        );
        let management = Management::start(settings, &api)?;
        let listen = SocketAddr::new(settings.server.host, settings.server.port);
        let refused = |error| ComposeError::Listen(listen.to_string(), error);
        let workers = settings.server.workers.unwrap_or_else(cores);
        let server = HttpServer::new(move || user_http::app(&api))
            .disable_signals()
            .workers(workers)
            .max_connections(connections::most(
                workers,
                settings.database.max_connections,
            ))
            .on_connect(connections::opened)
            .client_request_timeout(HEADER_DEADLINE)
            .keep_alive(KEEP_ALIVE)
            .shutdown_timeout(settings.server.shutdown_grace.as_secs())
            .bind(listen)
            .map_err(refused)?;
        let address = server.addrs().first().copied().unwrap_or(listen);
        let server = server.run();
        let handle = server.handle();
        tracing::info!(%address, store = %settings.database.target, "listening");
        Ok(Self {
            address,
            server: tokio::spawn(server),
            handle,
            management,
            background,
            retention: Retention::start(&composition.ports, settings.database.retention),
            settling: Settling::start(&composition.ports),
            followed_keys,
            readiness,
            writes,
            delay: settings.server.shutdown_delay,
            grace: settings.server.shutdown_grace,
            composition,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health, metrics and the log's level are served, if apart from the users.
    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management
            .as_ref()
            .map(|management| management.address)
    }

    /// Serves until it is signalled, then ends cleanly; a second signal ends it at once.
    pub async fn run_until_signalled(mut self, mut signals: Signals) -> Outcome {
        tokio::select! {
            () = signals.next() => {}
            ended = &mut self.server => {
                tracing::error!(?ended, "the server ended by itself");
                return Outcome::Failed;
            }
        }
        tokio::select! {
            () = self.stop() => Outcome::Done,
            () = signals.next() => {
                tracing::warn!("stopped at once by a second signal");
                Outcome::Failed
            }
        }
    }

    /// Ends cleanly: not ready at once and, after the delay, closed; what was accepted is answered, and every write that
    /// began has ended.
    pub async fn stop(self) {
        tracing::info!("draining");
        self.readiness.start_draining();
        let (retention, settling) = (self.retention.stop(), self.settling.stop());
        sleep(self.delay).await;
        let closed = Instant::now();
        self.handle.stop(true).await;
        let left = self.grace.saturating_sub(closed.elapsed());
        let ended = async {
            self.writes.drain().await;
            self.composition.note_token_uses().await;
            retention.await;
            settling.await;
        };
        if timeout(left, ended).await.is_err() {
            tracing::error!("some writes did not end in time");
        }
        drop(self.followed_keys);
        // Only now: until here the other replicas were told of its writes.
        for task in self.background {
            task.abort();
        }
        self.composition.close().await;
        if let Some(management) = self.management {
            management.handle.stop(false).await;
        }
        tracing::info!("stopped");
    }
}

/// The listener for operators, with a thread of its own: it answers while the others are busy, and until the end.
struct Management {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Management {
    fn start(settings: &Settings, api: &Api) -> Result<Option<Self>, ComposeError> {
        let Some(port) = settings.server.management_port else {
            return Ok(None);
        };
        let listen = SocketAddr::new(settings.server.host, port);
        let refused = |error| ComposeError::Listen(listen.to_string(), error);
        let (api, log) = (api.clone(), LogControl::shared());
        let server = HttpServer::new(move || user_http::management(&api, &log))
            .disable_signals()
            .workers(1)
            .max_connections(MANAGEMENT_CONNECTIONS)
            .client_request_timeout(HEADER_DEADLINE)
            .bind(listen)
            .map_err(refused)?;
        let address = server.addrs().first().copied().unwrap_or(listen);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        tracing::info!(%address, "listening for operators");
        Ok(Some(Self { address, handle }))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Keeps the cache fresh. It ends only by a defect, after which it begins anew: until then every read asks the database.
async fn keep_fresh(composition: Composition) {
    loop {
        let cached = composition.clone();
        // A set ends its tasks when it is dropped.
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { cached.keep_cache_fresh().await });
        let ended = tasks.join_next().await;
        tracing::error!(?ended, "what keeps the cache fresh has ended");
        sleep(FRESH_RETRY).await;
    }
}

/// Keeps up with the costs of users' passwords, by which strangers are answered.
async fn keep_sampled(composition: Composition) {
    loop {
        match composition.sample_passwords().await {
            Ok(()) => sleep(SAMPLING).await,
            Err(error) => {
                tracing::debug!(%error, "the passwords could not be sampled");
                sleep(SAMPLING_RETRY).await;
            }
        }
    }
}

/// Keeps what was recorded from piling up.
async fn keep_up(metrics: PrometheusHandle) {
    loop {
        sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

fn http_settings(settings: &Settings) -> HttpSettings {
    HttpSettings {
        base_path: settings.server.base_path.clone(),
        cors_allowed_origins: settings.server.cors_allowed_origins.clone(),
        has_management: settings.server.management_port.is_some(),
        ..HttpSettings::new(keys::derive(
            &settings.tokens,
            "user-service sealing key v1",
        ))
    }
}
