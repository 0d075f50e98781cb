//! How the directory of users is filtered, sorted and walked.

mod query;

use crate::user::Status;
use crate::values::{EmailKey, ExternalId, Role, Timestamp, UserId};

pub use query::{CheckedQuery, DirectoryQuery};

/// Which users a walk or a count looks at. All conditions hold at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryFilter {
    /// Their status is one of these; never empty.
    pub statuses: Vec<Status>,
    /// They hold this role.
    pub role: Option<Role>,
    /// They were made at this moment or later.
    pub created_since: Option<Timestamp>,
    /// They changed at this moment or later.
    pub updated_since: Option<Timestamp>,
    /// Theirs is this address.
    pub email: Option<EmailKey>,
    /// Theirs is this older id.
    pub external_id: Option<ExternalId>,
    /// Their name's key begins with this text.
    pub username_prefix: Option<String>,
    /// Their search text holds this case-folded text.
    pub search: Option<String>,
}

/// The order of a walk; ties are broken by id, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sort {
    /// The newest first.
    #[default]
    CreatedDescending,
    /// The oldest first.
    CreatedAscending,
    /// By the name's key, in the order of its code points.
    Username,
    /// The longest unchanged first.
    Updated,
}

/// A place in a walk: just behind this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// In a walk by time.
    Time(Timestamp, UserId),
    /// In a walk by name: the name's key.
    Username(String),
}

/// One page of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Which users.
    pub filter: DirectoryFilter,
    /// In which order.
    pub sort: Sort,
    /// Behind which place; from the beginning if none.
    pub after: Option<Position>,
    /// How many at most, 1 to 200.
    pub limit: u16,
}

impl Default for DirectoryFilter {
    /// Everybody who is not deleted.
    fn default() -> Self {
        Self {
            statuses: vec![Status::Active, Status::Suspended],
            role: None,
            created_since: None,
            updated_since: None,
            email: None,
            external_id: None,
            username_prefix: None,
            search: None,
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

    /// Gives the place of a user in this order.
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

/// The text that a search looks through: the case-folded username and name.
pub fn search_text(user: &crate::user::User) -> String {
    let name = user.profile.name.as_ref().map_or("", |name| name.as_str());
    crate::values::fold(&format!("{}\n{name}", user.username.as_str()))
}
