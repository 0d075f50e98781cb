//! The listeners: the API, and the management port.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use tokio::task::JoinHandle;
use user_http::{Api, ServerOptions};

use crate::compose::ComposeError;
use crate::connections;
use crate::settings::Settings;
use crate::telemetry::LogControl;

/// How long a client may take to send the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept open.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long an idle connection to the management port is kept open.
const MANAGEMENT_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// The maximum number of connections to the management port: probes, scrapers and a few people.
const MAX_MANAGEMENT_CONNECTIONS: usize = 64;

/// A listener with its server.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) server: JoinHandle<std::io::Result<()>>,
    pub(super) handle: ServerHandle,
}

impl Listener {
    fn start(address: SocketAddr, server: Server) -> Self {
        Self {
            address,
            handle: server.handle(),
            server: tokio::spawn(server),
        }
    }
}

/// Starts the listener of the API.
pub(super) fn start_api(settings: &Settings, api: &Api) -> Result<Listener, ComposeError> {
    let (listener, address) = listen("PORT", settings.server.host, settings.server.port)?;
    let workers = settings.server.workers.unwrap_or_else(cores);
    let options = ServerOptions {
        workers,
        max_connections: connections::max_per_worker(workers, settings.database.max_connections),
        max_connections_per_address: settings.server.max_connections_per_address,
        header_timeout: HEADER_TIMEOUT,
        keep_alive: KEEP_ALIVE,
        shutdown_timeout: settings.server.shutdown_grace,
        on_connect: connections::on_connect,
    };
    let shared_api = api.clone();
    let server = user_http::serve(listener, options, api, move || user_http::app(&shared_api))
        .map_err(|error| ComposeError::listen("PORT", address, &error))?;
    tracing::info!(%address, store = %settings.database.target, "listening");
    Ok(Listener::start(address, server))
}

/// Starts the management listener, if the settings name its port. It has its own thread: it answers while the other
/// threads are busy, and until the process ends.
pub(super) fn start_management(
    settings: &Settings,
    api: &Api,
) -> Result<Option<Listener>, ComposeError> {
    let Some(port) = settings.server.management_port else {
        return Ok(None);
    };
    let (listener, address) = listen("MANAGEMENT_PORT", settings.server.host, port)?;
    let options = ServerOptions {
        workers: 1,
        max_connections: MAX_MANAGEMENT_CONNECTIONS,
        max_connections_per_address: None,
        header_timeout: HEADER_TIMEOUT,
        keep_alive: MANAGEMENT_KEEP_ALIVE,
        shutdown_timeout: settings.server.shutdown_grace,
        on_connect: |_, _| (),
    };
    let (shared_api, log) = (api.clone(), LogControl::shared());
    let server = user_http::serve(listener, options, api, move || {
        user_http::management(&shared_api, &log)
    })
    .map_err(|error| ComposeError::listen("MANAGEMENT_PORT", address, &error))?;
    tracing::info!(%address, "management port listening");
    Ok(Some(Listener::start(address, server)))
}

/// Listens on a port of the settings. Returns the address too, since the system chooses the port if it is 0.
fn listen(
    variable: &'static str,
    host: IpAddr,
    port: u16,
) -> Result<(TcpListener, SocketAddr), ComposeError> {
    let requested = SocketAddr::new(host, port);
    let failed = |error| ComposeError::listen(variable, requested, &error);
    let listener = connections::listener(requested).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
