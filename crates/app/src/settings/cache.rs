//! The settings of the cache.

use std::time::Duration;

use user_adapters::cache::{RedisConnection, RedisTls};

use super::Read;
use super::reader::{Reader, file};
use super::redis_url::{self, RedisUrl};

/// The settings of the cache.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// The Redis that replicas share (`REDIS_URL`, and the files of `rediss://` in `REDIS_CA_FILE`, `REDIS_CERT_FILE`
    /// and `REDIS_KEY_FILE`).
    pub redis: Option<RedisConnection>,
    /// The time that a request waits for Redis (`REDIS_TIMEOUT_MS`).
    pub redis_timeout: Duration,
    /// The approximate size of the in-process cache in bytes (`CACHE_MEMORY_MB`); 0 disables it.
    pub memory: u64,
}

impl CacheSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let url = reader.optional("REDIS_URL", redis_url::parse);
        let tls = tls(reader);
        let redis_timeout = reader.number("REDIS_TIMEOUT_MS", 1..=250_u64);
        let megabytes = reader.number("CACHE_MEMORY_MB", 0..=65_536_u64);

        let (url, tls) = (url?, tls?);
        let without_effect = match &url {
            None => Some("has no effect: REDIS_URL is not set"),
            Some(url) if !url.has_tls => {
                Some("has no effect: REDIS_URL does not start with rediss:// or rediss-sentinel://")
            }
            Some(_) => None,
        };
        if let Some(warning) = without_effect {
            for variable in ["REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE"] {
                if reader.is_set(variable) {
                    reader.warn(variable, warning);
                }
            }
        }
        let redis = url.map(|url| {
            let RedisUrl {
                server,
                credentials,
                database,
                has_tls,
                warnings,
            } = url;
            for warning in warnings {
                reader.warn("REDIS_URL", &warning);
            }
            RedisConnection {
                server,
                credentials,
                database,
                tls: has_tls.then_some(tls),
            }
        });
        Ok(Self {
            redis,
            redis_timeout: Duration::from_millis(redis_timeout?),
            memory: megabytes? * 1024 * 1024,
        })
    }
}

fn tls(reader: &mut Reader) -> Read<RedisTls> {
    let ca_file = reader.optional("REDIS_CA_FILE", file);
    let certificate = reader.optional("REDIS_CERT_FILE", file);
    let key = reader.optional("REDIS_KEY_FILE", file);
    let (ca_file, certificate, key) = (ca_file?, certificate?, key?);
    let client_files = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            let reason = "is required when REDIS_CERT_FILE is set";
            return Err(reader.report("REDIS_KEY_FILE", reason));
        }
        (None, Some(_)) => {
            let reason = "is required when REDIS_KEY_FILE is set";
            return Err(reader.report("REDIS_CERT_FILE", reason));
        }
    };
    Ok(RedisTls {
        ca_file,
        client_files,
    })
}
