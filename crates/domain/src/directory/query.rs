//! The unvalidated form of a directory query.

use std::collections::{BTreeMap, BTreeSet};

use super::{DirectoryFilter, MetadataKey, MetadataValue, SearchTerm, Sort};
use crate::user::Status;
use crate::values::{EmailKey, ExternalId, Role, Roles, Timestamp, UsernamePrefix};
use crate::{Fault, Violation};

/// An unvalidated filter, order and page size. Lists are treated as sets: repetitions and order do not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryQuery {
    /// Names of statuses; active and suspended if absent.
    pub status: Option<Vec<String>>,
    /// Names of roles.
    pub role: Option<Vec<String>>,
    /// A time in the format of [`Timestamp::parse_parameter`].
    pub created_since: Option<String>,
    /// A time in the same format.
    pub created_until: Option<String>,
    /// A time in the same format.
    pub updated_since: Option<String>,
    /// A time in the same format.
    pub updated_until: Option<String>,
    /// An email address.
    pub email: Option<String>,
    /// An external id.
    pub external_id: Option<String>,
    /// The start of a username, 1 to 32 characters, in any case.
    pub username_prefix: Option<String>,
    /// A part of a username or name, validated by [`SearchTerm`].
    pub q: Option<String>,
    /// Values of metadata members, by key.
    pub metadata: BTreeMap<MetadataKey, Vec<String>>,
    /// The name of a [`Sort`].
    pub sort: Option<String>,
    /// The page size, a number from 1 to 200.
    pub limit: Option<String>,
}

/// A validated query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedQuery {
    /// The filter.
    pub filter: DirectoryFilter,
    /// The order.
    pub sort: Sort,
    /// The page size.
    pub limit: u16,
}

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;

impl DirectoryQuery {
    /// Validates all parameters.
    ///
    /// # Errors
    /// One fault for each invalid parameter; its path is the parameter's name.
    pub fn check(&self) -> Result<CheckedQuery, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut parser = ParameterParser {
            faults: &mut faults,
        };
        let timestamp = Timestamp::parse_parameter;
        let filter = DirectoryFilter {
            statuses: parser
                .parse("status", self.status.as_deref(), statuses)
                .unwrap_or_else(|| DirectoryFilter::default().statuses),
            roles: parser
                .parse("role", self.role.as_deref(), roles)
                .unwrap_or_default(),
            created_since: parser.text("created_since", self.created_since.as_ref(), timestamp),
            created_until: parser.text("created_until", self.created_until.as_ref(), timestamp),
            updated_since: parser.text("updated_since", self.updated_since.as_ref(), timestamp),
            updated_until: parser.text("updated_until", self.updated_until.as_ref(), timestamp),
            email: parser.text("email", self.email.as_ref(), EmailKey::parse),
            external_id: parser.text("external_id", self.external_id.as_ref(), ExternalId::parse),
            username_prefix: parser.text(
                "username_prefix",
                self.username_prefix.as_ref(),
                UsernamePrefix::parse,
            ),
            search: parser.text("q", self.q.as_ref(), SearchTerm::parse),
            metadata: self
                .metadata
                .iter()
                .filter_map(|(key, texts)| Some((key.clone(), parser.values(key, texts)?)))
                .collect(),
        };
        let sort = parser
            .text("sort", self.sort.as_ref(), sort)
            .unwrap_or_default();
        let limit = parser
            .text("limit", self.limit.as_ref(), limit)
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

struct ParameterParser<'a> {
    faults: &'a mut Vec<Fault>,
}

impl ParameterParser<'_> {
    fn text<T>(
        &mut self,
        name: &str,
        text: Option<&String>,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        self.parse(name, text, |text| parse(text))
    }

    fn values(&mut self, key: &MetadataKey, texts: &[String]) -> Option<BTreeSet<MetadataValue>> {
        MetadataValue::parse_set(texts)
            .map_err(|violation| {
                self.faults
                    .push(Fault::at(vec![key.parameter()], &violation));
            })
            .ok()
    }

    fn parse<V, T>(
        &mut self,
        name: &str,
        value: Option<V>,
        parse: impl FnOnce(V) -> Result<T, Violation>,
    ) -> Option<T> {
        match parse(value?) {
            Ok(value) => Some(value),
            Err(violation) => {
                self.faults.push(Fault::new(name, &violation));
                None
            }
        }
    }
}

fn statuses(names: &[String]) -> Result<BTreeSet<Status>, Violation> {
    let unknown = || Violation::new("unknown", "Must be active, suspended or deleted.");
    names
        .iter()
        .map(|name| Status::from_name(name).ok_or_else(unknown))
        .collect()
}

fn roles(names: &[String]) -> Result<BTreeSet<Role>, Violation> {
    let roles: BTreeSet<Role> = names
        .iter()
        .map(|name| Role::parse(name))
        .collect::<Result<_, _>>()?;
    if roles.len() > Roles::MAX {
        let detail = format!("Must name at most {} roles.", Roles::MAX);
        return Err(Violation::new("too_many", detail));
    }
    Ok(roles)
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

#[cfg(test)]
mod tests;
