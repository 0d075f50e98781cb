//! What the service is compared with: handlers of the bare framework that do nothing but answer.

use std::io;
use std::str::FromStr as _;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{App, HttpResponse, HttpServer, web};
use fred::prelude::{Builder, Client, ClientLike as _, Config, KeysInterface as _};
use fred::types::RespVersion;

/// What every answer is: the header fields and the body of an answer of the service.
#[derive(Clone)]
struct Answer {
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    fn with(&self, body: Bytes) -> HttpResponse {
        let mut response = HttpResponse::new(StatusCode::OK).set_body(body);
        for (name, value) in &self.fields {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.map_into_boxed_body()
    }
}

async fn of_memory(_: Path<String>, answer: Data<Answer>) -> HttpResponse {
    answer.with(answer.body.clone())
}

async fn of_redis(id: Path<String>, answer: Data<Answer>, redis: Data<Client>) -> HttpResponse {
    let body: Option<Bytes> = redis.get(format!("bench:{id}")).await.expect("an answer");
    body.map_or_else(
        || HttpResponse::new(StatusCode::NOT_FOUND),
        |body| answer.with(body),
    )
}

/// Serves on a port, as `PORT FILE [REDIS_URL]` says; the file has the answer as it came over the wire.
pub(crate) fn serve(arguments: &[String]) {
    let [port, file, redis @ ..] = arguments else {
        panic!("--bare PORT FILE [REDIS_URL]");
    };
    let port: u16 = port.parse().expect("a port");
    let answer = read(&std::fs::read(file).expect("the answer"));
    let redis = redis.first().cloned();
    actix_web::rt::System::new()
        .block_on(run(port, answer, redis))
        .expect("to serve");
}

async fn run(port: u16, answer: Answer, redis: Option<String>) -> io::Result<()> {
    // Made where it is used, which is the fastest place.
    let client = match redis {
        Some(url) => Some(connect(&url).await),
        None => None,
    };
    let server = HttpServer::new(move || {
        let app = App::new().app_data(Data::new(answer.clone()));
        match &client {
            None => app.route("/v1/users/{id}", web::get().to(of_memory)),
            Some(client) => app
                .app_data(Data::new(client.clone()))
                .route("/v1/users/{id}", web::get().to(of_redis)),
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

fn read(text: &[u8]) -> Answer {
    let end = text
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8(text[..end].to_vec()).expect("a head of ASCII");
    let fields = head.lines().skip(1).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        // Those two the framework writes itself.
        let is_own = !["content-length", "date"].contains(&name);
        is_own.then(|| {
            let value = HeaderValue::from_str(value).expect("a value");
            (HeaderName::from_str(name).expect("a name"), value)
        })
    });
    Answer {
        fields: fields.collect(),
        body: Bytes::copy_from_slice(&text[end + 4..]),
    }
}
