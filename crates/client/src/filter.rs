//! Filters and the order of lists of users.

use std::fmt;

use user_domain::values::Timestamp;

use crate::transport::Request;
use crate::user::Status;
use crate::user_input::MetadataObject;

/// The order of a list of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// The newest user first. A walk returns each lasting user exactly once.
    #[default]
    NewestFirst,
    /// The oldest user first. A walk returns each lasting user exactly once.
    OldestFirst,
    /// By username.
    Username,
    /// The user with the oldest change first; requires `users:read_private`.
    UpdatedAt,
}

/// Which users a list or a count contains. Without filters: the active and the suspended ones.
///
/// `Debug` shows the names of the filters only, because the values can be personal data.
///
/// ```
/// use user_client::{SortOrder, Status, UserFilter};
///
/// let filter = UserFilter::new()
///     .status(Status::Suspended)
///     .username_prefix("ali")
///     .sort(SortOrder::Username);
/// # let _ = filter;
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use = "a filter is used by `Client::users`, `list_users` and `count_users`"]
pub struct UserFilter {
    parameters: Vec<(String, String)>,
    sort: SortOrder,
}

impl UserFilter {
    /// Starts a filter that active and suspended users pass.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Users with this status. Repeat it for alternatives.
    pub fn status(self, status: Status) -> Self {
        self.with("status", status.as_str())
    }

    /// Users with this role; requires `users:read_private`. Repeat it for alternatives.
    pub fn role(self, role: impl Into<String>) -> Self {
        self.with("role", role)
    }

    /// Users created at or after this time.
    pub fn created_since(self, time: Timestamp) -> Self {
        self.with("created_since", time.to_string())
    }

    /// Users created before this time.
    pub fn created_until(self, time: Timestamp) -> Self {
        self.with("created_until", time.to_string())
    }

    /// Users changed at or after this time; requires `users:read_private`.
    pub fn updated_since(self, time: Timestamp) -> Self {
        self.with("updated_since", time.to_string())
    }

    /// Users changed before this time; requires `users:read_private`.
    pub fn updated_until(self, time: Timestamp) -> Self {
        self.with("updated_until", time.to_string())
    }

    /// The user with this email address; requires `users:read_private`.
    pub fn email(self, email: impl Into<String>) -> Self {
        self.with("email", email)
    }

    /// The user with this id in older systems.
    pub fn external_id(self, id: impl Into<String>) -> Self {
        self.with("external_id", id)
    }

    /// Users with a username that starts with this text, ignoring case: 1 to 32 characters.
    pub fn username_prefix(self, prefix: impl Into<String>) -> Self {
        self.with("username_prefix", prefix)
    }

    /// Users with this text in the username or name, ignoring case: 2 to 64 characters.
    pub fn search(self, text: impl Into<String>) -> Self {
        self.with("q", text)
    }

    /// Users with this value of a metadata key that the service indexes. Repeat it for alternatives. Private metadata
    /// requires `users:read_private`.
    pub fn metadata(self, object: MetadataObject, key: &str, value: impl Into<String>) -> Self {
        self.with(format!("metadata.{}.{key}", object.name()), value)
    }

    /// Sets the order of a list.
    pub fn sort(mut self, sort: SortOrder) -> Self {
        self.sort = sort;
        self
    }

    pub(crate) fn add_filter(&self, request: &mut Request) {
        for (name, value) in &self.parameters {
            request.query(name, value);
        }
    }

    pub(crate) fn add_filter_and_order(&self, request: &mut Request) {
        self.add_filter(request);
        let sort = match self.sort {
            SortOrder::NewestFirst => return,
            SortOrder::OldestFirst => "created_at",
            SortOrder::Username => "username",
            SortOrder::UpdatedAt => "updated_at",
        };
        request.query("sort", sort);
    }
}

impl fmt::Debug for UserFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        f.debug_struct("UserFilter")
            .field("parameters", &names)
            .field("sort", &self.sort)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_shows_no_value() {
        let filter = UserFilter::new()
            .email("alice@example.org")
            .external_id("ext-1")
            .sort(SortOrder::Username);
        assert_eq!(
            format!("{filter:?}"),
            r#"UserFilter { parameters: ["email", "external_id"], sort: Username }"#
        );
    }
}
