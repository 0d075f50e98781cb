//! Tests of the Redis servers that the cache tests use.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::rustls::crypto::ring;
use fred::rustls::pki_types::CertificateDer;
use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::{ClientConfig, RootCertStore};
use fred::types::config::{Config, TlsConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use user_tests::{RedisReply, RedisServer, shared_redis};

const PONG: &[u8] = b"+PONG\r\n";

#[tokio::test]
async fn the_shared_server_answers() {
    let mut connection = connect(&shared_redis()).await;
    send_ping(&mut connection).await;
    assert!(is_answered(&mut connection).await);
}

#[tokio::test]
async fn a_server_stores_values_and_counts_commands() {
    let redis = RedisServer::start().await;
    assert_eq!(redis.get_raw("b").await, None);

    redis.set_raw("b", b"\0\r\n\xff").await;
    redis.set_raw("a", b"").await;
    redis.set_raw("other", &vec![7; 3_000_000]).await;

    assert_eq!(redis.keys("?").await, ["a", "b"]);
    assert_eq!(redis.get_raw("b").await.unwrap(), b"\0\r\n\xff");
    assert_eq!(redis.get_raw("other").await.unwrap(), vec![7; 3_000_000]);
    assert_eq!(redis.command_count("SET").await, 3);
    assert_eq!(redis.command_count("mget").await, 0);
    assert_eq!(
        redis.command(&["MGET", "a", "missing"]).await,
        RedisReply::Array(vec![RedisReply::Bytes(Vec::new()), RedisReply::Nil])
    );
    assert_eq!(redis.command_count("mget").await, 1);
    assert_eq!(redis.command(&["DBSIZE"]).await, RedisReply::Integer(3));
    assert!(redis.command(&["NONSENSE"]).await.text().starts_with("ERR"));
}

#[tokio::test]
async fn arguments_reach_the_server() {
    let redis = RedisServer::start_with(&["--databases", "3"]).await;
    let reply = redis.command(&["CONFIG", "GET", "databases"]).await;
    assert!(matches!(reply, RedisReply::Array(pair) if pair[1].text() == "3"));
}

#[tokio::test]
async fn a_paused_server_replies_only_after_it_is_resumed() {
    let redis = RedisServer::start().await;
    let mut old = connect(&redis.url()).await;
    redis.pause();
    let mut new = connect(&redis.url()).await;
    for connection in [&mut old, &mut new] {
        send_ping(connection).await;
        assert!(!is_answered_within(connection, Duration::from_millis(200)).await);
    }

    redis.resume();
    assert!(is_answered(&mut old).await);
    assert!(is_answered(&mut new).await);
}

#[tokio::test]
async fn a_killed_server_closes_and_refuses_connections() {
    let redis = RedisServer::start().await;
    let mut connection = connect(&redis.url()).await;
    redis.pause();
    redis.kill();

    assert!(TcpStream::connect(address(&redis.url())).await.is_err());
    assert_eq!(connection.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_restarted_server_is_empty_at_the_same_address() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    redis.set_raw("key", b"value").await;
    redis.snapshot().await;

    redis.restart().await;

    assert_eq!(redis.url(), url);
    assert_eq!(redis.get_raw("key").await, None);
    let mut connection = connect(&url).await;
    send_ping(&mut connection).await;
    assert!(is_answered(&mut connection).await);
}

#[tokio::test]
async fn a_server_restarted_from_a_snapshot_lost_later_writes() {
    let redis = RedisServer::start().await;
    redis.set_raw("key", b"older").await;
    let snapshot = redis.snapshot().await;
    redis.set_raw("key", b"newer").await;

    redis.restart_from(&snapshot).await;

    assert_eq!(redis.get_raw("key").await.unwrap(), b"older");
}

#[tokio::test]
async fn a_copy_has_the_data_and_is_independent() {
    let redis = RedisServer::start().await;
    redis.set_raw("key", b"older").await;
    let copy = redis.copy().await;
    redis.set_raw("key", b"newer").await;

    assert_ne!(copy.url(), redis.url());
    assert_eq!(copy.get_raw("key").await.unwrap(), b"older");
    drop(redis);
    assert_eq!(copy.keys("*").await, ["key"]);
}

#[tokio::test]
async fn a_full_server_rejects_writes_and_serves_reads() {
    let redis = RedisServer::start().await;
    redis.set_raw("key", b"value").await;
    redis.fill_memory().await;

    let refused = redis.command(&["SET", "key", "other"]).await;
    assert!(matches!(refused, RedisReply::Error(error) if error.starts_with("OOM")));
    assert_eq!(redis.get_raw("key").await.unwrap(), b"value");

    redis.free_memory().await;
    redis.set_raw("key", b"other").await;
}

#[tokio::test]
async fn a_tls_server_accepts_only_clients_that_trust_its_ca() {
    let redis = RedisServer::start_tls().await;
    redis.set_raw("key", b"value").await;
    let copy = redis.copy().await;

    for url in [
        redis.url(),
        copy.url(),
        redis.url().replace("localhost", "127.0.0.1"),
    ] {
        assert!(ping_by_tls(&url, &redis).await.is_ok(), "{url}");
    }
    let other = RedisServer::start_tls().await;
    assert!(ping_by_tls(&redis.url(), &other).await.is_err());

    let mut plain = connect(&redis.url()).await;
    send_ping(&mut plain).await;
    assert!(!is_answered(&mut plain).await);
}

#[tokio::test]
async fn a_server_outlives_the_thread_that_started_it() {
    let redis = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(RedisServer::start())
    });
    let redis = redis.join().unwrap();
    redis.set_raw("key", b"value").await;
}

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(address(url)).await.unwrap()
}

fn address(url: &str) -> &str {
    url.split_once("://").unwrap().1.trim_end_matches('/')
}

async fn send_ping(connection: &mut TcpStream) {
    connection.write_all(b"PING\r\n").await.unwrap();
}

async fn is_answered(connection: &mut TcpStream) -> bool {
    is_answered_within(connection, Duration::from_secs(10)).await
}

async fn is_answered_within(connection: &mut TcpStream, limit: Duration) -> bool {
    let mut answer = [0; PONG.len()];
    let reading = connection.read_exact(&mut answer);
    matches!(tokio::time::timeout(limit, reading).await, Ok(Ok(_))) && answer == PONG
}

async fn ping_by_tls(url: &str, trusted: &RedisServer) -> Result<(), fred::error::Error> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(trusted.ca_file()).unwrap())
        .unwrap();
    let tls = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = Config::from_url(url)?;
    config.tls = Some(TlsConnector::from(tls).into());
    let client = Client::new(config, None, None, None);
    client.init().await?;
    client.ping::<()>(None).await?;
    client.quit().await
}
