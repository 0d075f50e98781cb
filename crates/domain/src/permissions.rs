//! The permission table, Caller × Action × Field. Each use case checks it first.

use std::collections::BTreeSet;

use crate::caller::{Caller, Scope, UserCaller};
use crate::user::Field;
use crate::values::UserId;
use crate::{Fault, Violation};

/// What a caller requests. A variant holds the user if the permission depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Create a user.
    Create,
    /// Read users by id or username.
    Read,
    /// Find users by their id in the platform's earlier user store.
    ReadByExternalId,
    /// Find users by email address.
    ReadByEmail,
    /// Find users by a role they hold.
    ReadByRole,
    /// Filter and sort users by their last change, which reveals changes that no public view shows.
    ReadByUpdateTime,
    /// Find users by a value of their private metadata.
    ReadByPrivateMetadata,
    /// List, search or count users.
    List,
    /// Change this user's fields.
    Edit(UserId),
    /// Delete this user; it can be restored.
    Delete(UserId),
    /// Remove a user permanently.
    Erase,
    /// Restore a deleted user.
    Restore,
    /// Suspend or activate a user.
    ChangeStanding,
    /// Grant a role to a user.
    GrantRole,
    /// Revoke a role of a user.
    RevokeRole,
    /// Set or remove a user's password.
    SetPassword,
    /// Verify the password of a user.
    VerifyCredentials,
    /// Read and clear the counters of failed logins of a user.
    ManageLockout,
    /// Void all tokens of this user.
    SignOut(UserId),
    /// Read the events about all users.
    ReadEvents,
    /// Read events about blocks between users.
    ReadBlockEvents,
    /// Read which erasures consumers have confirmed.
    ReadErasures,
    /// Confirm an erasure for a consumer.
    AcknowledgeErasure,
    /// Register, list and remove the consumers of erasures.
    ManageErasureConsumers,
    /// Publish events to a message broker.
    RelayEvents,
    /// Export all stored data of this user, or read its history.
    Export(UserId),
    /// Remove expired users and records.
    Purge,
    /// Import users from another store, including their ids and history.
    Import,
    /// Issue, list and revoke service tokens.
    ManageTokens,
    /// Start or end follows and blocks of this user.
    ChangeRelationship(UserId),
    /// Create follows between many users.
    FollowMany,
    /// Read the blocks of this user, and its relationships to others.
    ReadRelationships(UserId),
    /// Maintain the stored follow counts.
    MaintainFollowCounts,
    /// End expired suspensions.
    EndSuspensions,
    /// End the reservation of a released username.
    ReleaseName,
}

/// Why an action is not permitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The action is not permitted to this kind of caller.
    #[error("the caller does not have the permission")]
    Forbidden,
    /// The service's token lacks this scope.
    #[error("the scope {} is required", .0.as_str())]
    InsufficientScope(Scope),
    /// The caller may write the user, but not these fields.
    #[error("the caller may not write some of the fields")]
    ForbiddenFields(Vec<Fault>),
}

/// Checks whether the caller may perform an action.
///
/// # Errors
/// [`Denied::Forbidden`] or [`Denied::InsufficientScope`].
pub fn permit(caller: &Caller, action: Action) -> Result<(), Denied> {
    match caller {
        Caller::Operator => Ok(()),
        Caller::User(user) if user.is_admin && !is_closed_to_administrators(action) => Ok(()),
        Caller::User(user) => match action {
            Action::Read => Ok(()),
            Action::Edit(id)
            | Action::Delete(id)
            | Action::Export(id)
            | Action::SignOut(id)
            | Action::ChangeRelationship(id)
            | Action::ReadRelationships(id)
                if id == user.id =>
            {
                Ok(())
            }
            Action::Edit(_)
            | Action::Delete(_)
            | Action::Export(_)
            | Action::SignOut(_)
            | Action::SetPassword
            | Action::VerifyCredentials
            | Action::ManageLockout
            | Action::Create
            | Action::ReadByExternalId
            | Action::ReadByEmail
            | Action::ReadByRole
            | Action::ReadByUpdateTime
            | Action::ReadByPrivateMetadata
            | Action::List
            | Action::ReadEvents
            | Action::ReadBlockEvents
            | Action::ReadErasures
            | Action::AcknowledgeErasure
            | Action::ManageErasureConsumers
            | Action::RelayEvents
            | Action::Erase
            | Action::Restore
            | Action::ChangeStanding
            | Action::GrantRole
            | Action::RevokeRole
            | Action::Purge
            | Action::Import
            | Action::ManageTokens
            | Action::ChangeRelationship(_)
            | Action::FollowMany
            | Action::ReadRelationships(_)
            | Action::MaintainFollowCounts
            | Action::EndSuspensions
            | Action::ReleaseName => Err(Denied::Forbidden),
        },
        Caller::Service(service) => {
            let scope = required_scope(action).ok_or(Denied::Forbidden)?;
            if service.scopes.contains(&scope) {
                Ok(())
            } else {
                Err(Denied::InsufficientScope(scope))
            }
        }
    }
}

/// Whether administrators have no special permission for an action, because it is for services or the operator.
///
/// Only the Auth Service handles passwords, because it decides how their owners are authenticated. An administrator
/// must not change the relationships of another user.
fn is_closed_to_administrators(action: Action) -> bool {
    matches!(
        action,
        Action::SetPassword
            | Action::VerifyCredentials
            | Action::Purge
            | Action::Import
            | Action::ManageTokens
            | Action::ChangeRelationship(_)
            | Action::FollowMany
            | Action::ReadEvents
            | Action::ReadBlockEvents
            | Action::ReadErasures
            | Action::AcknowledgeErasure
            | Action::ManageErasureConsumers
            | Action::RelayEvents
            | Action::MaintainFollowCounts
            | Action::EndSuspensions
            | Action::ReleaseName
    )
}

/// The scope that a service needs for an action; none if no service may perform it.
pub fn required_scope(action: Action) -> Option<Scope> {
    match action {
        Action::Read | Action::ReadByExternalId | Action::List => Some(Scope::UsersRead),
        Action::ReadByEmail
        | Action::ReadByRole
        | Action::ReadByUpdateTime
        | Action::ReadByPrivateMetadata
        | Action::ReadBlockEvents
        | Action::Export(_)
        | Action::ReadRelationships(_) => Some(Scope::UsersReadPrivate),
        Action::ReadEvents | Action::ReadErasures | Action::AcknowledgeErasure => {
            Some(Scope::EventsRead)
        }
        Action::ManageErasureConsumers => Some(Scope::EventsAdmin),
        Action::Create | Action::Edit(_) | Action::ChangeStanding | Action::SignOut(_) => {
            Some(Scope::UsersWrite)
        }
        Action::SetPassword | Action::ManageLockout => Some(Scope::CredentialsWrite),
        Action::VerifyCredentials => Some(Scope::CredentialsVerify),
        Action::Delete(_) | Action::Erase | Action::Restore => Some(Scope::UsersDelete),
        Action::GrantRole | Action::RevokeRole => Some(Scope::RolesWrite),
        Action::ManageTokens => Some(Scope::TokensAdmin),
        Action::ChangeRelationship(_) | Action::FollowMany => Some(Scope::RelationshipsWrite),
        Action::Purge
        | Action::Import
        | Action::RelayEvents
        | Action::MaintainFollowCounts
        | Action::EndSuspensions
        | Action::ReleaseName => None,
    }
}

/// Checks whether a caller that may manage tokens may issue one with these scopes.
///
/// A service may grant only scopes that it has itself, so that no token has more permissions than its issuer.
///
/// # Errors
/// [`Denied::InsufficientScope`] with the first scope that the caller lacks.
pub fn permit_scopes(caller: &Caller, scopes: &BTreeSet<Scope>) -> Result<(), Denied> {
    match caller {
        Caller::Operator => Ok(()),
        Caller::User(_) => Err(Denied::Forbidden),
        Caller::Service(service) => scopes
            .difference(&service.scopes)
            .next()
            .map_or(Ok(()), |missing| Err(Denied::InsufficientScope(*missing))),
    }
}

/// Whether a caller that may edit a user may write this field.
pub fn may_write(caller: &Caller, field: Field) -> bool {
    match caller {
        Caller::Operator => true,
        Caller::User(user) if user.is_admin => true,
        Caller::User(_) => match field {
            Field::Username
            | Field::Email
            | Field::PhoneNumber
            | Field::Profile(_)
            | Field::MetadataUser => true,
            Field::EmailVerified
            | Field::PhoneNumberVerified
            | Field::ExternalId
            | Field::Status
            | Field::Suspension
            | Field::Roles
            | Field::MetadataPublic
            | Field::MetadataPrivate
            | Field::Password
            | Field::TokensValidAfter
            | Field::HasBlocks => false,
        },
        Caller::Service(service) => {
            field != Field::Roles || service.scopes.contains(&Scope::RolesWrite)
        }
    }
}

/// Checks whether the caller may write all of these fields.
///
/// # Errors
/// [`Denied::ForbiddenFields`] with one fault for each forbidden field, or [`Denied::InsufficientScope`] for a service.
pub fn permit_fields(caller: &Caller, fields: &[Field]) -> Result<(), Denied> {
    let violation = Violation::new("forbidden_field", "May not be written by this caller.");
    let faults: Vec<Fault> = fields
        .iter()
        .filter(|field| !may_write(caller, **field))
        .map(|field| Fault::new(field.path(), &violation))
        .collect();
    match (faults.is_empty(), caller) {
        (true, _) => Ok(()),
        (false, Caller::Service(_)) => Err(Denied::InsufficientScope(Scope::RolesWrite)),
        (false, Caller::User(_) | Caller::Operator) => Err(Denied::ForbiddenFields(faults)),
    }
}

/// The access level that the caller has to a user.
pub fn access(caller: &Caller, user: UserId) -> Access {
    match caller {
        Caller::Operator => Access::Full,
        Caller::User(caller) if caller.is_admin => Access::Full,
        Caller::User(caller) if caller.id == user => Access::Own,
        Caller::Service(service) if service.scopes.contains(&Scope::UsersReadPrivate) => {
            Access::Full
        }
        Caller::User(_) | Caller::Service(_) => Access::Public,
    }
}

/// Returns the calling user if blocks hide users from it. Services and administrators see every user.
pub fn viewer(caller: &Caller) -> Option<&UserCaller> {
    match caller {
        Caller::User(user) if !user.is_admin => Some(user),
        Caller::User(_) | Caller::Service(_) | Caller::Operator => None,
    }
}

/// The access level of a caller to a user. Each level includes the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// The view for every caller.
    Public,
    /// The view for the user itself.
    Own,
    /// The view for services and administrators.
    Full,
}

impl Access {
    /// The name in entity tags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Own => "own",
            Self::Full => "full",
        }
    }
}

#[cfg(test)]
mod tests;
