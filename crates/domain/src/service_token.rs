//! The tokens of services: what they are made of, and what becomes of them.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use crate::caller::{Scope, ServiceCaller};
use crate::user::Actor;
use crate::values::{ServiceTokenId, Timestamp, TokenName, Version};
use crate::write::WriteContext;
use crate::{Fault, Violation};

/// A token of a service, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceToken {
    /// Which.
    pub id: ServiceTokenId,
    /// Whose.
    pub name: TokenName,
    /// What it admits to.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Actor,
    /// From when on it is worth nothing; never, if there is none.
    pub expires_at: Option<Timestamp>,
    /// Since when it is worth nothing, because somebody said so.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to within a few minutes.
    pub last_used_at: Option<Timestamp>,
}

/// A token to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServiceToken {
    /// Whose.
    pub name: TokenName,
    /// What it admits to.
    pub scopes: BTreeSet<Scope>,
    /// From when on it is worth nothing; never, if there is none.
    pub expires_at: Option<Timestamp>,
}

/// A token to be, in its maker's words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenInput {
    /// The name.
    pub name: Option<String>,
    /// The scopes' names.
    pub scopes: Option<Vec<String>>,
    /// When it ends (RFC 3339).
    pub expires_at: Option<String>,
    /// In how many seconds it ends.
    pub expires_in: Option<u64>,
    /// What could not even be read.
    pub misfits: Vec<Fault>,
}

/// A token as a change left it, and the event that tells of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedToken {
    /// The token now.
    pub token: ServiceToken,
    /// What to tell.
    pub event: TokenEvent,
}

/// What the rest of the platform is told about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEvent {
    /// Unique, for receivers that must not count an event twice.
    pub id: Uuid,
    /// What happened.
    pub kind: TokenEventKind,
    /// Which token.
    pub token: ServiceTokenId,
    /// Who did it.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

/// What happened to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenEventKind {
    /// It was made.
    Created,
    /// It was revoked, for good.
    Revoked,
}

impl ServiceToken {
    /// The most tokens of a list.
    pub const LISTED: usize = 1000;

    /// Makes a token.
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

    /// Makes it worth nothing from now on; nothing to do if somebody did so before.
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

    /// Tells whether it is worth anything at a moment.
    pub fn admits(&self, at: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| at < end)
    }

    /// Takes back scopes that a store kept. One that only a later release knows admits to nothing here.
    pub fn scopes_from_store<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<Scope> {
        names.into_iter().filter_map(Scope::from_name).collect()
    }

    /// The service that shows it.
    pub fn caller(&self) -> ServiceCaller {
        ServiceCaller {
            name: self.name.as_str().to_owned(),
            scopes: self.scopes.clone(),
        }
    }
}

impl TokenInput {
    /// The longest that a token may be told to last: ten years.
    pub const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

    /// The names of the scopes that there are.
    pub fn scope_names() -> [&'static str; Scope::ALL.len()] {
        Scope::ALL.map(Scope::as_str)
    }

    /// Checks all of it at once.
    ///
    /// # Errors
    /// A fault for each part that breaks a rule.
    pub fn check(&self, now: Timestamp) -> Result<NewServiceToken, Vec<Fault>> {
        let mut faults = self.misfits.clone();
        let has_misfit = |name: &str| {
            let is_of = |fault: &Fault| fault.path().first().is_some_and(|part| part == name);
            self.misfits.iter().any(is_of)
        };
        let required = Violation::new("required", "Must be given.");
        let name = match &self.name {
            Some(name) => TokenName::parse(name)
                .map_err(|violation| faults.push(Fault::new("name", &violation)))
                .ok(),
            None if has_misfit("name") => None,
            None => {
                faults.push(Fault::new("name", &required));
                None
            }
        };
        let mut scopes = BTreeSet::new();
        match &self.scopes {
            Some(names) => check_scopes(names, &mut scopes, &mut faults),
            None if has_misfit("scopes") => {}
            None => faults.push(Fault::new("scopes", &required)),
        }
        let expires_at = self.check_end(now, &mut faults);
        match (name, faults.is_empty()) {
            (Some(name), true) => Ok(NewServiceToken {
                name,
                scopes,
                expires_at,
            }),
            _ => Err(faults),
        }
    }

    fn check_end(&self, now: Timestamp, faults: &mut Vec<Fault>) -> Option<Timestamp> {
        match (&self.expires_at, self.expires_in) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                let both = Violation::new("ambiguous", "Must not stand beside expires_at.");
                faults.push(Fault::new("expires_in", &both));
                None
            }
            (None, Some(seconds)) if (1..=Self::LONGEST.as_secs()).contains(&seconds) => {
                Some(now.plus(Duration::from_secs(seconds)))
            }
            (None, Some(_)) => {
                let range = Violation::new("out_of_range", "Must be from 1 to 315360000 seconds.");
                faults.push(Fault::new("expires_in", &range));
                None
            }
            (Some(text), None) => {
                let end = Timestamp::parse(text).and_then(|end| {
                    let range = "Must lie ahead, by ten years at most.";
                    if end > now && end <= now.plus(Self::LONGEST) {
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
    /// The kind of thing that it is about, in the outbox.
    pub const SUBJECT_KIND: &str = "service_token";

    /// The number of the state that the change made.
    pub fn version(&self) -> Version {
        match self.kind {
            TokenEventKind::Created => Version::FIRST,
            TokenEventKind::Revoked => Version::FIRST.next(),
        }
    }

    /// The fields that changed.
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
