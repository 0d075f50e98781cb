//! Finds the result of an earlier write whose repetition would be refused.

use std::sync::Arc;

use super::block_visibility::BlockVisibility;
use crate::caller::Caller;
use crate::permissions::Access;
use crate::ports::{Clock, UserKey, WriteRecords};
use crate::user::{Actor, User};
use crate::values::{ServiceTokenId, UserId};
use crate::view::{UserView, public_view, view};
use crate::write::{Idempotency, RecordedWrite};
use crate::{CachedUsers, Freshness, StoreError};

/// A caller whose credential is genuine but no longer accepted. It may only replay a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerCaller {
    /// The caller, without administrator rights.
    pub caller: Caller,
    pub(super) replayable: Replayable,
}

/// Which of its writes a caller may replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replayable {
    /// Every write.
    All,
    /// Only the write that voided its tokens, and with the public view: a stolen token must not read later changes of
    /// its owner.
    EndOfAccess,
    /// Only the revocation of this token.
    Revocation(ServiceTokenId),
}

/// A write that was applied earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The caller's current view of the written user. None if the user is erased or hidden from the caller, or if the
    /// write was not about a user.
    pub view: Option<UserView>,
}

/// Finds the result of an earlier write whose repetition would be refused.
///
/// A write may remove what its repetition needs: the caller's permission, the caller itself, or the user that it
/// changes. The store looks up an idempotency key only after the write was permitted and validated. This use case
/// therefore runs after a refusal.
#[derive(Clone)]
pub struct FindReplay {
    pub(super) records: Arc<dyn WriteRecords>,
    pub(super) users: Arc<CachedUsers>,
    pub(super) block_visibility: BlockVisibility,
    pub(super) clock: Arc<dyn Clock>,
}

impl FindReplay {
    /// Finds the write of an accepted caller with this key.
    ///
    /// # Errors
    /// The error of the store.
    pub async fn run(
        &self,
        caller: &Caller,
        idempotency: &Idempotency,
    ) -> Result<Option<Replay>, StoreError> {
        self.find(caller, Replayable::All, idempotency).await
    }

    /// Finds the write of a caller that is no longer accepted with this key.
    ///
    /// # Errors
    /// The error of the store.
    pub async fn run_for_former(
        &self,
        former: &FormerCaller,
        idempotency: &Idempotency,
    ) -> Result<Option<Replay>, StoreError> {
        self.find(&former.caller, former.replayable, idempotency)
            .await
    }

    async fn find(
        &self,
        caller: &Caller,
        replayable: Replayable,
        idempotency: &Idempotency,
    ) -> Result<Option<Replay>, StoreError> {
        let actor = Actor::from(caller);
        let now = self.clock.now();
        let found = self.records.find_write(&actor, idempotency, now).await?;
        let Some(write) = found.filter(|write| replayable.includes(write)) else {
            return Ok(None);
        };
        let view = match replayable {
            Replayable::All => self.view(caller, write, view).await?,
            Replayable::EndOfAccess => {
                let shown = |user, _: &Caller| public_view(user);
                self.view(caller, write, shown).await?
            }
            Replayable::Revocation(_) => None,
        };
        Ok(Some(Replay { view }))
    }

    async fn view(
        &self,
        caller: &Caller,
        write: RecordedWrite,
        show: impl FnOnce(Arc<User>, &Caller) -> UserView,
    ) -> Result<Option<UserView>, StoreError> {
        let id = UserId::from_uuid(write.subject);
        let key = UserKey::Id(id);
        let reading = self.users.read(&key, Freshness::Current).await?;
        let Some(user) = reading.user else {
            return Ok(None);
        };
        let requested = std::iter::once((id, Some(&*user)));
        let hidden = self.block_visibility.hidden_from(caller, requested).await?;
        if hidden.contains(&id) {
            return Ok(None);
        }
        let is_deleted = user.is_deleted();
        let shown = show(user, caller);
        // A deleted user is absent for callers that would see only its public view.
        let is_absent = is_deleted && shown.access() == Access::Public;
        Ok((!is_absent).then_some(shown))
    }
}

impl Replayable {
    fn includes(self, write: &RecordedWrite) -> bool {
        match self {
            Self::All => true,
            Self::EndOfAccess => write.ended_access,
            Self::Revocation(token) => write.subject == token.as_uuid(),
        }
    }
}
