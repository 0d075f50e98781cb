//! The API in one process, over the domain's fakes and mocks.

mod credentials;
mod docs;
mod frame;
mod freshness;
mod lists;
mod outcomes;
mod reads;
mod relationships;
mod shortcut;
mod writes;

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use user_domain::caller::ServiceCaller;
use user_domain::ports::{UserKey, VerifiedToken};
use user_domain::test_support::fakes::Fakes;
use user_domain::use_cases::Ports;
use user_domain::values::UserId;

use crate::{Api, Deadlines, Exposition, HttpSettings, Readiness, Writes, app};

/// The token of a service that may do everything.
const SERVICE: &str = "service-token";

struct World {
    fakes: Fakes,
    api: Api,
    readiness: Readiness,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| (), |_| ())
    }

    fn with(settings: impl FnOnce(&mut HttpSettings), ports: impl FnOnce(&mut Ports)) -> Self {
        let fakes = Fakes::default();
        fakes
            .service_tokens
            .admit(SERVICE, ServiceCaller::with_all_scopes("posts"));
        let mut wanted = HttpSettings::new([7; 32]);
        settings(&mut wanted);
        let mut given = fakes.ports();
        ports(&mut given);
        let readiness = Readiness::default();
        let writes = Writes::new(tokio::runtime::Handle::current());
        let metrics = Exposition::new(PrometheusBuilder::new().build_recorder().handle(), || ());
        let api = Api::new(&given, wanted, writes, readiness.clone(), metrics);
        Self {
            fakes,
            api,
            readiness,
        }
    }

    async fn send(&self, request: TestRequest) -> Answer {
        let service = init_service(app(&self.api)).await;
        match try_call_service(&service, request.to_request()).await {
            Ok(response) => Answer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: read_body(response).await.to_vec(),
            },
            Err(error) => {
                let response = error.error_response();
                Answer {
                    status: response.status().as_u16(),
                    headers: response.headers().clone(),
                    body: actix_web::body::to_bytes(response.into_body())
                        .await
                        .unwrap()
                        .to_vec(),
                }
            }
        }
    }

    /// Sends as the service that may do everything.
    async fn as_service(&self, request: TestRequest) -> Answer {
        self.send(request.insert_header(("x-api-token", SERVICE)))
            .await
    }

    /// Sends as this person.
    async fn as_user(&self, id: &str, request: TestRequest) -> Answer {
        self.fakes.tokens.admit_user(id, UserId::parse(id).unwrap());
        self.send(request.insert_header(("authorization", format!("Bearer {id}"))))
            .await
    }

    /// Sends as this person, whose token claims to be an administrator.
    async fn as_claimed_admin(&self, id: &str, request: TestRequest) -> Answer {
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

    /// Registers a person and gives the id.
    async fn person(&self, name: &str) -> String {
        let body = json!({"username": name, "email": format!("{name}@example.org")});
        let answer = self.as_service(post("/v1/users").set_json(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The status and code of a problem, after a look at what every problem has.
    fn problem(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(body["status"], self.status);
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert_eq!(
            body["type"],
            format!(
                "urn:user-service:problem:{}",
                body["code"].as_str().unwrap()
            )
        );
        (self.status, body["code"].as_str().unwrap().to_owned())
    }

    fn fault_codes(&self) -> Vec<String> {
        let errors = self.json()["errors"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        errors
            .iter()
            .map(|fault| {
                let place = fault.get("pointer").or(fault.get("parameter")).unwrap();
                format!(
                    "{} {}",
                    place.as_str().unwrap(),
                    fault["code"].as_str().unwrap()
                )
            })
            .collect()
    }
}

fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
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
