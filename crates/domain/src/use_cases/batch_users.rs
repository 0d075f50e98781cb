//! Shows many users at once.

use std::collections::HashSet;
use std::sync::Arc;

use super::veil::Veil;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{UserKey, UserKeys};
use crate::values::{EmailKey, ExternalId, UserId, UsernameKey};
use crate::view::{UserView, view};
use crate::{CachedUsers, Freshness, Source, StoreError};

/// The most keys of one batch.
pub const MAX_BATCH: usize = 500;

/// The keys of the users sought, all of one kind, in the caller's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchKeys {
    /// By id.
    Ids(Vec<String>),
    /// By name, however typed.
    Usernames(Vec<String>),
    /// By address, however typed.
    Emails(Vec<String>),
    /// By the platform's older id.
    ExternalIds(Vec<String>),
}

/// Why no users are shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchUsersError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There are more keys than [`MAX_BATCH`].
    #[error("there are more than {MAX_BATCH} keys")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Many users, and where they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchViews {
    /// An answer for each key, in the keys' order; none where nobody is, or nobody can be.
    pub views: Vec<Option<UserView>>,
    /// Where the answers come from, in no order, each place once.
    pub sources: HashSet<Source>,
}

/// Shows many users at once.
#[derive(Clone)]
pub struct BatchUsers {
    pub(super) users: Arc<CachedUsers>,
    pub(super) veil: Veil,
}

impl BatchUsers {
    /// Finds the users and shows what the caller may see of them.
    pub async fn run(
        &self,
        caller: &Caller,
        keys: &BatchKeys,
        freshness: Freshness,
    ) -> Result<BatchViews, BatchUsersError> {
        let (action, places, keys) = match keys {
            BatchKeys::Ids(texts) => {
                let (places, keys) = parse(texts, |text| UserId::parse(text).ok());
                (Action::Read, places, UserKeys::Ids(keys))
            }
            BatchKeys::Usernames(texts) => {
                let (places, keys) = parse(texts, |text| UsernameKey::parse(text).ok());
                (Action::Read, places, UserKeys::Usernames(keys))
            }
            BatchKeys::Emails(texts) => {
                let (places, keys) = parse(texts, |text| EmailKey::parse(text).ok());
                (Action::ReadByEmail, places, UserKeys::Emails(keys))
            }
            BatchKeys::ExternalIds(texts) => {
                let (places, keys) = parse(texts, |text| ExternalId::parse(text).ok());
                (
                    Action::ReadByExternalId,
                    places,
                    UserKeys::ExternalIds(keys),
                )
            }
        };
        permit(caller, action)?;
        if places.len() > MAX_BATCH {
            return Err(BatchUsersError::TooMany);
        }
        if !places.contains(&true) {
            return Ok(BatchViews {
                views: places.into_iter().map(|_| None).collect(),
                sources: HashSet::new(),
            });
        }
        let readings = self.users.read_many(&keys, freshness).await?;
        let sources = readings.iter().map(|reading| reading.source).collect();
        let keys = keys.each();
        let sought = keys.iter().zip(&readings).filter_map(|(key, reading)| {
            let user = reading.user.as_deref();
            match (user, key) {
                (Some(found), _) => Some((found.id, user)),
                (None, UserKey::Id(id)) => Some((*id, None)),
                (None, _) => None,
            }
        });
        let hidden = self.veil.hidden_from(caller, sought).await?;
        let mut found = readings.into_iter();
        let views = places
            .into_iter()
            .map(|is_key| if is_key { found.next()?.user } else { None })
            .map(|user| {
                user.filter(|user| !user.is_deleted() && !hidden.contains(&user.id))
                    .map(|user| view(user, caller))
            })
            .collect();
        Ok(BatchViews { views, sources })
    }
}

/// Parses what can be a key, and notes which texts can.
fn parse<T>(texts: &[String], parse: impl Fn(&str) -> Option<T>) -> (Vec<bool>, Vec<T>) {
    let parsed: Vec<Option<T>> = texts
        .iter()
        .take(MAX_BATCH + 1)
        .map(|text| parse(text))
        .collect();
    (
        parsed.iter().map(Option::is_some).collect(),
        parsed.into_iter().flatten().collect(),
    )
}
