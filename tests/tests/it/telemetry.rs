//! Traces, metrics and the log of a running service, and the data that they must not contain.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use sea_orm::sqlx::{self, Connection};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use user_tests::{
    API_TOKEN, Collector, JWT_SECRET, PostgresDatabase, Proxy, RedisServer, ServiceProcess, Store,
    TestApp, claims, hex, leaks, sign,
};

use crate::common::{assert_problem, full_user_body, id};

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let names = || {
        spans
            .iter()
            .map(|span| span.name.as_str())
            .collect::<Vec<_>>()
    };
    spans
        .iter()
        .find(|span| span.name == name)
        .unwrap_or_else(|| panic!("there is no span {name} among {:?}", names()))
}

/// Asserts that each span is a child of the previous one.
#[track_caller]
fn assert_chain(spans: &[Span], names: &[&str]) {
    for pair in names.windows(2) {
        let (parent, child) = (named(spans, pair[0]), named(spans, pair[1]));
        assert_eq!(
            hex(&child.parent_span_id),
            hex(&parent.span_id),
            "{} is in {}",
            pair[1],
            pair[0]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_one_trace_down_to_statements_and_redis_commands() {
    let (collector, redis) = (Collector::start(), RedisServer::start().await);
    let database = PostgresDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let service = ServiceProcess::serve(
        folder.path(),
        &database.url(),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=acme%20inc"),
            ("OTEL_SERVICE_NAME", "users-of-acme"),
            ("REDIS_URL", &redis.url()),
            ("MANAGEMENT_PORT", "0"),
        ],
    )
    .await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let call = |request: reqwest::RequestBuilder| {
        request
            .bearer_auth(API_TOKEN)
            .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
            .send()
    };
    let created = call(
        user_tests::http_client()
            .post(service.url("/v1/users"))
            .json(&full_user_body("traced.one")),
    );
    let created = created.await.unwrap();
    assert_eq!(created.status(), 201);
    let id = created.json::<Value>().await.unwrap()["id"].clone();
    let path = format!("/v1/users/{}?fields=username", id.as_str().unwrap());
    let read = call(
        user_tests::http_client()
            .get(service.url(&path))
            .header("Cache-Control", "no-cache"),
    );
    assert_eq!(read.await.unwrap().status(), 200);

    let spans = collector.trace(trace, 13).await;
    let server = named(&spans, "POST /v1/users");
    assert_eq!(hex(&server.parent_span_id), "b7ad6b7169203331");
    assert_eq!(server.kind, SpanKind::Server as i32);
    assert_chain(
        &spans,
        &["POST /v1/users", "create_user", "add_user", "INSERT users"],
    );
    for statement in ["BEGIN", "INSERT events", "COMMIT"] {
        assert_chain(&spans, &["add_user", statement]);
        assert_eq!(named(&spans, statement).kind, SpanKind::Client as i32);
    }
    assert_chain(&spans, &["create_user", "tell"]);
    assert_chain(&spans, &["POST /v1/users", "authenticate"]);
    let uncached = [
        "GET /v1/users/{id}",
        "find_user",
        "find_users",
        "SELECT users",
    ];
    let of_the_store: Vec<Span> = spans
        .iter()
        .filter(|span| span.name != "find_user" || span.kind == SpanKind::Internal as i32)
        .cloned()
        .collect();
    assert_chain(&of_the_store, &uncached[..2]);
    assert!(spans.iter().any(|span| span.name == "SELECT users"));

    let attributes = format!("{server:?}");
    for name in [
        "http.route",
        "http.response.status_code",
        "http.request.method",
    ] {
        assert!(attributes.contains(name), "{attributes}");
    }
    let senders = collector.senders();
    for (name, value) in [
        ("service.name", "users-of-acme"),
        ("x-tenant", "acme inc"),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ] {
        let expected = (name.to_owned(), value.to_owned());
        assert!(senders.contains(&expected), "{expected:?}");
    }
    // Background work and health checks, which have no parent span, are not traced.
    let roots = collector.spans();
    let roots = roots.iter().filter(|span| span.parent_span_id.is_empty());
    let roots: Vec<&str> = roots.map(|span| span.name.as_str()).collect();
    assert!(roots.is_empty(), "{roots:?}");
    let line = service
        .lines()
        .into_iter()
        .find(|line| line["route"] == "/v1/users" && line["status"] == 201);
    assert_eq!(line.unwrap()["trace_id"], json!(trace));
    assert_eq!(service.terminate().await, Some(0));
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sampling_ratio_of_0_disables_tracing_even_for_sampled_callers() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ("MANAGEMENT_PORT", "0"),
    ];
    let service = ServiceProcess::serve(folder.path(), "sqlite:///users.db", &settings).await;
    for flags in ["00", "01", "ff"] {
        let parent = format!("00-22222222222222222222222222222222-b7ad6b7169203331-{flags}");
        let request = user_tests::http_client().get(service.url("/v1/users/count"));
        let request = request.bearer_auth(API_TOKEN).header("traceparent", parent);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    // Remaining spans are exported before the process exits.
    assert_eq!(service.terminate().await, Some(0));
    assert!(collector.spans().is_empty());
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sampling_ratio_applies_unless_the_caller_is_sampled() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_TRACES_SAMPLER_ARG", "0.000000001"),
        ("MANAGEMENT_PORT", "0"),
    ];
    let service = ServiceProcess::serve(folder.path(), "sqlite:///users.db", &settings).await;
    let send = |parent: Option<&str>| {
        let request = user_tests::http_client().get(service.url("/v1/users/count"));
        let request = request.bearer_auth(API_TOKEN);
        match parent {
            Some(parent) => request.header("traceparent", parent),
            None => request,
        }
        .send()
    };
    for parent in [
        None,
        Some("00-11111111111111111111111111111111-b7ad6b7169203331-00"),
        Some("no-trace-at-all"),
    ] {
        assert_eq!(send(parent).await.unwrap().status(), 200);
    }
    let wanted = "22222222222222222222222222222222";
    let parent = format!("00-{wanted}-b7ad6b7169203331-01");
    assert_eq!(send(Some(&parent)).await.unwrap().status(), 200);
    assert_eq!(service.terminate().await, Some(0));
    collector.trace(wanted, 3).await;
    let spans = collector.spans();
    assert!(spans.iter().all(|span| hex(&span.trace_id) == wanted));
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_or_missing_collector_affects_no_request_and_no_shutdown() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging_url = format!("http://{}", hanging.local_addr().unwrap());
    for endpoint in [hanging_url.as_str(), "http://127.0.0.1:9"] {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)];
        let service = ServiceProcess::serve(folder.path(), "sqlite:///users.db", &settings).await;
        for _ in 0..200 {
            let request = user_tests::http_client().get(service.url("/v1/users/count"));
            let response = request.bearer_auth(API_TOKEN).send().await.unwrap();
            assert_eq!(response.status(), 200);
        }
        assert_eq!(service.terminate().await, Some(0), "{endpoint}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_request_is_counted_as_499() {
    let app = TestApp::start(Store::Postgres).await;
    let user = app.register("awaited").await;
    let mut locker = app.postgres().connect().await;
    let mut lock = locker.begin().await.unwrap();
    sqlx::query("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let request = format!(
        "GET /v1/users/{}/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\n\r\n",
        id(&user)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    let counted = async {
        let wanted = r#"route="/v1/users/{id}/export",status="499""#;
        while !app.anonymous().get("/metrics").await.text.contains(wanted) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted)
        .await
        .expect("the request is counted by its route");
    lock.rollback().await.unwrap();
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_management_port_serves_metrics_and_health_separately() {
    let app = TestApp::start_with(Store::Sqlite, &[("MANAGEMENT_PORT", "0")]).await;
    for path in ["/metrics", "/health", "/health/live", "/health/ready"] {
        assert_problem(&app.anonymous().get(path).await, 404, "not_found");
        let response = user_tests::http_client()
            .get(app.management_url(path))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    for path in ["/v1/users/count", "/docs", "/openapi.json", "/nothing"] {
        let response = user_tests::http_client()
            .get(app.management_url(path))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 404, "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "not_found");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_management_port_the_log_level_cannot_be_changed_remotely() {
    let app = TestApp::start(Store::Sqlite).await;
    for caller in [app.anonymous(), app.service(), app.admin().await] {
        assert_problem(&caller.get("/log-level").await, 404, "not_found");
        let body = json!({"level": "debug"});
        let changed = caller
            .request(reqwest::Method::PUT, "/log-level")
            .json(&body);
        assert_eq!(changed.send().await.unwrap().status(), 404);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_level_can_be_changed_at_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("MANAGEMENT_PORT", "0"), ("LOG_LEVEL", "warn")];
    let service = ServiceProcess::serve(folder.path(), "sqlite:///users.db", &settings).await;
    let client = user_tests::http_client();
    let set_level = async |body: Value| {
        let request = client.put(service.management_url("/log-level")).json(&body);
        let response = request.send().await.unwrap();
        (
            response.status().as_u16(),
            response.json::<Value>().await.unwrap(),
        )
    };
    let refused = async |id: &str| {
        let request = client.get(service.url("/v1/users/me"));
        let response = request.header("x-request-id", id).send().await;
        assert_eq!(response.unwrap().status(), 401);
    };
    let now = client
        .get(service.management_url("/log-level"))
        .send()
        .await;
    assert_eq!(
        now.unwrap().json::<Value>().await.unwrap(),
        json!({"level": "warn"})
    );
    refused("at-warn").await;
    assert_eq!(
        set_level(json!({"level": "debug"})).await,
        (200, json!({"level": "debug"}))
    );
    refused("at-debug").await;
    for wrong in [
        json!({"level": "loud"}),
        json!({"level": 1}),
        json!({}),
        json!({"level": "info", "for": 1}),
    ] {
        assert_eq!(set_level(wrong.clone()).await.0, 422, "{wrong}");
    }
    assert_eq!(set_level(json!({"level": "error"})).await.0, 200);
    refused("at-error").await;
    assert_eq!(set_level(json!({"level": "info"})).await.0, 200);
    refused("at-info").await;
    // Lines are written in order, so all earlier lines exist once the line of the last request exists.
    let logged = |lines: &[Value]| {
        let of_request = |line: &Value| {
            let id = line["request_id"].as_str()?;
            let is_ours = id.starts_with("at-");
            is_ours.then(|| (id.to_owned(), line["level"].as_str().unwrap().to_owned()))
        };
        lines.iter().filter_map(of_request).collect::<Vec<_>>()
    };
    let last_is_logged = async {
        while !logged(&service.lines()).contains(&("at-info".into(), "INFO".into())) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), last_is_logged)
        .await
        .expect("the last request is logged");
    assert_eq!(
        logged(&service.lines()),
        [
            ("at-debug".into(), "DEBUG".into()),
            ("at-debug".into(), "INFO".into()),
            ("at-info".into(), "INFO".into()),
        ]
    );
    assert_eq!(service.terminate().await, Some(0));
}

/// Values that the test sends to the service and then searches in its output.
const PLANTED: [&str; 14] = [
    API_TOKEN,
    JWT_SECRET,
    "planted",
    "pl%61nted",
    "eyJ",
    "+4930123456",
    "Ann Lee",
    "1990-02-28",
    "First line.",
    "pass-of-the-database",
    "pass-of-redis",
    "key-of-the-collector",
    "key-of-a-write",
    "key-of-the-seals-of-at-least-32-bytes",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_personal_and_no_secret_is_in_logs_traces_or_metrics_at_any_level() {
    let collector = Collector::start();
    let database = PostgresDatabase::create().await;
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    // The test servers ignore these passwords: PostgreSQL trusts the connection, and Redis has no password.
    let (proxy, database_uri) = Proxy::in_front_of(&database.url()).await;
    let database_uri = database_uri.replacen('@', ":pass-of-the-database@", 1);
    let redis_url = redis.url().replacen("://", "://:pass-of-redis@", 1);
    let service = ServiceProcess::serve(
        folder.path(),
        &database_uri,
        &[
            ("LOG_LEVEL", "trace"),
            ("MANAGEMENT_PORT", "0"),
            ("REDIS_URL", &redis_url),
            ("SEALING_KEY", "key-of-the-seals-of-at-least-32-bytes"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=key-of-the-collector"),
        ],
    )
    .await;
    drive(&service).await;
    let scrape = user_tests::http_client()
        .get(service.management_url("/metrics"))
        .send()
        .await;
    let scrape = scrape.unwrap().text().await.unwrap();
    let log = {
        redis.kill();
        drive(&service).await;
        proxy.cut();
        drive(&service).await;
        service.signal("TERM");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        service.written()
    };
    assert!(log.contains("DEBUG"), "the log contains debug lines");
    let spans = format!("{:?}", collector.spans());
    assert!(
        spans.contains("INSERT users"),
        "the traces contain statements"
    );
    for planted in PLANTED {
        for (what, text) in [("log", &log), ("metrics", &scrape), ("traces", &spans)] {
            let at = text.lines().find(|line| line.contains(planted));
            assert!(
                at.is_none(),
                "{planted} is in the {what}: {}",
                at.unwrap_or_default()
                    .chars()
                    .take(2000)
                    .collect::<String>()
            );
        }
    }
    for line in log.lines() {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|line| line.is_object()), "{line}");
    }
    leaks::assert_none();
    collector.stop().await;
}

/// Sends valid and invalid requests to all endpoints, with planted values in every place.
async fn drive(service: &ServiceProcess) {
    let client = user_tests::http_client();
    let mut body = full_user_body("planted.user");
    body["email"] = json!("planted@planted.example");
    let token = sign(&claims("0199b8f2-7c1e-7000-8000-000000000000"));
    let paths = [
        "/v1/users",
        "/v1/users?q=planted",
        "/v1/users?email=planted%40planted.example",
        "/v1/users?planted=planted",
        "/v1/users?cursor=planted",
        "/v1/users/by-username/planted.user",
        "/v1/users/by-username/pl%61nted.user",
        "/v1/users/by-external-id/ext-planted.user",
        "/v1/users/me",
        "/v1/users/planted",
        "/v1/users/count?username_prefix=planted",
        "/planted/planted?planted",
        "/v1/users/batch",
    ];
    let credentials = [
        API_TOKEN.to_owned(),
        format!("Bearer {token}"),
        "Bearer planted".to_owned(),
        "Basic planted".to_owned(),
        String::new(),
    ];
    for path in paths {
        for credential in &credentials {
            for method in ["GET", "POST", "PATCH", "PUT", "DELETE", "PLANTED"] {
                let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
                let request = client
                    .request(method, service.url(path))
                    .header("Authorization", credential)
                    .header("Idempotency-Key", "key-of-a-write")
                    .header("If-Match", "\"1\"")
                    .header("User-Agent", "planted")
                    .header("X-Forwarded-For", "planted")
                    .json(&body);
                let _ = request.send().await;
            }
        }
    }
    for malformed in [
        r#"{"username":"planted""#,
        r#"["planted"]"#,
        r#"{"planted":{"planted":1}}"#,
    ] {
        let request = client
            .post(service.url("/v1/users"))
            .bearer_auth(API_TOKEN)
            .header("Content-Type", "application/json")
            .body(malformed);
        let _ = request.send().await;
    }
}
