//! The user entity, and the only code that changes it.

mod apply;
mod change;
mod edit;
mod event;
mod field;
mod import;
mod profile;
mod suspension;

use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

pub use apply::{Applied, PasswordWrite};
pub use change::{
    Change, ChangeRefused, Edit, ImportedHistory, MetadataEdit, MetadataEdits, NewUser, Presence,
    Record, UserEdits,
};
pub use event::{Actor, Event, EventKind, SubjectKind};
pub use field::Field;
pub use profile::{Profile, ProfileEdits, ProfileField};
pub use suspension::{Suspension, SuspensionInput};

use crate::values::{
    EmailAddress, ExternalId, Metadata, PhoneNumber, Revision, Roles, Timestamp, UserId, Username,
    Version,
};
use crate::{Rejection, Violation};

/// A user of the platform.
///
/// It dereferences to [`UserState`] for reads; only [`User::register`] and [`User::apply`] create or change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    state: UserState,
}

/// The stored fields of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserState {
    /// The service's own id; never changes and is never reused.
    pub id: UserId,
    /// The unique username, as typed.
    pub username: Username,
    /// The id in the platform's earlier user store; written once.
    pub external_id: Option<ExternalId>,
    /// The unique email address, as typed.
    pub email: EmailAddress,
    /// Whether the user has confirmed the email address (OIDC `email_verified`).
    pub email_verified: bool,
    /// The phone number in E.164 format (OIDC `phone_number`).
    pub phone_number: Option<PhoneNumber>,
    /// Whether the user has confirmed the phone number (OIDC `phone_number_verified`).
    pub phone_number_verified: bool,
    /// Whether the account may be used. A deletion does not change it, so that a restored account has its former
    /// standing.
    pub standing: Standing,
    /// The reason and the end of the suspension, if either was given; none while the standing is active.
    pub suspension: Option<Box<Suspension>>,
    /// The user's roles on the platform.
    pub roles: Roles,
    /// The standard claims of OpenID Connect, and bio and location.
    pub profile: Profile,
    /// Free-form data of the platform.
    pub metadata: UserMetadata,
    /// 1 at creation, incremented by each stored change. It orders cached values and events, and is never shown to
    /// clients.
    pub revision: Revision,
    /// 1 at creation, incremented by each change that some view shows.
    pub version: Version,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When the user last changed visibly; never before `created_at`, unless that is in the future.
    pub updated_at: Timestamp,
    /// When the user was deleted, if it is deleted.
    pub deleted_at: Option<Timestamp>,
    /// Tokens issued before this moment are void.
    pub tokens_valid_after: Option<Timestamp>,
    /// When the password was last set; none while the user has no password.
    pub password_changed_at: Option<Timestamp>,
    /// Whether the user blocks any user. No view shows it; it saves most reads a query for blocks.
    pub has_blocks: bool,
}

/// The three objects of free-form data, which differ in their access rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserMetadata {
    /// Every caller reads it, services write it.
    pub public: Metadata,
    /// The user reads and writes it, for example preferences.
    pub user: Metadata,
    /// Only services read and write it.
    pub private: Metadata,
}

/// Whether an account may be used, independent of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The account may be used.
    Active,
    /// The platform suspended the account.
    Suspended,
}

/// The status of an account as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The account may be used.
    Active,
    /// The platform suspended the account.
    Suspended,
    /// The account is deleted, and can be restored until it is erased.
    Deleted,
}

impl UserState {
    /// The status: deleted if `deleted_at` is set, the standing otherwise.
    pub fn status(&self) -> Status {
        if self.deleted_at.is_some() {
            Status::Deleted
        } else {
            self.standing.into()
        }
    }
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

impl FromStr for Standing {
    type Err = Violation;

    fn from_str(name: &str) -> Result<Self, Violation> {
        Self::from_name(name).ok_or(Violation::new("unknown", "Must be active or suspended."))
    }
}

impl FromStr for Status {
    type Err = Violation;

    fn from_str(name: &str) -> Result<Self, Violation> {
        let rule = "Must be active, suspended or deleted.";
        Self::from_name(name).ok_or(Violation::new("unknown", rule))
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
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Deleted];

    /// The name that stores and clients use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// Whether a user of this status is included in follow counts.
    pub fn is_counted(self) -> bool {
        self == Self::Active
    }

    /// Finds a status by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl User {
    /// How long a deleted user can be restored: 30 days. It is erased after that.
    pub const RESTORE_PERIOD: Duration = Duration::from_hours(30 * 24);

    /// Creates a user from its stored state. The store must have received the state from this type.
    pub fn from_store(state: UserState) -> Self {
        Self { state }
    }

    /// Whether the user is deleted, and so is treated as absent for every caller except services and administrators.
    pub fn is_deleted(&self) -> bool {
        self.state.deleted_at.is_some()
    }

    /// Checks whether a token issued at `issued_at` is still valid for the user.
    ///
    /// It is valid while the user is active and has not signed out since. Tokens carry whole seconds, so a token of the
    /// second of the sign-out is refused. After a sign-out, a token without a time of issue is refused too.
    ///
    /// # Errors
    /// The reason for the rejection.
    pub fn admits_token_of(&self, issued_at: Option<Timestamp>) -> Result<(), Rejection> {
        match self.status() {
            Status::Suspended => Err(Rejection::SuspendedSubject),
            Status::Deleted => Err(Rejection::DeletedSubject),
            Status::Active if self.has_signed_out_after(issued_at) => Err(Rejection::SignedOut),
            Status::Active => Ok(()),
        }
    }

    /// Whether a sign-out voids a token with this time of issue.
    pub(crate) fn has_signed_out_after(&self, issued_at: Option<Timestamp>) -> bool {
        self.state
            .tokens_valid_after
            .is_some_and(|limit| issued_at.is_none_or(|issued| issued <= limit))
    }

    /// Whether the change from `before` to `self` by this actor voids the actor's own tokens.
    pub fn ends_access_of(&self, actor: &Actor, before: &Self) -> bool {
        *actor == Actor::of_user(self.id)
            && (self.status() != Status::Active
                || self.tokens_valid_after != before.tokens_valid_after)
    }
}

impl Deref for User {
    type Target = UserState;

    fn deref(&self) -> &UserState {
        &self.state
    }
}
