//! What is remembered of users, and where.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::Read;
use super::reader::{Reader, file};

/// What is remembered of users, and where.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// The tier that replicas share (`REDIS_URL`).
    pub redis_url: Option<SecretString>,
    /// The certificates to believe of a `rediss://`, as PEM (`REDIS_CA_FILE`); unset: the machine's.
    pub redis_ca_file: Option<PathBuf>,
    /// The bytes of the tier in this process, roughly (`CACHE_MEMORY_MB`); 0 turns it off.
    pub memory: u64,
}

impl CacheSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let redis_url = reader.optional("REDIS_URL", redis_url);
        let redis_ca_file = reader.optional("REDIS_CA_FILE", file);
        let megabytes = reader.number("CACHE_MEMORY_MB", 0..=65_536_u64);

        let (redis_url, redis_ca_file) = (redis_url?, redis_ca_file?);
        if redis_ca_file.is_some() && redis_url.is_none() {
            reader.warn("REDIS_CA_FILE", "is without effect: REDIS_URL is not set");
        }
        Ok(Self {
            redis_url,
            redis_ca_file,
            memory: megabytes? * 1024 * 1024,
        })
    }
}

fn redis_url(text: &str) -> Result<SecretString, String> {
    let url = Url::parse(text).map_err(|_| "is not a valid URL".to_owned())?;
    if !matches!(url.scheme(), "redis" | "rediss") {
        return Err("must begin with redis:// or rediss://".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no host".to_owned());
    }
    let database = url.path().trim_start_matches('/');
    if !database.is_empty() && database.parse::<u8>().is_err() {
        return Err("must name its database by a number, as in /0".to_owned());
    }
    Ok(SecretString::from(text))
}
