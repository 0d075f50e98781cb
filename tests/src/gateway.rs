//! A gateway in front of a service that records requests and can answer in place of the service.

use std::any::Any;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};

use actix_web::dev::{Extensions, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::rt::net;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// The maximum size of a request's body.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// A request that reached the gateway.
#[derive(Debug, Clone)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// What the gateway does with a request.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Sends it to the service.
    Forward,
    /// Responds in place of the service, with a status, header fields and a body.
    Respond(u16, Vec<(&'static str, String)>, String),
    /// Sends it to the service, and closes the connection in place of its response.
    LoseResponse,
}

type Decision = dyn Fn(&Received) -> Verdict + Send + Sync;

struct Shared {
    service: SocketAddr,
    client: reqwest::Client,
    decide: Box<Decision>,
    requests: Mutex<Vec<Received>>,
}

/// A running gateway. It stops when it is dropped.
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: ServerHandle,
}

impl Gateway {
    /// Starts a gateway in front of a service. `decide` is called for each request.
    pub fn start(
        service: SocketAddr,
        decide: impl Fn(&Received) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            service,
            client: crate::http_client(),
            decide: Box::new(decide),
            requests: Mutex::default(),
        });
        let data = Data::from(shared.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(PayloadConfig::new(MAX_BODY_BYTES))
                .default_service(web::to(handle))
        });
        let server = server
            .on_connect(keep_connection)
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            address,
            shared,
            server: handle,
        }
    }

    /// The URL of the gateway.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

impl Received {
    /// The value of a header field; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Keeps a handle of each connection for its requests, so that one of them can close it.
fn keep_connection(connection: &dyn Any, data: &mut Extensions) {
    let connection = connection.downcast_ref::<net::TcpStream>().unwrap();
    let handle = connection.as_fd().try_clone_to_owned().unwrap();
    data.insert(TcpStream::from(handle));
}

async fn handle(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let received = received(&request, &body);
    shared.requests.lock().unwrap().push(received.clone());
    let verdict = (shared.decide)(&received);
    if let Verdict::Respond(status, fields, body) = verdict {
        let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
        for field in fields {
            response.append_header(field);
        }
        return response.body(body);
    }
    let forwarded = forward(&shared, received).await;
    match verdict {
        Verdict::LoseResponse => {
            let connection = request.conn_data::<TcpStream>().unwrap();
            connection.shutdown(Shutdown::Both).unwrap();
            forwarded
        }
        _ => forwarded,
    }
}

fn received(request: &HttpRequest, body: &Bytes) -> Received {
    let fields = request.headers().iter().map(|(name, value)| {
        let name: HeaderName = name.as_str().parse().unwrap();
        (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    Received {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        headers: fields.collect(),
        body: body.to_vec(),
    }
}

async fn forward(shared: &Shared, mut received: Received) -> HttpResponse {
    for hop in ["connection", "host", "content-length", "transfer-encoding"] {
        received.headers.remove(hop);
    }
    let method = received.method.parse::<reqwest::Method>().unwrap();
    let url = format!("http://{}{}", shared.service, received.target);
    let request = shared.client.request(method, url);
    let request = request.headers(received.headers).body(received.body);
    let Ok(reply) = request.send().await else {
        return HttpResponse::BadGateway().finish();
    };
    let mut response = HttpResponse::build(StatusCode::from_u16(reply.status().as_u16()).unwrap());
    for (name, value) in reply.headers() {
        if !["connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    match reply.bytes().await {
        Ok(body) => response.body(body),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}
