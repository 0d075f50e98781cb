use super::{ReleasedName, State};
use crate::ports::{ReservedName, StoredRecords};
use crate::user::Actor;
use crate::values::{Timestamp, UserId, Username};
use crate::write::MAX_RESERVED_NAMES;

impl State {
    pub(in super::super) fn records_of(&self, user: UserId) -> StoredRecords {
        let actor = Actor::of_user(user);
        let keys = self.records.keys().filter(|(of, _)| *of == actor);
        let reserved = self
            .released_names
            .iter()
            .filter(|(_, released)| released.owner == user);
        let mut reserved_names: Vec<ReservedName> = reserved
            .map(|(key, released)| self.reserved(key, released))
            .collect();
        reserved_names.sort_by_key(|name| std::cmp::Reverse(name.since));
        StoredRecords {
            reserved_names,
            idempotency_keys: u64::try_from(keys.count()).unwrap_or(u64::MAX),
        }
    }

    pub(in super::super) fn release_name(&mut self, name: &Username) -> Vec<ReservedName> {
        let matches = |released: &ReleasedName| released.skeleton == name.skeleton();
        let reserved = self
            .released_names
            .iter()
            .filter(|(_, released)| matches(released));
        let released = reserved
            .map(|(key, released)| self.reserved(key, released))
            .collect();
        self.released_names.retain(|_, released| !matches(released));
        released
    }

    /// Reserves a username that a user has released, and frees the user's oldest ones above the limit.
    pub(super) fn release(&mut self, name: &Username, owner: UserId, since: Timestamp) {
        let released = ReleasedName {
            skeleton: name.skeleton().to_owned(),
            since,
            owner,
        };
        self.released_names.insert(name.key().to_owned(), released);
        if let Some(user) = self.users.get(&owner) {
            let reclaimed = user.username.key();
            self.released_names
                .retain(|key, released| released.owner != owner || key != reclaimed);
        }
        let mut own: Vec<(Timestamp, String)> = self
            .released_names
            .iter()
            .filter(|(_, released)| released.owner == owner)
            .map(|(key, released)| (released.since, key.clone()))
            .collect();
        own.sort();
        own.reverse();
        for (_, key) in own.iter().skip(MAX_RESERVED_NAMES) {
            self.released_names.remove(key);
        }
    }

    fn reserved(&self, key: &str, released: &ReleasedName) -> ReservedName {
        ReservedName {
            key: self
                .users
                .contains_key(&released.owner)
                .then(|| key.to_owned()),
            owner: released.owner,
            since: released.since,
        }
    }
}
