//! Disables core dumps, which would write secrets and personal data to disk.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Disables core dumps of this process: its memory holds keys and personal data.
///
/// The hard limit stays unchanged, so that an operator can allow a dump of a running process with `prlimit --core`.
pub(crate) fn forbid() {
    let maximum = getrlimit(Resource::Core).maximum;
    let none = Rlimit {
        current: Some(0),
        maximum,
    };
    // Lowering the soft limit is always permitted.
    let _ = setrlimit(Resource::Core, none);
}
