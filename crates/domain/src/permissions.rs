//! The one table of who may do what: Caller × Action × Field. Each use case asks it first.

use std::collections::BTreeSet;

use crate::caller::{Caller, Scope, UserCaller};
use crate::user::Field;
use crate::values::UserId;
use crate::{Fault, Violation};

/// What a caller wants to do. Where it matters to whom, the variant says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make a user.
    Create,
    /// See a user, or many, by id or username.
    Read,
    /// Find users by the platform's older id.
    ReadByExternalId,
    /// Find users by email address.
    ReadByEmail,
    /// Find users by a role they hold.
    ReadByRole,
    /// Walk, search or count the directory.
    List,
    /// Change this user's fields.
    Edit(UserId),
    /// Delete this user, restorably.
    Delete(UserId),
    /// Remove a user for good.
    Erase,
    /// Bring a deleted user back.
    Restore,
    /// Lock a user out, or let it in again.
    ChangeStanding,
    /// Give a user a role.
    GrantRole,
    /// Set or remove a user's password.
    SetPassword,
    /// Ask whether a password is a user's.
    VerifyCredentials,
    /// See and forget the failures of those who tried to be let in as a user.
    ManageLockout,
    /// Make the tokens of this user void.
    SignOut(UserId),
    /// Get all that is kept about this user.
    Export(UserId),
    /// Remove what is over its time.
    Purge,
    /// Make and change many users as another store knew them, ids and past included.
    Import,
    /// Make, list and revoke the tokens of services.
    ManageTokens,
    /// Let this user follow and block others, and cease to.
    Relate(UserId),
    /// Let many users follow others.
    RelateMany,
    /// See whom this user blocks, and what others are to it.
    ReadRelationships(UserId),
    /// Keep the counts of relationships true.
    TendRelationships,
}

/// Why a caller may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Callers of this kind may not.
    #[error("this caller may not do this")]
    Forbidden,
    /// The service's token lacks this scope.
    #[error("the scope {} is required", .0.as_str())]
    InsufficientScope(Scope),
    /// The caller may write, but not these fields.
    #[error("some of the fields may not be written by this caller")]
    ForbiddenFields(Vec<Fault>),
}

/// Tells whether the caller may do this.
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
            | Action::Relate(id)
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
            | Action::List
            | Action::Erase
            | Action::Restore
            | Action::ChangeStanding
            | Action::GrantRole
            | Action::Purge
            | Action::Import
            | Action::ManageTokens
            | Action::Relate(_)
            | Action::RelateMany
            | Action::ReadRelationships(_)
            | Action::TendRelationships => Err(Denied::Forbidden),
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

/// Tells whether an administrator may do no more of this than anybody else: it is for services, or for who runs this one. A
/// password is shown to the Auth Service alone, which knows how its owner is recognised; and nobody makes friends and
/// foes for another.
fn is_closed_to_administrators(action: Action) -> bool {
    matches!(
        action,
        Action::SetPassword
            | Action::VerifyCredentials
            | Action::Purge
            | Action::Import
            | Action::ManageTokens
            | Action::Relate(_)
            | Action::RelateMany
            | Action::TendRelationships
    )
}

/// Tells which scope a service needs for an action; for what no service may do there is none.
pub fn required_scope(action: Action) -> Option<Scope> {
    match action {
        Action::Read | Action::ReadByExternalId | Action::List => Some(Scope::UsersRead),
        Action::ReadByEmail
        | Action::ReadByRole
        | Action::Export(_)
        | Action::ReadRelationships(_) => Some(Scope::UsersReadPrivate),
        Action::Create | Action::Edit(_) | Action::ChangeStanding | Action::SignOut(_) => {
            Some(Scope::UsersWrite)
        }
        Action::SetPassword | Action::ManageLockout => Some(Scope::CredentialsWrite),
        Action::VerifyCredentials => Some(Scope::CredentialsVerify),
        Action::Delete(_) | Action::Erase | Action::Restore => Some(Scope::UsersDelete),
        Action::GrantRole => Some(Scope::RolesWrite),
        Action::ManageTokens => Some(Scope::TokensAdmin),
        Action::Relate(_) | Action::RelateMany => Some(Scope::RelationshipsWrite),
        Action::Purge | Action::Import | Action::TendRelationships => None,
    }
}

/// Tells whether the caller, who may manage tokens, may give one these scopes: a service only those that it has itself, so
/// that no token leads to more than its maker may do.
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

/// Tells whether the caller, who may edit the user, may write this field of it.
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

/// Tells whether the caller may write all of these fields.
///
/// # Errors
/// [`Denied::ForbiddenFields`] with one fault for each field that it may not.
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

/// Tells which view of a user the caller gets.
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

/// Gives the caller from whom users hide by blocks; services and administrators see everybody.
pub fn viewer(caller: &Caller) -> Option<&UserCaller> {
    match caller {
        Caller::User(user) if !user.is_admin => Some(user),
        Caller::User(_) | Caller::Service(_) | Caller::Operator => None,
    }
}

/// How much of a user a caller sees; each shows what the one before it shows, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// What everybody sees.
    Public,
    /// What the user sees of itself.
    Own,
    /// What services and administrators see.
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
