//! Overload, slow clients, and shutdown: which requests are refused, aborted or still answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::sqlx::{self, Connection};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use user_tests::{API_TOKEN, PostgresDatabase, Proxy, ServiceProcess, Store, TestApp};

use crate::common::{assert_problem, id};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_responds_and_lists_are_refused_early_without_free_connections() {
    let app = TestApp::start_with(Store::Postgres, &[("DATABASE_MAX_CONNECTIONS", "4")]).await;
    let user = app.register("steady").await;
    let mut locker = app.postgres().connect().await;
    let mut lock = locker.begin().await.unwrap();
    sqlx::query("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let stop = AtomicBool::new(false);
    let requests = join_all((0..32).map(async |n| {
        let path = match n % 2 {
            0 => "/v1/users?q=steady".to_owned(),
            _ => format!("/v1/users/{}", id(&user)),
        };
        let mut codes = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let started = Instant::now();
            let reply = app
                .service()
                .get_with(&path, &[("Cache-Control", "no-cache")])
                .await;
            assert!(started.elapsed() < Duration::from_secs(9), "{path}");
            if reply.status == 503 {
                assert_eq!(reply.header("retry-after"), "1");
            }
            codes.push((reply.status, reply.code().to_owned()));
        }
        codes
    }));
    let probes = async {
        for _ in 0..20 {
            let ready = app.anonymous().get("/health/ready").await;
            assert_eq!(ready.status, 200, "{}", ready.text);
            assert_eq!(app.anonymous().get("/health/live").await.status, 200);
            assert_eq!(app.anonymous().get("/metrics").await.status, 200);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (codes, ()) = tokio::join!(requests, probes);
    lock.rollback().await.unwrap();
    let codes: Vec<_> = codes.into_iter().flatten().collect();
    assert!(
        codes.iter().all(|(status, code)| *status == 503
            && ["unavailable", "overloaded"].contains(&code.as_str())),
        "{codes:?}"
    );
    let scrape = app.anonymous().get("/metrics").await.text;
    assert!(scrape.contains("db_client_connection_timeouts_total{pool=\"reads\"}"));
    // After the lock is released, the service works as before.
    let path = format!("/v1/users/{}", id(&user));
    let recovered = async {
        while app
            .service()
            .get_with(&path, &[("Cache-Control", "no-cache")])
            .await
            .status
            != 200
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), recovered)
        .await
        .unwrap();
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_slow_searches_leave_connections_for_single_reads() {
    let app = TestApp::start_with(Store::Postgres, &[("DATABASE_MAX_CONNECTIONS", "8")]).await;
    let user = app.register("steady").await;
    // Makes searches slow, but not reads by id.
    sqlx::raw_sql(
        "ALTER TABLE users RENAME TO all_users;
         CREATE VIEW users AS SELECT * FROM all_users;
         CREATE FUNCTION dawdle() RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(0.7) IS NOT NULL';
         ALTER TABLE all_users ENABLE ROW LEVEL SECURITY;",
    )
    .execute(&mut app.postgres().connect().await)
    .await
    .unwrap();
    sqlx::raw_sql(
        "CREATE OR REPLACE VIEW users AS SELECT * FROM all_users WHERE current_query() NOT LIKE '%LIMIT%' OR dawdle();",
    )
    .execute(&mut app.postgres().connect().await)
    .await
    .unwrap();
    let stop = AtomicBool::new(false);
    let searched = AtomicUsize::new(0);
    let requests = join_all((0..24).map(async |_| {
        while !stop.load(Ordering::Relaxed) {
            let reply = app.service().get("/v1/users?q=steady").await;
            assert!(matches!(reply.status, 200 | 503), "{}", reply.text);
            searched.fetch_add(usize::from(reply.status == 200), Ordering::Relaxed);
        }
    }));
    let path = format!("/v1/users/{}", id(&user));
    let reads = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for _ in 0..30 {
            let reply = app
                .service()
                .get_with(&path, &[("Cache-Control", "no-cache")])
                .await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(requests, reads);
    assert!(searched.into_inner() > 0, "some searches succeed");
    app.stop().await;
}

/// Reads until the service closes the connection. Returns the time and the bytes.
async fn until_closed(mut stream: TcpStream) -> (Duration, Vec<u8>) {
    let started = Instant::now();
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    let _ = tokio::time::timeout(Duration::from_secs(30), read)
        .await
        .unwrap();
    (started.elapsed(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_headers_and_slow_bodies_are_aborted() {
    let app = TestApp::start(Store::Sqlite).await;
    let mut header = TcpStream::connect(app.address()).await.unwrap();
    header
        .write_all(b"GET /v1/users HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .await
        .unwrap();
    let mut body = TcpStream::connect(app.address()).await.unwrap();
    let request = format!(
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    body.write_all(request.as_bytes()).await.unwrap();
    let ((header, text), (body, _)) = tokio::join!(until_closed(header), until_answered(body));
    assert!(header > Duration::from_secs(3), "{header:?}");
    assert!(String::from_utf8_lossy(&text).contains("408") || text.is_empty());
    assert!(body > Duration::from_secs(8), "{body:?}");
    app.stop().await;
}

/// Waits for the start of a 4xx response.
async fn until_answered(mut stream: TcpStream) -> (Duration, Vec<u8>) {
    let started = Instant::now();
    let mut head = vec![0; 12];
    let read = stream.read_exact(&mut head);
    tokio::time::timeout(Duration::from_secs(30), read)
        .await
        .unwrap()
        .unwrap();
    assert!(head.starts_with(b"HTTP/1.1 4"), "{head:?}");
    (started.elapsed(), head)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_disconnected() {
    let app = TestApp::start(Store::Sqlite).await;
    let filler = "x".repeat(16_000);
    for n in 0..120 {
        let body = json!({
            "username": format!("large{n}"), "email": format!("large{n}@example.org"),
            "metadata": {"public": {"filler": filler}, "private": {"filler": filler}},
        });
        assert_eq!(app.service().post("/v1/users", &body).await.status, 201);
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(app.address()).await.unwrap();
    let request = format!(
        "GET /v1/users?limit=200 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let connections = async || {
        let scrape = app.anonymous().get("/metrics").await.text;
        let gauge = scrape
            .lines()
            .find_map(|line| line.strip_prefix("http_server_connections "));
        gauge.unwrap().parse::<f64>().unwrap()
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let during = connections().await;
    let closed = async {
        // The client reads nothing, not even the end of the connection.
        while connections().await >= during {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), closed)
        .await
        .expect("the connection of a client that does not read is closed");
    drop(stream);
    app.stop().await;
}

/// Sends requests on one connection until a response closes it, and then on another, like a load balancer. `stop` ends
/// the requests, like a load balancer that has noticed the failing readiness check.
async fn send_requests(service: &ServiceProcess, stop: &AtomicBool) -> (usize, usize) {
    let address = service.url("").replace("http://", "");
    let request = format!(
        "GET /v1/users/count HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\n\r\n"
    );
    let (mut responses, mut broken) = (0, 0);
    let mut buffer = vec![0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        loop {
            let sent = stream.write_all(request.as_bytes()).await;
            let read = stream.read(&mut buffer).await;
            let (Ok(()), Ok(1..)) = (&sent, &read) else {
                broken += 1;
                break;
            };
            let text = String::from_utf8_lossy(&buffer[..read.unwrap()]).to_ascii_lowercase();
            assert!(text.starts_with("http/1.1 200"), "{text}");
            responses += 1;
            if text.contains("connection: close") {
                break;
            }
        }
    }
    (responses, broken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_under_load_breaks_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SHUTDOWN_DELAY_SECONDS", "2")];
    let mut service = ServiceProcess::serve(folder.path(), "sqlite:///users.db", &settings).await;
    let stop = AtomicBool::new(false);
    let requests = join_all((0..16).map(|_| send_requests(&service, &stop)));
    let shutdown = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        service.signal("TERM");
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (counts, ()) = tokio::join!(requests, shutdown);
    let responses: usize = counts.iter().map(|(responses, _)| responses).sum();
    let broken: usize = counts.iter().map(|(_, broken)| broken).sum();
    assert!(responses > 100, "{responses}");
    assert_eq!(broken, 0, "{broken} of {responses} requests were broken");
    assert_eq!(service.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_service_at_once() {
    let database = PostgresDatabase::create().await;
    let (proxy, database_uri) = Proxy::in_front_of(&database.url()).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SHUTDOWN_DELAY_SECONDS", "60")];
    let mut service = ServiceProcess::serve(folder.path(), &database_uri, &settings).await;
    proxy.hang();
    service.signal("TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.signal("TERM");
    let started = Instant::now();
    assert_eq!(service.end().await, Some(1));
    assert!(started.elapsed() < Duration::from_secs(20));
    drop(proxy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overload_by_writers_keeps_at_least_half_of_the_throughput() {
    let database = PostgresDatabase::create().await;
    let (proxy, database_uri) = Proxy::in_front_of(&database.url()).await;
    let app = TestApp::start(Store::Postgres).await;
    let app = app
        .replica_with(&[
            ("DATABASE_URI", &database_uri),
            ("DATABASE_MAX_CONNECTIONS", "4"),
        ])
        .await;
    // Two connections and about 50 ms per write allow at most 40 writes per second.
    proxy.delay(Duration::from_millis(4));
    let goodput = async |writers: usize| {
        let stop = Arc::new(AtomicBool::new(false));
        let done = AtomicUsize::new(0);
        let writing = join_all((0..writers).map(async |writer| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let name = format!("w{writers}x{writer}x{n}");
                let body = json!({"username": name, "email": format!("{name}@example.org")});
                let reply = app.service().post("/v1/users", &body).await;
                match reply.status {
                    201 => _ = done.fetch_add(1, Ordering::Relaxed),
                    503 => {
                        assert_problem(&reply, 503, "unavailable");
                        // As `Retry-After` says.
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    other => panic!("{other}: {}", reply.text),
                }
            }
        }));
        let clock = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            stop.store(true, Ordering::Relaxed);
        };
        tokio::join!(writing, clock);
        done.into_inner()
    };
    let peak = goodput(8).await;
    let overload = goodput(128).await;
    assert!(
        overload * 2 > peak,
        "{overload} writes under overload, {peak} without"
    );
    let count: Value = user_tests::http_client()
        .get(app.url("/v1/users/count"))
        .bearer_auth(API_TOKEN)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        count["count"],
        json!(peak + overload),
        "a write with a 503 is not applied"
    );
    app.stop().await;
}
