//! The tables of the migrations, as `SeaORM` entities.

pub(super) mod credentials;
pub(super) mod erased_ids;
pub(super) mod events;
pub(super) mod idempotency_keys;
pub(super) mod login_attempts;
pub(super) mod released_usernames;
pub(super) mod service_tokens;
pub(crate) mod users;
