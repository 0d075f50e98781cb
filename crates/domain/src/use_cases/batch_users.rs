//! Reads many users in one call.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::hash::Hash;
use std::sync::Arc;
use std::task::Poll;

use super::block_visibility::BlockVisibility;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::UserKeys;
use crate::values::{EmailKey, ExternalId, UserId, UsernameKey};
use crate::view::{UserView, view};
use crate::{CachedUsers, Freshness, Source, StoreError};

/// The maximum number of keys in one batch.
pub const MAX_BATCH: usize = 500;

/// The unvalidated keys of the requested users, all of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchKeys {
    /// Ids.
    Ids(Vec<String>),
    /// Usernames in any spelling.
    Usernames(Vec<String>),
    /// Email addresses in any spelling.
    Emails(Vec<String>),
    /// Ids of the platform's earlier user store.
    ExternalIds(Vec<String>),
}

/// Why a batch failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchUsersError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There are more keys than [`MAX_BATCH`].
    #[error("there are more than {MAX_BATCH} keys")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The users of a batch, and the sources of the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchViews {
    /// An answer for each key, in order; none if there is no such user or the key is invalid.
    pub views: Vec<Option<UserView>>,
    /// The distinct sources of the answers.
    pub sources: HashSet<Source>,
}

/// Reads many users in one call.
#[derive(Clone)]
pub struct BatchUsers {
    pub(super) users: Arc<CachedUsers>,
    pub(super) block_visibility: BlockVisibility,
}

impl BatchKeys {
    fn texts(&self) -> &[String] {
        match self {
            Self::Ids(texts)
            | Self::Usernames(texts)
            | Self::Emails(texts)
            | Self::ExternalIds(texts) => texts,
        }
    }

    fn action(&self) -> Action {
        match self {
            Self::Ids(_) | Self::Usernames(_) => Action::Read,
            Self::Emails(_) => Action::ReadByEmail,
            Self::ExternalIds(_) => Action::ReadByExternalId,
        }
    }

    /// Parses each distinct text once; returns the distinct keys, and for each text the index of its key.
    async fn distinct(&self) -> (Vec<Option<usize>>, UserKeys) {
        match self {
            Self::Ids(texts) => {
                let (places, keys) = distinct(texts, |text| UserId::parse(text).ok()).await;
                (places, UserKeys::Ids(keys))
            }
            Self::Usernames(texts) => {
                let (places, keys) = distinct(texts, |text| UsernameKey::parse(text).ok()).await;
                (places, UserKeys::Usernames(keys))
            }
            Self::Emails(texts) => {
                let (places, keys) = distinct(texts, |text| EmailKey::parse(text).ok()).await;
                (places, UserKeys::Emails(keys))
            }
            Self::ExternalIds(texts) => {
                let (places, keys) = distinct(texts, |text| ExternalId::parse(text).ok()).await;
                (places, UserKeys::ExternalIds(keys))
            }
        }
    }
}

impl BatchUsers {
    /// Finds the users and returns their views for the caller.
    ///
    /// Equal keys are looked up once. Otherwise a batch with one repeated name would multiply the difference in work
    /// between a name without a user and one whose user blocks the caller.
    pub async fn run(
        &self,
        caller: &Caller,
        keys: &BatchKeys,
        freshness: Freshness,
    ) -> Result<BatchViews, BatchUsersError> {
        permit(caller, keys.action())?;
        if keys.texts().len() > MAX_BATCH {
            return Err(BatchUsersError::TooMany);
        }
        let (places, keys) = keys.distinct().await;
        if places.iter().all(Option::is_none) {
            return Ok(BatchViews {
                views: places.into_iter().map(|_| None).collect(),
                sources: HashSet::new(),
            });
        }
        let readings = self.users.read_many(&keys, freshness).await?;
        let sources = readings.iter().map(|reading| reading.source).collect();
        let keys = keys.each();
        let requested = keys.iter().zip(&readings);
        let requested = requested.filter_map(|(key, reading)| reading.requested(key));
        let hidden = self.block_visibility.hidden_from(caller, requested).await?;
        let shown = readings.into_iter().map(|reading| {
            let user = reading.user?;
            let is_shown = !user.is_deleted() && !hidden.contains(&user.id);
            is_shown.then(|| view(user, caller))
        });
        let shown: Vec<Option<UserView>> = shown.collect();
        let views = places
            .into_iter()
            .map(|place| shown.get(place?)?.clone())
            .collect();
        Ok(BatchViews { views, sources })
    }
}

/// The number of texts that are parsed before the task yields to other tasks.
const PARSED_BEFORE_YIELD: usize = 64;

/// Parses each distinct text once; returns the distinct keys in the order of the texts, and for each text the index of
/// its key, or none if it is invalid.
async fn distinct<T: Clone + Eq + Hash>(
    texts: &[String],
    parse: impl Fn(&str) -> Option<T>,
) -> (Vec<Option<usize>>, Vec<T>) {
    let mut keys = Vec::new();
    let mut places = Vec::with_capacity(texts.len());
    let mut of_text: HashMap<&str, Option<usize>> = HashMap::new();
    let mut of_key: HashMap<T, usize> = HashMap::new();
    for text in texts {
        if let Some(place) = of_text.get(text.as_str()) {
            places.push(*place);
            continue;
        }
        let place = parse(text).map(|key| {
            *of_key.entry(key).or_insert_with_key(|key| {
                keys.push(key.clone());
                keys.len() - 1
            })
        });
        of_text.insert(text, place);
        places.push(place);
        if of_text.len().is_multiple_of(PARSED_BEFORE_YIELD) {
            yield_now().await;
        }
    }
    (places, keys)
}

/// Yields to other tasks once.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn each_distinct_text_is_parsed_once_and_gives_distinct_keys() {
        let texts = ["b", "A", "b", "?", "a", "?", "A", "c"].map(str::to_owned);
        let parsed = Cell::new(0);
        let parse = |text: &str| {
            parsed.set(parsed.get() + 1);
            (text != "?").then(|| text.to_lowercase())
        };
        let (places, keys) = distinct(&texts, parse).await;
        assert_eq!(keys, ["b", "a", "c"]);
        let expected = [
            Some(0),
            Some(1),
            Some(0),
            None,
            Some(1),
            None,
            Some(1),
            Some(2),
        ];
        assert_eq!(places, expected);
        assert_eq!(parsed.get(), 5);
    }

    #[tokio::test]
    async fn other_tasks_run_between_the_texts_of_a_large_batch() {
        let texts: Vec<String> = (0..MAX_BATCH).map(|number| number.to_string()).collect();
        let others = Cell::new(0);
        let other = async {
            loop {
                others.set(others.get() + 1);
                yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = other => {}
            _ = distinct(&texts, |text| Some(text.to_owned())) => {}
        }
        assert!(
            others.get() >= MAX_BATCH / PARSED_BEFORE_YIELD,
            "{}",
            others.get()
        );
    }
}
