//! The cache on real replicas, PostgreSQL and Redis: `docs/caching.md` tells what it promises.

mod chaos;
mod faults;
mod promises;
mod tiers;
mod tokens;
mod workload;
