//! Creates many follows in one call, for the migration of a platform.

use std::sync::Arc;

use super::{ChangeRelationshipError, WriteConditions, WriteContextFactory};
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::Relationships;
use crate::relationship::{Edge, FollowOutcome, NewFollow};
use crate::values::UserId;

/// The maximum number of follows in one call.
pub const MAX_FOLLOWS: usize = 1000;

/// An unvalidated follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowInput {
    /// The id of the follower.
    pub follower: String,
    /// The id of the followed user.
    pub target: String,
}

/// The result of one follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowResult {
    /// The follow was created.
    Followed,
    /// The follow already existed.
    Unchanged,
    /// One of the users does not exist, is deleted or blocks the other, or an id is invalid.
    NoSuchUser,
    /// Both ids are the same user.
    SameUser,
}

/// Why no follow was created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowManyError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There are more than [`MAX_FOLLOWS`].
    #[error("there are more than {MAX_FOLLOWS} follows")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates many follows in one call.
#[derive(Clone)]
pub struct FollowMany {
    pub(super) relationships: Arc<dyn Relationships>,
    pub(super) contexts: WriteContextFactory,
}

impl FollowMany {
    /// Checks the caller's permission before its list is parsed.
    pub fn permit(caller: &Caller) -> Result<(), Denied> {
        permit(caller, Action::FollowMany)
    }

    /// Creates the follows that are possible, and returns a result for each, in order. A repetition changes nothing.
    pub async fn run(
        &self,
        caller: &Caller,
        follows: &[FollowInput],
    ) -> Result<Vec<FollowResult>, FollowManyError> {
        Self::permit(caller)?;
        if follows.len() > MAX_FOLLOWS {
            return Err(FollowManyError::TooMany);
        }
        let parsed: Vec<Result<Edge, FollowResult>> = follows.iter().map(parse).collect();
        let edges = parsed.iter().flatten();
        let new: Vec<NewFollow> = edges
            .map(|edge| NewFollow {
                edge: *edge,
                event_id: self.contexts.ids.event_id(),
            })
            .collect();
        let mut outcomes = Vec::new().into_iter();
        if !new.is_empty() {
            let context = self.contexts.create(caller, WriteConditions::default());
            let done = self.relationships.follow_many(&new, &context).await;
            outcomes = done.map_err(translate)?.into_iter();
        }
        let results = parsed.into_iter().map(|parsed| match parsed {
            Ok(_) => outcomes.next().map(FollowResult::from),
            Err(result) => Some(result),
        });
        results.collect::<Option<_>>().ok_or_else(|| {
            StoreError::Internal("the store returned too few outcomes".to_owned()).into()
        })
    }
}

fn parse(follow: &FollowInput) -> Result<Edge, FollowResult> {
    let ids = (
        UserId::parse(&follow.follower),
        UserId::parse(&follow.target),
    );
    let (Ok(from), Ok(to)) = ids else {
        return Err(FollowResult::NoSuchUser);
    };
    Edge::between(from, to).ok_or(FollowResult::SameUser)
}

fn translate(error: crate::write::WriteError) -> StoreError {
    match ChangeRelationshipError::from(error) {
        ChangeRelationshipError::Store(error) => error,
        error => StoreError::Internal(error.to_string()),
    }
}

impl From<FollowOutcome> for FollowResult {
    fn from(outcome: FollowOutcome) -> Self {
        match outcome {
            FollowOutcome::Followed => Self::Followed,
            FollowOutcome::Unchanged => Self::Unchanged,
            FollowOutcome::NoSuchUser => Self::NoSuchUser,
        }
    }
}
