//! The directory's filter as a caller words it.

use unicode_normalization::UnicodeNormalization as _;

use super::{DirectoryFilter, Sort};
use crate::user::Status;
use crate::values::{EmailKey, ExternalId, Role, Timestamp, fold};
use crate::{Fault, Violation};

/// A filter, an order and a page size as text, still to be checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryQuery {
    /// One status, or several with commas between.
    pub status: Option<String>,
    /// A role's name.
    pub role: Option<String>,
    /// A moment (RFC 3339).
    pub created_since: Option<String>,
    /// A moment (RFC 3339).
    pub updated_since: Option<String>,
    /// An address.
    pub email: Option<String>,
    /// An older id.
    pub external_id: Option<String>,
    /// The beginning of a name, 1 to 32 characters, in any case.
    pub username_prefix: Option<String>,
    /// A part of a username or name, 2 to 64 characters, in any case.
    pub q: Option<String>,
    /// The name of an order.
    pub sort: Option<String>,
    /// A number from 1 to 200.
    pub limit: Option<String>,
}

/// A query that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedQuery {
    /// Which users.
    pub filter: DirectoryFilter,
    /// In which order.
    pub sort: Sort,
    /// How many on a page.
    pub limit: u16,
}

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;

impl DirectoryQuery {
    /// Checks all parts.
    ///
    /// # Errors
    /// One fault for each faulty part, its path the parameter's name.
    pub fn check(&self) -> Result<CheckedQuery, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut take = Taker {
            faults: &mut faults,
        };
        let filter = DirectoryFilter {
            statuses: take
                .parse("status", self.status.as_ref(), statuses)
                .unwrap_or_else(|| DirectoryFilter::default().statuses),
            role: take.parse("role", self.role.as_ref(), Role::parse),
            created_since: take.parse(
                "created_since",
                self.created_since.as_ref(),
                Timestamp::parse,
            ),
            updated_since: take.parse(
                "updated_since",
                self.updated_since.as_ref(),
                Timestamp::parse,
            ),
            email: take.parse("email", self.email.as_ref(), EmailKey::parse),
            external_id: take.parse("external_id", self.external_id.as_ref(), ExternalId::parse),
            username_prefix: take.parse("username_prefix", self.username_prefix.as_ref(), |text| {
                bounded(text, 1, 32).map(keyed)
            }),
            search: take.parse("q", self.q.as_ref(), |text| bounded(text, 2, 64).map(fold)),
        };
        let sort = take
            .parse("sort", self.sort.as_ref(), sort)
            .unwrap_or_default();
        let limit = take
            .parse("limit", self.limit.as_ref(), limit)
            .unwrap_or(DEFAULT_LIMIT);
        if faults.is_empty() {
            Ok(CheckedQuery {
                filter,
                sort,
                limit,
            })
        } else {
            Err(faults)
        }
    }
}

struct Taker<'a> {
    faults: &'a mut Vec<Fault>,
}

impl Taker<'_> {
    fn parse<T>(
        &mut self,
        name: &str,
        text: Option<&String>,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        match parse(text?) {
            Ok(value) => Some(value),
            Err(violation) => {
                self.faults.push(Fault::new(name, &violation));
                None
            }
        }
    }
}

fn statuses(text: &str) -> Result<Vec<Status>, Violation> {
    text.split(',')
        .map(|name| {
            Status::from_name(name).ok_or(Violation::new(
                "unknown",
                "Must be active, suspended or deleted.",
            ))
        })
        .collect()
}

fn sort(text: &str) -> Result<Sort, Violation> {
    Sort::from_name(text).ok_or(Violation::new(
        "unknown",
        "Must be -created_at, created_at, username or updated_at.",
    ))
}

fn limit(text: &str) -> Result<u16, Violation> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(limit @ 1..=MAX_LIMIT) if digits => Ok(limit),
        _ => Err(Violation::new(
            "out_of_range",
            "Must be a whole number from 1 to 200.",
        )),
    }
}

/// Brings the beginning of a name to the form of [`Username::key`](crate::values::Username::key), which case folding
/// would miss: it makes `ß` two letters.
fn keyed(text: &str) -> String {
    text.to_lowercase().nfc().collect()
}

fn bounded(text: &str, min: usize, max: usize) -> Result<&str, Violation> {
    if text.chars().any(char::is_control) {
        return Err(Violation::new(
            "forbidden_character",
            "Must not hold control characters.",
        ));
    }
    match text.chars().count() {
        count if count < min => Err(Violation::new(
            "too_short",
            format!("Must have at least {min} characters."),
        )),
        count if count > max => Err(Violation::new(
            "too_long",
            format!("Must have at most {max} characters."),
        )),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests;
