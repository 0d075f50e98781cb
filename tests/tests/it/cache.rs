//! The cache on real replicas, PostgreSQL and Redis: `docs/caching.md` tells what it promises.

mod chaos;
mod contract;
mod faults;
mod promises;
mod tiers;
mod tokens;
mod workload;
