//! Filtering, sorting and pagination of the user directory.

mod metadata;
mod query;
mod search;

use std::collections::{BTreeMap, BTreeSet};

use crate::user::Status;
use crate::values::{EmailKey, ExternalId, Role, Timestamp, UserId, UsernamePrefix};

pub use metadata::{MetadataKey, MetadataObject, MetadataValue};
pub use query::{CheckedQuery, DirectoryQuery};
pub use search::SearchTerm;

/// The filter of a list or count of users. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryFilter {
    /// The status is one of these; never empty.
    pub statuses: BTreeSet<Status>,
    /// The user has one of these roles; no condition if empty.
    pub roles: BTreeSet<Role>,
    /// The user was created at this time or later.
    pub created_since: Option<Timestamp>,
    /// The user was created before this time.
    pub created_until: Option<Timestamp>,
    /// The user last changed at this time or later.
    pub updated_since: Option<Timestamp>,
    /// The user last changed before this time.
    pub updated_until: Option<Timestamp>,
    /// The user has this email address.
    pub email: Option<EmailKey>,
    /// The user has this external id.
    pub external_id: Option<ExternalId>,
    /// The username's key starts with one of the forms of this prefix.
    pub username_prefix: Option<UsernamePrefix>,
    /// The search text contains one of the forms of this term.
    pub search: Option<SearchTerm>,
    /// The metadata has one of the values under each of these keys.
    pub metadata: BTreeMap<MetadataKey, BTreeSet<MetadataValue>>,
}

/// The order of a list. Ties are broken by id, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sort {
    /// The newest first.
    #[default]
    CreatedDescending,
    /// The oldest first.
    CreatedAscending,
    /// By the username's key, in the order of its code points.
    Username,
    /// The least recently updated first.
    Updated,
}

/// A position in a list: directly after this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// A position in a list that is sorted by time.
    Time(Timestamp, UserId),
    /// A position in a list that is sorted by username: the username's key.
    Username(String),
}

/// The request for one page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The filter.
    pub filter: DirectoryFilter,
    /// The order.
    pub sort: Sort,
    /// The position after which the page starts; the start of the list if none.
    pub after: Option<Position>,
    /// The maximum number of users, 1 to 200.
    pub limit: u16,
}

impl Default for DirectoryFilter {
    /// Returns the filter for every user that is not deleted.
    fn default() -> Self {
        Self {
            statuses: BTreeSet::from([Status::Active, Status::Suspended]),
            roles: BTreeSet::new(),
            created_since: None,
            created_until: None,
            updated_since: None,
            updated_until: None,
            email: None,
            external_id: None,
            username_prefix: None,
            search: None,
            metadata: BTreeMap::new(),
        }
    }
}

impl Sort {
    const ALL: [Self; 4] = [
        Self::CreatedDescending,
        Self::CreatedAscending,
        Self::Username,
        Self::Updated,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreatedDescending => "-created_at",
            Self::CreatedAscending => "created_at",
            Self::Username => "username",
            Self::Updated => "updated_at",
        }
    }

    /// Finds an order by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == name)
    }

    /// Returns the position of a user in this order.
    pub fn position_of(self, user: &crate::user::User) -> Position {
        match self {
            Self::CreatedDescending | Self::CreatedAscending => {
                Position::Time(user.created_at, user.id)
            }
            Self::Username => Position::Username(user.username.key().to_owned()),
            Self::Updated => Position::Time(user.updated_at, user.id),
        }
    }
}

/// The text that a search matches: the case-folded username and name.
pub fn search_text(user: &crate::user::User) -> String {
    let name = user.profile.name.as_ref().map_or("", |name| name.as_str());
    crate::values::fold(&format!("{}\n{name}", user.username.as_str()))
}
