//! A collector of traces that decodes what it receives (OTLP over HTTP).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data, PayloadConfig, post};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A running collector.
pub struct Collector {
    url: String,
    received: Arc<Mutex<Received>>,
    handle: ServerHandle,
}

#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    /// The resource attributes and the header fields of the received requests.
    senders: Vec<(String, String)>,
}

impl Collector {
    /// Starts a collector on a free port.
    pub fn start() -> Self {
        let received = Arc::new(Mutex::new(Received::default()));
        let shared = Data::from(received.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(PayloadConfig::new(64 * 1024 * 1024))
                .route("/v1/traces", post().to(take))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            url,
            received,
            handle,
        }
    }

    /// The `OTEL_EXPORTER_OTLP_ENDPOINT` of this collector.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until a trace has at least this number of spans, and returns them.
    pub async fn trace(&self, id: &str, least: usize) -> Vec<Span> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let spans = self.spans();
            let of_trace = |span: &Span| hex(&span.trace_id) == id;
            let spans: Vec<Span> = spans.into_iter().filter(of_trace).collect();
            if spans.len() >= least {
                return spans;
            }
            assert!(
                Instant::now() < deadline,
                "received fewer than {least} spans, {}: {:#?}",
                spans.len(),
                self.spans()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All received spans.
    pub fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap().spans.clone()
    }

    /// The resource attributes and header fields of all senders.
    pub fn senders(&self) -> Vec<(String, String)> {
        self.received.lock().unwrap().senders.clone()
    }

    /// Stops it.
    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn take(received: Data<Mutex<Received>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let Ok(export) = ExportTraceServiceRequest::decode(body) else {
        return HttpResponse::BadRequest().finish();
    };
    let mut received = received.lock().unwrap();
    for (name, value) in request.headers() {
        let value = value.to_str().unwrap_or_default();
        received.senders.push((name.to_string(), value.to_owned()));
    }
    for resource in export.resource_spans {
        for attribute in resource.resource.unwrap_or_default().attributes {
            let value = attribute.value.and_then(|value| value.value);
            if let Some(Value::StringValue(value)) = value {
                received.senders.push((attribute.key, value));
            }
        }
        for scope in resource.scope_spans {
            received.spans.extend(scope.spans);
        }
    }
    HttpResponse::Ok()
        .content_type("application/x-protobuf")
        .body(ExportTraceServiceResponse::default().encode_to_vec())
}

/// Formats an id in hexadecimal, as in a `traceparent`.
pub fn hex(id: &[u8]) -> String {
    use std::fmt::Write as _;
    id.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
