//! The authenticated caller and its scopes.

use std::collections::BTreeSet;

use crate::values::UserId;

/// The authenticated caller of a use case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A user, authenticated by a token of the Auth Service.
    User(UserCaller),
    /// A service of the platform, authenticated by an API token.
    Service(ServiceCaller),
    /// The operator of the service, on the command line.
    Operator,
}

/// A calling user, which was active when it was authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCaller {
    /// The user's id.
    pub id: UserId,
    /// Whether both the token and the stored user have the administrator role.
    pub is_admin: bool,
    /// Whether the user blocks any user.
    pub has_blocks: bool,
}

/// A calling service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCaller {
    /// The name in logs and events.
    pub name: String,
    /// The scopes of its token.
    pub scopes: BTreeSet<Scope>,
}

/// A permission that a service token can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Read public views.
    UsersRead,
    /// Read all data of users.
    UsersReadPrivate,
    /// Create and change users.
    UsersWrite,
    /// Delete, erase and restore users.
    UsersDelete,
    /// Grant and revoke roles.
    RolesWrite,
    /// Set and remove passwords, show and clear lockouts.
    CredentialsWrite,
    /// Verify passwords.
    CredentialsVerify,
    /// Start and end follows and blocks of any user.
    RelationshipsWrite,
    /// Read the event feed, and read and confirm erasures.
    EventsRead,
    /// Manage the consumers of erasures.
    EventsAdmin,
    /// Manage service tokens.
    TokensAdmin,
}

impl Caller {
    /// The kind of caller, for logs; it does not identify the caller.
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
    /// Every scope.
    pub const ALL: [Self; 11] = [
        Self::UsersRead,
        Self::UsersReadPrivate,
        Self::UsersWrite,
        Self::UsersDelete,
        Self::RolesWrite,
        Self::CredentialsWrite,
        Self::CredentialsVerify,
        Self::RelationshipsWrite,
        Self::EventsRead,
        Self::EventsAdmin,
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
            Self::EventsAdmin => "events:admin",
            Self::TokensAdmin => "tokens:admin",
        }
    }

    /// Finds a scope by its name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl ServiceCaller {
    /// Creates a service caller with every scope.
    pub fn with_all_scopes(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            scopes: Scope::ALL.into(),
        }
    }
}
