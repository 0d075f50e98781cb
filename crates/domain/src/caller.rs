//! Who asks.

use std::collections::BTreeSet;

use crate::values::UserId;

/// Who asks, known for certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A person, by a token of the Auth Service.
    User(UserCaller),
    /// A service of the platform, by an API token.
    Service(ServiceCaller),
    /// Who runs the service, by the command line.
    Operator,
}

/// A person who asks; active at the time of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCaller {
    /// Who.
    pub id: UserId,
    /// Whether both the token and the stored user say so.
    pub is_admin: bool,
    /// Whether the person blocks anybody.
    pub has_blocks: bool,
}

/// A service that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCaller {
    /// The name in logs and events.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
}

/// A thing that a service may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Read public views.
    UsersRead,
    /// Read everything of a user.
    UsersReadPrivate,
    /// Create and change users.
    UsersWrite,
    /// Delete, erase and restore users.
    UsersDelete,
    /// Give and take roles.
    RolesWrite,
    /// Set passwords.
    CredentialsWrite,
    /// Check passwords.
    CredentialsVerify,
    /// Write relationships.
    RelationshipsWrite,
    /// Read the feed of events.
    EventsRead,
    /// Manage service tokens.
    TokensAdmin,
}

impl Caller {
    /// The kind of caller, for logs: it names nobody.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(user) if user.is_admin => "admin",
            Self::User(_) => "user",
            Self::Service(_) => "service",
            Self::Operator => "operator",
        }
    }
}

impl Scope {
    /// Each scope there is.
    pub const ALL: [Self; 10] = [
        Self::UsersRead,
        Self::UsersReadPrivate,
        Self::UsersWrite,
        Self::UsersDelete,
        Self::RolesWrite,
        Self::CredentialsWrite,
        Self::CredentialsVerify,
        Self::RelationshipsWrite,
        Self::EventsRead,
        Self::TokensAdmin,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UsersRead => "users:read",
            Self::UsersReadPrivate => "users:read_private",
            Self::UsersWrite => "users:write",
            Self::UsersDelete => "users:delete",
            Self::RolesWrite => "roles:write",
            Self::CredentialsWrite => "credentials:write",
            Self::CredentialsVerify => "credentials:verify",
            Self::RelationshipsWrite => "relationships:write",
            Self::EventsRead => "events:read",
            Self::TokensAdmin => "tokens:admin",
        }
    }

    /// Finds a scope by its name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl ServiceCaller {
    /// Makes a service that may do everything.
    pub fn with_all_scopes(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            scopes: Scope::ALL.into(),
        }
    }
}
