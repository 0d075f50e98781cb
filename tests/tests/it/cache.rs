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
