//! Service tokens: their data, validation and lifecycle.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use crate::caller::{Scope, ServiceCaller};
use crate::user::Actor;
use crate::values::{Revision, ServiceTokenId, Timestamp, TokenName};
use crate::write::WriteContext;
use crate::{Fault, Rejection, Violation};

/// A service token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceToken {
    /// The id.
    pub id: ServiceTokenId,
    /// The name of the service.
    pub name: TokenName,
    /// The granted scopes.
    pub scopes: BTreeSet<Scope>,
    /// When the token was created.
    pub created_at: Timestamp,
    /// The actor that created the token.
    pub created_by: Actor,
    /// The expiry time. `None` means that the token never expires.
    pub expires_at: Option<Timestamp>,
    /// When the token was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// When the token was last used, accurate to a few minutes.
    pub last_used_at: Option<Timestamp>,
}

/// A service token to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServiceToken {
    /// The name of the service.
    pub name: TokenName,
    /// The granted scopes.
    pub scopes: BTreeSet<Scope>,
    /// The expiry time. `None` means that the token never expires.
    pub expires_at: Option<Timestamp>,
}

/// The unvalidated input for a new service token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenInput {
    /// The name.
    pub name: Option<String>,
    /// The names of the scopes.
    pub scopes: Option<Vec<String>>,
    /// The expiry time (RFC 3339).
    pub expires_at: Option<String>,
    /// The lifetime in seconds.
    pub expires_in: Option<u64>,
    /// Unknown fields, and fields of the wrong type.
    pub unexpected_fields: Vec<Fault>,
}

/// A service token after a change, with the event of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedToken {
    /// The token after the change.
    pub token: ServiceToken,
    /// The event to publish.
    pub event: TokenEvent,
}

/// A change of a service token, as other services receive it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEvent {
    /// The unique id, by which consumers detect duplicates.
    pub id: Uuid,
    /// The kind of change.
    pub kind: TokenEventKind,
    /// The id of the token.
    pub token: ServiceTokenId,
    /// The actor that made the change.
    pub actor: Actor,
    /// The time of the change.
    pub at: Timestamp,
}

/// A position in the list of tokens, which is sorted by creation time and id, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenPosition {
    /// The creation time of the token.
    pub created_at: Timestamp,
    /// The id of the token.
    pub id: ServiceTokenId,
}

/// The kind of change of a service token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenEventKind {
    /// The token was created.
    Created,
    /// The token was revoked, which is final.
    Revoked,
}

impl ServiceToken {
    /// Returns the position of the token in the list of tokens.
    pub fn position(&self) -> TokenPosition {
        TokenPosition {
            created_at: self.created_at,
            id: self.id,
        }
    }

    /// Creates a token.
    pub fn issue(id: ServiceTokenId, new: NewServiceToken, context: &WriteContext) -> AppliedToken {
        let NewServiceToken {
            name,
            scopes,
            expires_at,
        } = new;
        AppliedToken {
            event: event(TokenEventKind::Created, id, context),
            token: Self {
                id,
                name,
                scopes,
                created_at: context.at,
                created_by: context.actor.clone(),
                expires_at,
                revoked_at: None,
                last_used_at: None,
            },
        }
    }

    /// Revokes the token. `None` if it is revoked already.
    pub fn revoke(&self, context: &WriteContext) -> Option<AppliedToken> {
        if self.revoked_at.is_some() {
            return None;
        }
        Some(AppliedToken {
            event: event(TokenEventKind::Revoked, self.id, context),
            token: Self {
                revoked_at: Some(context.at),
                ..self.clone()
            },
        })
    }

    /// Checks that the token is valid at a time.
    ///
    /// # Errors
    /// The reason why the token is not valid.
    pub fn check_valid(&self, at: Timestamp) -> Result<(), Rejection> {
        if self.revoked_at.is_some() {
            return Err(Rejection::RevokedServiceToken);
        }
        if self.expires_at.is_some_and(|end| at >= end) {
            return Err(Rejection::ExpiredServiceToken);
        }
        Ok(())
    }

    /// Whether the token is revoked and has not expired yet at a time.
    pub fn is_revoked_before_expiry(&self, at: Timestamp) -> bool {
        self.revoked_at.is_some() && self.expires_at.is_none_or(|end| at < end)
    }

    /// Restores scopes from the store. A scope of a later release is ignored.
    pub fn scopes_from_store<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<Scope> {
        names.into_iter().filter_map(Scope::from_name).collect()
    }

    /// The service that authenticates with the token.
    pub fn caller(&self) -> ServiceCaller {
        ServiceCaller {
            name: self.name.as_str().to_owned(),
            scopes: self.scopes.clone(),
        }
    }
}

impl TokenInput {
    /// The maximum lifetime of a token: ten years.
    pub const MAX_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

    /// The names of all scopes.
    pub fn scope_names() -> [&'static str; Scope::ALL.len()] {
        Scope::ALL.map(Scope::as_str)
    }

    /// Validates all fields.
    ///
    /// # Errors
    /// A fault for each violated rule.
    pub fn check(&self, now: Timestamp) -> Result<NewServiceToken, Vec<Fault>> {
        let mut faults = self.unexpected_fields.clone();
        let is_reported = |name: &str| {
            let is_of = |fault: &Fault| fault.path().first().is_some_and(|part| part == name);
            self.unexpected_fields.iter().any(is_of)
        };
        let required = Violation::new("required", "Is required.");
        let name = match &self.name {
            Some(name) => TokenName::parse(name)
                .map_err(|violation| faults.push(Fault::new("name", &violation)))
                .ok(),
            None if is_reported("name") => None,
            None => {
                faults.push(Fault::new("name", &required));
                None
            }
        };
        let mut scopes = BTreeSet::new();
        match &self.scopes {
            Some(names) => check_scopes(names, &mut scopes, &mut faults),
            None if is_reported("scopes") => {}
            None => faults.push(Fault::new("scopes", &required)),
        }
        let expires_at = self.check_expiry(now, &mut faults);
        match (name, faults.is_empty()) {
            (Some(name), true) => Ok(NewServiceToken {
                name,
                scopes,
                expires_at,
            }),
            _ => Err(faults),
        }
    }

    fn check_expiry(&self, now: Timestamp, faults: &mut Vec<Fault>) -> Option<Timestamp> {
        match (&self.expires_at, self.expires_in) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                let both = Violation::new("ambiguous", "Must not be combined with expires_at.");
                faults.push(Fault::new("expires_in", &both));
                None
            }
            (None, Some(seconds)) if (1..=Self::MAX_LIFETIME.as_secs()).contains(&seconds) => {
                Some(now.plus(Duration::from_secs(seconds)))
            }
            (None, Some(_)) => {
                let range = Violation::new("out_of_range", "Must be from 1 to 315360000 seconds.");
                faults.push(Fault::new("expires_in", &range));
                None
            }
            (Some(text), None) => {
                let end = Timestamp::parse(text).and_then(|end| {
                    let range = "Must be in the future, by at most ten years.";
                    if end > now && end <= now.plus(Self::MAX_LIFETIME) {
                        Ok(end)
                    } else {
                        Err(Violation::new("out_of_range", range))
                    }
                });
                end.map_err(|violation| faults.push(Fault::new("expires_at", &violation)))
                    .ok()
            }
        }
    }
}

fn check_scopes(names: &[String], scopes: &mut BTreeSet<Scope>, faults: &mut Vec<Fault>) {
    if names.is_empty() {
        let none = Violation::new("too_few", "Must name at least one scope.");
        faults.push(Fault::new("scopes", &none));
    }
    let unknown = Violation::new("unknown_scope", "Must be the name of a scope.");
    for (number, name) in names.iter().enumerate() {
        match Scope::from_name(name) {
            Some(scope) => {
                scopes.insert(scope);
            }
            None => faults.push(Fault::at(
                vec!["scopes".to_owned(), number.to_string()],
                &unknown,
            )),
        }
    }
}

fn event(kind: TokenEventKind, token: ServiceTokenId, context: &WriteContext) -> TokenEvent {
    TokenEvent {
        id: context.event_id,
        kind,
        token,
        actor: context.actor.clone(),
        at: context.at,
    }
}

impl TokenEvent {
    /// The kind of subject, as the outbox stores it.
    pub const SUBJECT_KIND: &str = "service_token";

    /// The revision of the token after the change.
    pub fn revision(&self) -> Revision {
        match self.kind {
            TokenEventKind::Created => Revision::FIRST,
            TokenEventKind::Revoked => Revision::FIRST.next(),
        }
    }

    /// The changed fields.
    pub fn changed(&self) -> &'static [&'static str] {
        match self.kind {
            TokenEventKind::Created => &["name", "scopes", "expires_at"],
            TokenEventKind::Revoked => &["revoked_at"],
        }
    }
}

impl TokenEventKind {
    /// The event's type on the wire and in the outbox.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "service_token.created",
            Self::Revoked => "service_token.revoked",
        }
    }
}

#[cfg(test)]
mod tests;
