use user_domain::values::UserId;

/// The names of what one store keeps in Redis. An id has one written form, so no two names collide.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    store: String,
}

impl Keys {
    /// Names what belongs to a store, by the store's own name.
    pub(super) fn of(store: &str) -> Self {
        Self {
            store: format!("user-service:{store}"),
        }
    }

    /// A user, or that there is none.
    pub(super) fn user(&self, id: UserId) -> String {
        format!("{}:user:{id}", self.store)
    }

    /// Who may fill a user in.
    pub(super) fn lease(&self, id: UserId) -> String {
        format!("{}:lease:{id}", self.store)
    }

    /// The epoch: users of another one count for nothing.
    pub(super) fn epoch(&self) -> String {
        format!("{}:epoch", self.store)
    }

    /// The position of the outbox up to which the users of the epoch have been corrected.
    pub(super) fn position(&self) -> String {
        format!("{}:position", self.store)
    }

    /// The channel on which replicas tell each other what they changed.
    pub(super) fn changes(&self) -> String {
        format!("{}:changes", self.store)
    }

    /// A pattern of all users.
    pub(super) fn users(&self) -> String {
        format!("{}:user:*", self.store)
    }
}
