//! A running service: from settings to a listener, and from a signal to a clean end.

mod listeners;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout_at};
use user_adapters::guards::Guards;
use user_http::{Api, HttpSettings, Readiness, WriteTasks};

use crate::cli::CommandOutcome;
use crate::compose::{self, ComposeError, Composition};
use crate::connections;
use crate::keys;
use crate::lifecycle::WorkerGroup;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::telemetry;
use crate::workers;
use listeners::Listener;

/// A running service.
pub struct Service {
    /// Its ports and adapters, for code that uses the same store.
    pub composition: Composition,
    listener: Listener,
    management: Option<Listener>,
    upkeep: WorkerGroup,
    batches: WorkerGroup,
    readiness: Readiness,
    writes: WriteTasks,
    delay: Duration,
    grace: Duration,
}

impl Service {
    /// Starts the service. If PostgreSQL is unavailable, the service starts, reports that it is not ready, and retries
    /// in the background.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub async fn start(settings: &Settings) -> Result<Self, ComposeError> {
        let writes = WriteTasks::new(Handle::current());
        Self::start_with(settings, writes, Guards::default()).await
    }

    /// Starts the service with this executor of writes and these guards of its store and its cache.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub async fn start_with(
        settings: &Settings,
        writes: WriteTasks,
        guards: Guards,
    ) -> Result<Self, ComposeError> {
        // First: components register their metrics when they are created.
        let metrics = telemetry::metrics()?;
        let composition = Composition::with_guards(settings, guards).await?;
        compose::refuse_unusable_redis(settings).await?;
        let (upkeep, batches) = (WorkerGroup::default(), WorkerGroup::default());
        workers::start_upkeep(&upkeep, &composition, settings, &metrics).await?;
        let readiness = Readiness::default();
        let api = Api::new(
            &composition.ports,
            http_settings(settings),
            writes.clone(),
            readiness.clone(),
            telemetry::exposition(metrics, &composition),
        );
        let management = listeners::start_management(settings, &api)?;
        let listener = listeners::start_api(settings, &api)?;
        workers::start_batches(&batches, &composition.ports, settings);
        Ok(Self {
            composition,
            listener,
            management,
            upkeep,
            batches,
            readiness,
            writes,
            delay: settings.server.shutdown_delay,
            grace: settings.server.shutdown_grace,
        })
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address
    }

    /// The address of health, metrics and the log level, if they have their own port.
    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(|listener| listener.address)
    }

    /// Serves until a signal arrives, then stops gracefully. A second signal stops it at once.
    pub async fn run_until_signalled(mut self, mut signals: Signals) -> CommandOutcome {
        tokio::select! {
            () = signals.next() => {}
            ended = &mut self.listener.server => {
                let cause = match ended {
                    Ok(Ok(())) => "it was stopped".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                tracing::error!(cause, "HTTP server ended unexpectedly");
                return CommandOutcome::Failure;
            }
        }
        tokio::select! {
            () = self.stop() => CommandOutcome::Success,
            () = signals.next() => {
                tracing::warn!("stopped without draining by a second signal");
                CommandOutcome::Failure
            }
        }
    }

    /// Stops gracefully, in this order:
    ///
    /// 1. Readiness fails. Batch workers start no further batch.
    /// 2. After the delay, the listener closes. Requests in flight are answered.
    /// 3. Writes are drained, uses of service tokens are stored, and batch workers are awaited.
    /// 4. Upkeep workers are cancelled and awaited.
    /// 5. The connections to the store are closed.
    /// 6. The management listener closes.
    ///
    /// Steps 2 to 4 share the grace period; the listener has it as the timeout of its own shutdown. When it has passed,
    /// the next steps begin.
    pub async fn stop(self) {
        tracing::info!("draining");
        self.readiness.start_draining();
        self.batches.request_stop();
        sleep(self.delay).await;
        let deadline = Instant::now() + self.grace;
        self.listener.handle.stop(true).await;
        let drained = async {
            self.writes.drain().await;
            self.composition.write_token_uses().await;
            self.batches.stop().await;
        };
        if timeout_at(deadline, drained).await.is_err() {
            tracing::error!("some writes did not complete within the grace period");
        }
        // Not earlier: these workers also publish the invalidations of the last writes to other replicas.
        // They end at their next await. One that does not must not keep the process.
        let _ = timeout_at(deadline, self.upkeep.stop()).await;
        self.composition.close().await;
        if let Some(management) = self.management {
            management.handle.stop(false).await;
        }
        tracing::info!("stopped");
    }
}

fn http_settings(settings: &Settings) -> HttpSettings {
    let sealing_key = keys::derive(&settings.tokens, "user-service sealing key v1");
    let defaults = HttpSettings::new(sealing_key);
    // If few files may be open, most connections stay available for requests that do not wait for their clients.
    let connections = connections::max_per_worker(1, settings.database.max_connections);
    HttpSettings {
        base_path: settings.server.base_path.clone(),
        cors_allowed_origins: settings.server.cors_allowed_origins.clone(),
        cors_allowed_headers: settings.server.cors_allowed_headers.clone(),
        has_management: settings.server.management_port.is_some(),
        indexed_metadata: settings
            .database
            .indexed_metadata
            .clone()
            .unwrap_or_default(),
        user_rate_limit: settings.server.user_rate_limit,
        service_rate_limit: settings.server.service_rate_limit,
        held_body_limit: defaults.held_body_limit.min(connections / 4).max(1),
        ..defaults
    }
}
