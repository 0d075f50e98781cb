use super::State;
use crate::ports::{ExpiredUser, MAX_DUE_SUSPENSIONS, Purged, Records};
use crate::user::{Change, User};
use crate::values::{Timestamp, UserId};
use crate::write::WriteContext;

impl State {
    pub(in super::super) fn expired(
        &self,
        at: Timestamp,
        after: Option<ExpiredUser>,
    ) -> Vec<ExpiredUser> {
        let place = |user: &ExpiredUser| (user.deleted_at, user.id);
        let mut expired: Vec<ExpiredUser> = self
            .users()
            .filter_map(|user| {
                user.deleted_at.map(|deleted_at| ExpiredUser {
                    deleted_at,
                    id: user.id,
                })
            })
            .filter(|user| user.deleted_at <= ExpiredUser::cutoff(at))
            .filter(|user| after.is_none_or(|after| place(user) > place(&after)))
            .collect();
        expired.sort_by_key(place);
        expired.truncate(ExpiredUser::MAX_BATCH.into());
        expired
    }

    pub(in super::super) fn erase_expired(&mut self, id: UserId, context: &WriteContext) -> bool {
        let Ok(user) = self.current(id) else {
            return false;
        };
        let Some(event) = user.expire(context) else {
            return false;
        };
        self.remove(&user, event, context.at);
        true
    }

    pub(in super::super) fn due_suspensions(&self, at: Timestamp) -> Vec<UserId> {
        let end = |user: &User| user.suspension.as_ref().and_then(|kept| kept.until);
        let mut due: Vec<(Timestamp, UserId)> = self
            .users()
            .filter(|user| !user.is_deleted())
            .filter_map(|user| Some((end(user)?, user.id)))
            .filter(|(end, _)| *end <= at)
            .collect();
        due.sort_unstable();
        due.truncate(MAX_DUE_SUSPENSIONS.into());
        due.into_iter().map(|(_, id)| id).collect()
    }

    pub(in super::super) fn end_suspension(
        &mut self,
        id: UserId,
        context: &WriteContext,
    ) -> Option<User> {
        let user = self.current(id).ok()?;
        let applied = user.apply(&Change::EndSuspension, context).ok()??;
        self.store(&applied, context);
        Some(applied.user)
    }

    pub(in super::super) fn purge(&mut self, records: Records, at: Timestamp) -> Purged {
        let cutoff = records.cutoff(at);
        let mut removed = 0;
        let mut is_due = |kept_since: Timestamp| {
            let is_due = kept_since <= cutoff && removed < u64::from(Purged::MAX_BATCH);
            removed += u64::from(is_due);
            is_due
        };
        match records {
            Records::Events => {
                let purged = self.events.extract_if(.., |_, event| is_due(event.at()));
                if let Some((number, _)) = purged.last() {
                    self.purged = self.purged.max(number + 1);
                }
            }
            Records::IdempotencyKeys => self.records.retain(|_, record| !is_due(record.at)),
            Records::Usernames => self
                .released_names
                .retain(|_, released| !is_due(released.since)),
            Records::LoginAttempts => self
                .attempts
                .retain(|_, attempts| !attempts.forgotten_at().is_none_or(&mut is_due)),
            Records::Erasures => self.erasures.purge(is_due),
        }
        Purged {
            removed,
            has_more: removed == u64::from(Purged::MAX_BATCH),
        }
    }
}
