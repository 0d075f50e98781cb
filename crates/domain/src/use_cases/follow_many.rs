//! Lets many users follow others at once: how a platform moves in.

use std::sync::Arc;

use super::{ChangeRelationshipError, Stamp, WriteConditions};
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::Relationships;
use crate::relationship::{Edge, FollowOutcome, NewFollow};
use crate::values::UserId;

/// The most follows of one call.
pub const MAX_FOLLOWS: usize = 1000;

/// Who is to follow whom, in the caller's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowInput {
    /// The id of the one who follows.
    pub follower: String,
    /// The id of the one who is followed.
    pub target: String,
}

/// What became of one of many follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowResult {
    /// The one follows the other from now on.
    Followed,
    /// It did already.
    Unchanged,
    /// One of the two is not there, is deleted, or blocks the other; or an id can be nobody's.
    NoSuchUser,
    /// The two are one and the same user.
    Oneself,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowManyError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There are more than [`MAX_FOLLOWS`].
    #[error("there are more than {MAX_FOLLOWS} edges")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets many users follow others at once.
#[derive(Clone)]
pub struct FollowMany {
    pub(super) relationships: Arc<dyn Relationships>,
    pub(super) stamp: Stamp,
}

impl FollowMany {
    /// Tells whether the caller may let many follow at all, before its list is looked at.
    pub fn permit(caller: &Caller) -> Result<(), Denied> {
        permit(caller, Action::RelateMany)
    }

    /// Lets follow who can, and gives what became of each, in order; done again it changes nothing.
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
                event_id: self.stamp.ids.event_id(),
            })
            .collect();
        let mut outcomes = Vec::new().into_iter();
        if !new.is_empty() {
            let context = self.stamp.context(caller, WriteConditions::default());
            let done = self.relationships.follow_many(&new, &context).await;
            outcomes = done.map_err(translate)?.into_iter();
        }
        let results = parsed.into_iter().map(|parsed| match parsed {
            Ok(_) => outcomes.next().map(FollowResult::from),
            Err(result) => Some(result),
        });
        results.collect::<Option<_>>().ok_or_else(|| {
            StoreError::Internal("the store answered for fewer than asked".to_owned()).into()
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
    Edge::between(from, to).ok_or(FollowResult::Oneself)
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
