use super::State;
use crate::ports::{ExpiredUser, Purged, Records};
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
        expired.truncate(ExpiredUser::MOST.into());
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

    pub(in super::super) fn purge(&mut self, records: Records, at: Timestamp) -> Purged {
        let cutoff = records.cutoff(at);
        let mut removed = 0;
        let mut is_due = |kept_since: Timestamp| {
            let is_due = kept_since <= cutoff && removed < u64::from(Purged::MOST);
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
            Records::Usernames => self.resting.retain(|_, rest| !is_due(rest.since)),
            Records::LoginAttempts => self
                .tries
                .retain(|_, tries| !tries.forgotten_at().is_none_or(&mut is_due)),
        }
        Purged {
            removed,
            has_more: removed == u64::from(Purged::MOST),
        }
    }
}
