//! A model of the cache protocol. Within the bounds of each scenario, no order of steps breaks a promise.
//!
//! A scenario has one user, two replicas, a few slow readers and one or two faults. The checker explores every order of
//! delays. Tests remove a `Guard` or apply a `Misreading` of the protocol to show that each detail is needed.
//!
//! The model is a package of its own because the checker needs an optimised build: without one it takes about ten times
//! as long.

#[cfg(test)]
mod model;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod state;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tests;
