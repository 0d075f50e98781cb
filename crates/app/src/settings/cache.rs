//! The settings of the cache.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::Read;
use super::reader::{Reader, file};

/// The settings of the cache.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// The Redis that replicas share (`REDIS_URL`).
    pub redis_url: Option<SecretString>,
    /// The certificate authorities to trust for a `rediss://` server, as a PEM file (`REDIS_CA_FILE`). `None`: those of
    /// the machine.
    pub redis_ca_file: Option<PathBuf>,
    /// The approximate size of the in-process cache in bytes (`CACHE_MEMORY_MB`); 0 disables it.
    pub memory: u64,
}

impl CacheSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let redis_url = reader.optional("REDIS_URL", redis_url);
        let redis_ca_file = reader.optional("REDIS_CA_FILE", file);
        let megabytes = reader.number("CACHE_MEMORY_MB", 0..=65_536_u64);

        let (redis_url, redis_ca_file) = (redis_url?, redis_ca_file?);
        if redis_ca_file.is_some() {
            match &redis_url {
                None => reader.warn("REDIS_CA_FILE", "has no effect: REDIS_URL is not set"),
                Some(url) if url.scheme() == "redis" => reader.warn(
                    "REDIS_CA_FILE",
                    "has no effect: REDIS_URL does not start with rediss://",
                ),
                Some(_) => {}
            }
        }
        if let Some(url) = &redis_url {
            warn_of_unused_parts(reader, url);
        }
        Ok(Self {
            redis_url: redis_url.map(|url| SecretString::from(String::from(url))),
            redis_ca_file,
            memory: megabytes? * 1024 * 1024,
        })
    }
}

/// Warns of parts of the URL that the Redis client ignores.
fn warn_of_unused_parts(reader: &mut Reader, url: &Url) {
    // If a password has an unescaped `?`, the query contains the rest of the password, an `@` and the host.
    if url.query().is_some_and(|query| query.contains('@')) {
        reader.warn(
            "REDIS_URL",
            "the part after its `?` has no effect; in a password, write %3F",
        );
    } else {
        for (name, _) in url.query_pairs() {
            let warning = format!("its parameter `{name}` has no effect");
            reader.warn("REDIS_URL", &warning);
        }
    }
    if url.fragment().is_some() {
        reader.warn(
            "REDIS_URL",
            "the part after its `#` has no effect; in a password, write %23",
        );
    }
    if !url.username().is_empty() && url.password().is_none() {
        reader.warn(
            "REDIS_URL",
            "has a user name without a password; write a password without a user name as redis://:password@host",
        );
    }
}

fn redis_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "is not a valid URL".to_owned())?;
    if !matches!(url.scheme(), "redis" | "rediss") {
        return Err("must start with redis:// or rediss://".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host".to_owned());
    }
    let database = url.path().trim_start_matches('/');
    if !database.is_empty() && database.parse::<u8>().is_err() {
        return Err("must name the database by its number, such as /0".to_owned());
    }
    Ok(url)
}
