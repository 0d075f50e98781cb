//! The lockout of a user after failed logins.

use serde::Serialize;
use user_domain::use_cases::LockoutReport;
use user_domain::values::Timestamp;

/// The stored failed logins of a user.
#[derive(Serialize)]
pub(crate) struct LockoutBody {
    failures: u32,
    failed_at: Option<Timestamp>,
    blocked_until: Option<Timestamp>,
    blocked_sources: u64,
}

impl From<LockoutReport> for LockoutBody {
    fn from(report: LockoutReport) -> Self {
        Self {
            failures: report.failures,
            failed_at: report.failed_at,
            blocked_until: report.blocked_until,
            blocked_sources: report.blocked_sources,
        }
    }
}
