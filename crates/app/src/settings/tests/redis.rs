//! `REDIS_URL` and the files of its TLS.

use std::path::Path;

use secrecy::ExposeSecret;
use user_adapters::cache::{RedisConnection, RedisServer};

use super::{assert_refused, load};

const DATABASE: (&str, &str) = ("DATABASE_URI", "postgresql://db/users");

fn connection(url: &str) -> RedisConnection {
    load(&[DATABASE, ("REDIS_URL", url)]).cache.redis.unwrap()
}

/// The server, the credentials as `user:password`, and the database of a URL.
fn parsed(url: &str) -> (String, String, u8) {
    let RedisConnection {
        server,
        credentials,
        database,
        ..
    } = connection(url);
    let password = credentials.password.as_ref();
    let password = password.map_or("", |password| password.expose_secret());
    let user = credentials.user.unwrap_or_default();
    (server.to_string(), format!("{user}:{password}"), database)
}

#[test]
fn a_redis_url_has_many_forms() {
    for (url, server, credentials, database) in [
        ("redis://localhost", "localhost:6379", ":", 0),
        ("REDIS://localhost/", "localhost:6379", ":", 0),
        ("rediss://:secret@cache:6380/1", "cache:6380", ":secret", 1),
        (
            "redis://user:a%20b%2F@10.0.0.1/2",
            "10.0.0.1:6379",
            "user:a b/",
            2,
        ),
        ("redis://:a+b@@[::1]:7000", "[::1]:7000", ":a+b@", 0),
        ("redis://cache?db=2", "cache:6379", ":", 2),
        ("redis://cache/1?db=2", "cache:6379", ":", 2),
        ("unix:///run/redis%20a.sock", "/run/redis a.sock", ":", 0),
        (
            "redis+unix://u:p@/run/redis.sock?db=3",
            "/run/redis.sock",
            "u:p",
            3,
        ),
        (
            "redis-sentinel://u:p@s1,s2:26380,[::1]/4?sentinelServiceName=users",
            "users (Sentinels: s1:26379 s2:26380 [::1]:26379)",
            "u:p",
            4,
        ),
    ] {
        let expected = (server.to_owned(), credentials.to_owned(), database);
        assert_eq!(parsed(url), expected, "{url}");
    }
}

#[test]
fn the_sentinels_have_credentials_of_their_own() {
    let url =
        "rediss-sentinel://u:p@s1?sentinelServiceName=a&sentinelUsername=b%26&sentinelPassword=c+d";
    let connection = connection(url);
    assert!(connection.tls.is_some());
    let RedisServer::Sentinel { credentials, .. } = connection.server else {
        panic!("{:?}", connection.server);
    };
    assert_eq!(credentials.user.unwrap(), "b&");
    assert_eq!(credentials.password.unwrap().expose_secret(), "c+d");
}

#[test]
fn an_unusable_redis_url_is_refused() {
    for (url, reason) in [
        ("http://localhost", "must start with redis://"),
        ("localhost:6379", "must start with redis://"),
        ("cache", "must start with redis://"),
        ("redis://", "has no host"),
        ("redis://:planted@", "has no host"),
        ("redis://cache:port", "malformed"),
        ("redis://cache/users", "by its number"),
        ("redis://cache/256", "by its number"),
        ("redis://cache?db=users", "by its number"),
        ("redis://%ff@cache", "UTF-8"),
        ("redis://a:1,b:2", "several servers"),
        ("redis://a:1,redis://b:2", "several servers"),
        ("redis://a:1/0,redis://b:2/0", "several servers"),
        ("redis-cluster://a:1", "Redis Cluster"),
        ("redis-sentinel://s1,s2/0", "sentinelServiceName"),
        ("redis-sentinel://s1,?sentinelServiceName=a", "has no host"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix://", "three slashes"),
    ] {
        assert_refused(&[DATABASE, ("REDIS_URL", url)], "REDIS_URL", reason);
    }
}

#[test]
fn the_files_of_tls_must_exist_and_be_complete() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.pem");
    std::fs::write(&file, "").unwrap();
    let name = file.to_str().unwrap();
    let (certificate, key) = (("REDIS_CERT_FILE", name), ("REDIS_KEY_FILE", name));
    let redis = ("REDIS_URL", "rediss://cache");
    let settings = load(&[DATABASE, redis, ("REDIS_CA_FILE", name), certificate, key]);
    let tls = settings.cache.redis.unwrap().tls.unwrap();
    assert_eq!(tls.ca_file.as_deref(), Some(&*file));
    assert_eq!(tls.client_files, Some((file.clone(), file.clone())));
    assert_refused(&[certificate], "REDIS_KEY_FILE", "is required");
    assert_refused(&[key], "REDIS_CERT_FILE", "is required");
    let folder: &Path = folder.path();
    for absent in [folder.to_str().unwrap(), "/nowhere/ca.pem"] {
        for variable in ["REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE"] {
            assert_refused(&[(variable, absent)], variable, "");
        }
    }
    let unused = load(&[("REDIS_CA_FILE", name)]).warnings().join("\n");
    assert!(unused.contains("REDIS_CA_FILE: has no effect"), "{unused}");
}
