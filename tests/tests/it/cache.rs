//! The cache on real replicas, PostgreSQL and Redis. `docs/caching.md` describes its guarantees.

mod chaos;
mod contract;
mod faults;
mod promises;
mod replayed_values;
mod restores;
mod servers;
mod tiers;
mod tokens;
mod workload;

/// Only Redis caches users. The time limit is one that Redis meets on a busy machine.
const REDIS_ONLY: [(&str, &str); 2] = [("CACHE_MEMORY_MB", "0"), ("REDIS_TIMEOUT_MS", "250")];

/// The settings with which only the Redis at this URL caches users.
fn redis_only(url: &str) -> [(&str, &str); 3] {
    let [no_memory, timeout] = REDIS_ONLY;
    [("REDIS_URL", url), no_memory, timeout]
}
