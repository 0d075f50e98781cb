//! Tests of the API in one process, with the fakes and mocks of the domain.

mod bodies;
mod connections;
mod consistency;
mod credentials;
mod direct_read;
mod docs;
mod events;
mod every_route;
mod freshness;
mod lists;
mod outcomes;
mod rate_limits;
mod reads;
mod relationships;
mod request_context;
mod server;
mod writes;

use std::io::Read as _;
use std::time::Duration;

use actix_http::Request;
use actix_web::Error;
use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service, try_call_service};
use flate2::read::GzDecoder;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use user_domain::caller::ServiceCaller;
use user_domain::ports::{UserKey, VerifiedToken};
use user_domain::test_support::fakes::Fakes;
use user_domain::use_cases::Ports;
use user_domain::values::UserId;

use crate::{Api, Deadlines, Exposition, HttpSettings, Readiness, WriteTasks, app};

/// The token of a service with all scopes.
const SERVICE: &str = "service-token";

struct TestApp {
    fakes: Fakes,
    api: Api,
    readiness: Readiness,
}

struct TestResponse {
    /// The request with its headers.
    sent: String,
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl TestApp {
    fn new() -> Self {
        Self::with(|_| (), |_| ())
    }

    fn with_settings(settings: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::with(settings, |_| ())
    }

    fn with_ports(ports: impl FnOnce(&mut Ports)) -> Self {
        Self::with(|_| (), ports)
    }

    fn with(settings: impl FnOnce(&mut HttpSettings), ports: impl FnOnce(&mut Ports)) -> Self {
        let fakes = Fakes::default();
        fakes
            .service_tokens
            .admit(SERVICE, ServiceCaller::with_all_scopes("posts"));
        let mut http_settings = HttpSettings::new([7; 32]);
        settings(&mut http_settings);
        let mut all_ports = fakes.ports();
        ports(&mut all_ports);
        let readiness = Readiness::default();
        let writes = WriteTasks::new(tokio::runtime::Handle::current());
        let metrics = Exposition::new(PrometheusBuilder::new().build_recorder().handle(), || ());
        let api = Api::new(
            &all_ports,
            http_settings,
            writes,
            readiness.clone(),
            metrics,
        );
        Self {
            fakes,
            api,
            readiness,
        }
    }

    async fn send(&self, request: TestRequest) -> TestResponse {
        let service = init_service(app(&self.api)).await;
        send_to(&service, request).await
    }

    /// Sends a request as the service with all scopes.
    async fn as_service(&self, request: TestRequest) -> TestResponse {
        self.send(request.insert_header(("x-api-token", SERVICE)))
            .await
    }

    /// Sends a request as this user.
    async fn as_user(&self, id: &str, request: TestRequest) -> TestResponse {
        self.fakes.tokens.admit_user(id, UserId::parse(id).unwrap());
        self.send(request.insert_header(("authorization", format!("Bearer {id}"))))
            .await
    }

    /// Sends a request as this user, with a token that claims the administrator role.
    async fn as_claimed_admin(&self, id: &str, request: TestRequest) -> TestResponse {
        let subject = UserKey::Id(UserId::parse(id).unwrap());
        self.fakes.tokens.admit(
            "admin",
            VerifiedToken {
                subject,
                claims_admin: true,
                issued_at: None,
            },
        );
        self.send(request.insert_header(("authorization", "Bearer admin")))
            .await
    }

    /// Creates a user and returns its id.
    async fn create_user(&self, name: &str) -> String {
        let body = json!({"username": name, "email": format!("{name}@example.org")});
        let response = self.as_service(post("/v1/users").set_json(body)).await;
        assert_eq!(response.status, 201, "{}", response.json());
        response.json()["id"].as_str().unwrap().to_owned()
    }
}

/// Returns the bytes that gzip compressed.
fn decompressed(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

/// Sends a request to an initialised app.
async fn send_to(
    service: &impl Service<Request, Response = ServiceResponse<BoxBody>, Error = Error>,
    request: TestRequest,
) -> TestResponse {
    let request = request.to_request();
    let sent = format!("{request:?}");
    let response = match try_call_service(service, request).await {
        Ok(response) => response.into_parts().1,
        Err(error) => error.error_response(),
    };
    TestResponse {
        sent,
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: to_bytes(response.into_body()).await.unwrap().to_vec(),
    }
}

impl TestResponse {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the version and view in the `ETag` after checking its format; empty without an `ETag`.
    fn version_and_view(&self) -> &str {
        let tag = self.header("etag");
        if tag.is_empty() {
            return tag;
        }
        let (version_and_view, digest) = tag
            .trim_matches('"')
            .rsplit_once('-')
            .expect("a tag of three parts");
        let digits = digest.bytes().filter(u8::is_ascii_hexdigit).count();
        assert!(digits >= 8 && digits == digest.len(), "{tag}");
        version_and_view
    }

    /// Returns the code of a problem.
    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// Asserts that this is a problem with this status and code, and with the members that every problem has.
    #[track_caller]
    fn assert_problem(&self, status: u16, code: &str) {
        let (sent, body) = (&self.sent, self.json());
        assert_eq!((self.status, &*self.code()), (status, code), "{sent}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(body["status"], self.status);
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(body["type"], format!("urn:user-service:problem:{code}"));
    }

    fn fault_codes(&self) -> Vec<String> {
        let errors = self.json()["errors"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        errors
            .iter()
            .map(|fault| {
                let location = fault.get("pointer").or(fault.get("parameter")).unwrap();
                format!(
                    "{} {}",
                    location.as_str().unwrap(),
                    fault["code"].as_str().unwrap()
                )
            })
            .collect()
    }
}

fn get(uri: &str) -> TestRequest {
    TestRequest::get().uri(uri)
}

fn post(uri: &str) -> TestRequest {
    TestRequest::post().uri(uri)
}

fn patch(uri: &str) -> TestRequest {
    TestRequest::patch().uri(uri)
}

fn deadlines(request: Duration) -> Deadlines {
    Deadlines {
        request,
        listing: request,
        body: Duration::from_millis(200),
    }
}
