//! The user: what it is, and the only code that changes it.

mod apply;
mod change;
mod edit;
mod event;
mod field;
mod import;
mod profile;

use std::ops::Deref;
use std::time::Duration;

pub use apply::{Applied, PasswordWrite};
pub use change::{
    Change, ChangeRefused, Edit, MetadataEdit, MetadataEdits, NewUser, Past, Presence,
    ProfileEdits, Record, UserEdits,
};
pub use event::{Actor, Event, EventKind, SubjectKind};
pub use field::{Field, ProfileField};
pub use profile::Profile;

use crate::values::{
    EmailAddress, ExternalId, Metadata, PhoneNumber, Roles, Timestamp, UserId, Username, Version,
};

/// A person of the platform.
///
/// Reads like its [`UserState`]; there is no way to write to it but [`User::register`] and [`User::apply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    state: UserState,
}

/// All that is stored of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserState {
    /// The service's own id; never changes and is never used again.
    pub id: UserId,
    /// The unique name, as typed.
    pub username: Username,
    /// The platform's older id; written once.
    pub external_id: Option<ExternalId>,
    /// The unique address, as typed.
    pub email: EmailAddress,
    /// Whether the person has shown that the address is theirs (OIDC `email_verified`).
    pub email_verified: bool,
    /// E.164 (OIDC `phone_number`).
    pub phone_number: Option<PhoneNumber>,
    /// Whether the person has shown that the number is theirs (OIDC `phone_number_verified`).
    pub phone_number_verified: bool,
    /// Whether the account may be used; outlives a deletion, so that a restored account is what it was.
    pub standing: Standing,
    /// What the person may do, as the platform names it.
    pub roles: Roles,
    /// OpenID Connect's standard claims, and bio and location.
    pub profile: Profile,
    /// Free-form data of the platform.
    pub metadata: UserMetadata,
    /// 1 at creation, one more at each change.
    pub version: Version,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user last changed; never before `created_at`.
    pub updated_at: Timestamp,
    /// When the user was deleted, if it is.
    pub deleted_at: Option<Timestamp>,
    /// Tokens issued before this moment are void.
    pub tokens_valid_after: Option<Timestamp>,
    /// When the password was last set; none while the user has no password.
    pub password_changed_at: Option<Timestamp>,
    /// Whether the user blocks anybody; seen by nobody, and known so that few reads have to ask who blocks whom.
    pub has_blocks: bool,
}

/// The three drawers of free-form data, by who may open them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserMetadata {
    /// All read, services write.
    pub public: Metadata,
    /// The user reads and writes: preferences.
    pub user: Metadata,
    /// Services only.
    pub private: Metadata,
}

/// Whether an account that is not deleted may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// In use.
    Active,
    /// Locked out by the platform.
    Suspended,
}

/// What a reader is told about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// In use.
    Active,
    /// Locked out by the platform.
    Suspended,
    /// Deleted, and restorable until it is purged.
    Deleted,
}

impl Standing {
    /// The name that stores and clients use.
    pub fn as_str(self) -> &'static str {
        Status::from(self).as_str()
    }

    /// Finds a standing by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "active" => Some(Self::Active),
            "suspended" => Some(Self::Suspended),
            _ => None,
        }
    }
}

impl From<Standing> for Status {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Active => Self::Active,
            Standing::Suspended => Self::Suspended,
        }
    }
}

impl Status {
    /// Each status there is.
    pub const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Deleted];

    /// The name that stores and clients use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// Whether a user of this status is counted among those who follow others and are followed.
    pub fn is_counted(self) -> bool {
        self == Self::Active
    }

    /// Finds a status by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl User {
    /// How long a deleted user can be restored: 30 days, after which it is erased.
    pub const RESTORABLE: Duration = Duration::from_hours(30 * 24);

    /// Takes back what a store kept; the store vouches that it came from here.
    pub fn from_store(state: UserState) -> Self {
        Self { state }
    }

    /// Tells active, suspended or deleted.
    pub fn status(&self) -> Status {
        if self.state.deleted_at.is_some() {
            Status::Deleted
        } else {
            self.state.standing.into()
        }
    }

    /// Tells whether everybody but services and administrators must take the user for absent.
    pub fn is_deleted(&self) -> bool {
        self.state.deleted_at.is_some()
    }

    /// Tells whether a token issued at `issued_at` may still speak for the user.
    ///
    /// It may while the user is active and no sign-out came after it. Tokens carry whole seconds, so one of the
    /// second of the sign-out is refused, and so is one that does not say when it was issued.
    pub fn admits_token_of(&self, issued_at: Option<Timestamp>) -> bool {
        self.status() == Status::Active
            && self
                .state
                .tokens_valid_after
                .is_none_or(|limit| issued_at.is_some_and(|issued| issued > limit))
    }
}

impl Deref for User {
    type Target = UserState;

    fn deref(&self) -> &UserState {
        &self.state
    }
}
