//! The owner of each unique value.

use std::collections::HashMap;

use crate::user::User;
use crate::values::UserId;

/// An index of users by their unique values.
#[derive(Debug, Clone, Default)]
pub(super) struct UniqueValueIndex {
    pub(super) usernames: HashMap<String, UserId>,
    pub(super) skeletons: HashMap<String, UserId>,
    pub(super) emails: HashMap<String, UserId>,
    pub(super) external_ids: HashMap<String, UserId>,
}

impl UniqueValueIndex {
    /// Adds the unique values of a user.
    pub(super) fn insert(&mut self, user: &User) {
        let id = user.id;
        self.usernames.insert(user.username.key().to_owned(), id);
        self.skeletons
            .insert(user.username.skeleton().to_owned(), id);
        self.emails.insert(user.email.key().to_owned(), id);
        if let Some(external_id) = &user.external_id {
            self.external_ids
                .insert(external_id.as_str().to_owned(), id);
        }
    }

    /// Removes the unique values of a user.
    pub(super) fn remove(&mut self, user: &User) {
        self.usernames.remove(user.username.key());
        self.skeletons.remove(user.username.skeleton());
        self.emails.remove(user.email.key());
        if let Some(external_id) = &user.external_id {
            self.external_ids.remove(external_id.as_str());
        }
    }
}
