//! The bare actix-web handlers with which the service is compared. They only return a fixed response.

use std::io;
use std::str::FromStr as _;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{App, HttpResponse, HttpServer, web};
use fred::prelude::{Builder, Client, ClientLike as _, Config, KeysInterface as _};
use fred::types::RespVersion;

/// The response of every request: header fields and body of a response of the service.
#[derive(Clone)]
struct FixedResponse {
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl FixedResponse {
    fn with(&self, body: Bytes) -> HttpResponse {
        let mut response = HttpResponse::new(StatusCode::OK).set_body(body);
        for (name, value) in &self.fields {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.map_into_boxed_body()
    }
}

async fn from_memory(_: Path<String>, response: Data<FixedResponse>) -> HttpResponse {
    response.with(response.body.clone())
}

async fn from_redis(
    id: Path<String>,
    response: Data<FixedResponse>,
    redis: Data<Client>,
) -> HttpResponse {
    let body: Option<Bytes> = redis.get(format!("bench:{id}")).await.expect("a response");
    body.map_or_else(
        || HttpResponse::new(StatusCode::NOT_FOUND),
        |body| response.with(body),
    )
}

/// Serves with the arguments `PORT FILE [REDIS_URL]`. The file contains a response as raw HTTP.
pub(crate) fn serve(arguments: &[String]) {
    let [port, file, redis @ ..] = arguments else {
        panic!("--bare PORT FILE [REDIS_URL]");
    };
    let port: u16 = port.parse().expect("a port");
    let response = read(&std::fs::read(file).expect("the response"));
    let redis = redis.first().cloned();
    actix_web::rt::System::new()
        .block_on(run(port, response, redis))
        .expect("to serve");
}

async fn run(port: u16, response: FixedResponse, redis: Option<String>) -> io::Result<()> {
    // Connects on the thread that uses the client, which is fastest.
    let client = match redis {
        Some(url) => Some(connect(&url).await),
        None => None,
    };
    let server = HttpServer::new(move || {
        let app = App::new().app_data(Data::new(response.clone()));
        match &client {
            None => app.route("/v1/users/{id}", web::get().to(from_memory)),
            Some(client) => app
                .app_data(Data::new(client.clone()))
                .route("/v1/users/{id}", web::get().to(from_redis)),
        }
    });
    server.workers(1).bind(("127.0.0.1", port))?.run().await
}

async fn connect(url: &str) -> Client {
    let mut config = Config::from_url(url).expect("a Redis");
    config.version = RespVersion::RESP3;
    let client = Builder::from_config(config).build().expect("a client");
    client.init().await.expect("Redis");
    client
}

fn read(text: &[u8]) -> FixedResponse {
    let end = text
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8(text[..end].to_vec()).expect("a head of ASCII");
    let fields = head.lines().skip(1).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        // The framework writes these two fields itself.
        let is_copied = !["content-length", "date"].contains(&name);
        is_copied.then(|| {
            let value = HeaderValue::from_str(value).expect("a value");
            (HeaderName::from_str(name).expect("a name"), value)
        })
    });
    FixedResponse {
        fields: fields.collect(),
        body: Bytes::copy_from_slice(&text[end + 4..]),
    }
}
