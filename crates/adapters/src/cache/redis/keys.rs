use user_domain::values::UserId;

/// The Redis keys of one store. An id has exactly one text form, so no two keys collide.
#[derive(Debug, Clone)]
pub(super) struct RedisKeys {
    prefix: String,
}

impl RedisKeys {
    /// Creates the keys of the store with this id.
    pub(super) fn of(store: &str) -> Self {
        Self {
            prefix: format!("user-service:{store}"),
        }
    }

    /// The prefix of the keys, which is unique to the store.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key of a user or its absence.
    pub(super) fn user(&self, id: UserId) -> String {
        format!("{}:user:{id}", self.prefix)
    }

    /// The key of the lease of a user.
    pub(super) fn lease(&self, id: UserId) -> String {
        format!("{}:lease:{id}", self.prefix)
    }

    /// The key of the epoch. Values of another epoch are misses.
    pub(super) fn epoch(&self) -> String {
        format!("{}:epoch", self.prefix)
    }

    /// The key of the outbox position up to which the users of the epoch have been corrected. Releases with another format
    /// of positions use another key, and replicas of both share an epoch.
    pub(super) fn position(&self) -> String {
        format!("{}:outbox-position", self.prefix)
    }

    /// The channel on which the replicas publish invalidation messages.
    pub(super) fn changes(&self) -> String {
        format!("{}:changes", self.prefix)
    }

    /// The channel that the sessions of an epoch subscribe to. Nothing is published there.
    pub(super) fn presence(&self, epoch: &str) -> String {
        format!("{}:epoch:{epoch}", self.prefix)
    }

    /// The pattern that matches all users.
    pub(super) fn users(&self) -> String {
        format!("{}:user:*", self.prefix)
    }
}
