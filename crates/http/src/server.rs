//! The HTTP/1.1 server: actix-http behind an adapter for each connection.
//!
//! `actix_web::HttpServer` accepts no adapter, so this module builds the same server from its parts. The reasons for
//! the adapter are in `docs/decisions/0035-problems-of-the-http-parser.md`.

mod address_counts;
mod bare_response;
mod closing;
mod connection;
mod connection_state;
mod open_connections;
mod request_tracker;
mod split_body;

use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpServiceBuilder, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service as _, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory,
    fn_service, map_config,
};
use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Extensions, ServiceResponse};
use actix_web::http::{ConnectionType, Version};
use actix_web::rt::net::TcpStream;

use crate::api::Api;
use crate::middleware::ParserRejections;
use crate::resource_limits::ResourceLimits;
use address_counts::AddressCounts;
use connection::Connection;
use connection_state::{ConnectionState, Exchange};
use open_connections::{ConnectionLimits, OpenConnections};

pub(crate) use connection_state::register_close_counters;

/// The maximum duration of closing a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum number of connections of a worker beyond its limit, while other connections are closed for them. It is a
/// quarter of the limit if that is less.
pub const CLOSING_CONNECTIONS: usize = 64;

/// The settings of the server.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// The number of worker threads.
    pub workers: usize,
    /// The maximum number of connections of one worker. At the limit, an idle connection is closed for a new one.
    pub max_connections: usize,
    /// The maximum number of connections of one IPv4 address or IPv6 /64 network, over all workers. Further ones are
    /// closed immediately.
    pub max_connections_per_address: Option<usize>,
    /// The deadline for the header fields of a request.
    pub header_timeout: Duration,
    /// The maximum idle time of a connection. It is at most 5 s while more than half of the connections are in use.
    pub keep_alive: Duration,
    /// The maximum time that a graceful shutdown waits for active requests.
    pub shutdown_timeout: Duration,
    /// The callback for each new connection.
    pub on_connect: fn(&TcpStream, &mut Extensions),
}

/// Serves an app on a listener. Each worker creates its own app.
///
/// # Errors
/// If the listener cannot be used.
pub fn serve<F, I, S>(
    listener: TcpListener,
    options: ServerOptions,
    api: &Api,
    make_app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
        > + 'static,
    S::Future: 'static,
    S::Service: 'static,
{
    let closing = CLOSING_CONNECTIONS.min(options.max_connections / 4).max(1);
    let builder = ServerBuilder::new()
        .disable_signals()
        .workers(options.workers)
        // At its own limit the builder stops accepting connections, so that none could be closed for a new one.
        .max_concurrent_connections(options.max_connections + closing)
        .shutdown_timeout(options.shutdown_timeout.as_secs());
    let draining = builder.graceful_shutdown_signal();
    let api = api.clone();
    let addresses = AddressCounts::default();
    let limits = ConnectionLimits {
        connections: options.max_connections,
        per_address: options.max_connections_per_address,
        header_timeout: options.header_timeout,
        keep_alive: options.keep_alive,
    };
    let make_service = move || {
        let draining = draining.clone();
        let resource_limits = Rc::new(api.resource_limits().clone());
        let app = apply_fn_factory(make_app().into_factory(), {
            let resource_limits = resource_limits.clone();
            move |request: Request, app: &S::Service| {
                let exchange = Exchange::of(request.conn_data::<Rc<ConnectionState>>());
                if request.head().connection_type() != ConnectionType::KeepAlive {
                    exchange.end_connection();
                }
                let resource_limits = resource_limits.clone();
                let response = app.call(request);
                async move {
                    let response = response.await?;
                    Ok(finish_response(response.into(), exchange, &resource_limits))
                }
            }
        })
        .map_err(|error: Error| error.error_response());
        let http = HttpServiceBuilder::default()
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .client_request_timeout(options.header_timeout)
            .client_disconnect_timeout(CLOSE_TIMEOUT)
            .keep_alive(options.keep_alive)
            // A client that ends its sending side is gone. Otherwise its request would wait for events until the end.
            .h1_allow_half_closed(false)
            .h1_write_buffer_size(split_body::SMALL_PIECE)
            .on_connect_ext(move |connection: &Connection, extensions| {
                extensions.insert(connection.malformed_body().clone());
                extensions.insert(connection.state().clone());
                (options.on_connect)(connection.stream(), extensions);
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let rejections = Rc::new(ParserRejections::new(&api));
        let open = OpenConnections::new(limits, resource_limits, addresses.clone());
        actix_web::rt::spawn(OpenConnections::run_ticks(Rc::downgrade(&open)));
        fn_service(move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            let accepted = open.accept(peer.map(|peer| peer.ip()));
            ready(match accepted {
                Some(accepted) => {
                    let resource_limits = open.resource_limits().clone();
                    let connection =
                        Connection::new(stream, rejections.clone(), accepted, resource_limits);
                    Ok((connection, peer))
                }
                None => Err(DispatchError::Io(io::ErrorKind::ConnectionRefused.into())),
            })
        })
        .and_then(http)
    };
    Ok(builder.listen("http", listener, make_service)?.run())
}

/// Splits a large response, and ends its exchange when it has been sent.
fn finish_response(
    mut response: Response<BoxBody>,
    exchange: Exchange,
    resource_limits: &ResourceLimits,
) -> Response<BoxBody> {
    // actix-http reuses heads with the version of the previous response, and sets the right version only when it sends
    // them.
    response.head_mut().version = Version::HTTP_11;
    if response.head().connection_type() == ConnectionType::Close {
        exchange.end_connection();
    }
    response.map_body(|_, body| split_body::split_if_large(body, resource_limits, exchange))
}
