//! The schemas of erasures and their consumers.

use utoipa::ToSchema;

/// A page of erasures.
#[derive(ToSchema)]
pub(crate) struct ErasurePage {
    /// The erasures that the consumer has not confirmed, oldest first.
    #[schema(max_items = 200)]
    erasures: Vec<Erasure>,
    /// The `cursor` of the next page; `null` on the last page.
    #[schema(max_length = 1024, required = true)]
    next_cursor: Option<String>,
}

/// The permanent removal of a user.
#[derive(ToSchema)]
pub(crate) struct Erasure {
    /// The id that the user had.
    #[schema(value_type = String, format = Uuid)]
    user_id: (),
    /// UTC, with six fractional digits.
    #[schema(format = DateTime)]
    erased_at: String,
    /// The `sequence` of the event `user.erased`.
    #[schema(pattern = "^[0-9]{20}$", min_length = 20, max_length = 20)]
    sequence: String,
}

/// An erasure with the consumers that must confirm it.
#[derive(ToSchema)]
pub(crate) struct ErasureReport {
    /// The id that the user had.
    #[schema(value_type = String, format = Uuid)]
    user_id: (),
    /// UTC, with six fractional digits.
    #[schema(format = DateTime)]
    erased_at: String,
    state: ErasureState,
    /// The consumers that must confirm or have confirmed the erasure, by name.
    #[schema(max_items = 1000)]
    consumers: Vec<Confirmation>,
}

/// `complete` when every consumer has confirmed the erasure, also if none had to.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum ErasureState {
    Pending,
    Complete,
}

/// The part of one consumer in an erasure.
#[derive(ToSchema)]
pub(crate) struct Confirmation {
    /// The name of the consumer.
    #[schema(pattern = "^[a-z0-9_-]{1,64}$", max_length = 64)]
    name: String,
    /// When it first confirmed the erasure; `null` if it has not yet.
    #[schema(format = DateTime, required = true)]
    acked_at: Option<String>,
    /// The actor that confirmed it: `service:<name>` or `operator`; `null` if none has.
    #[schema(max_length = 128, required = true)]
    acked_by: Option<String>,
}

/// A service that must confirm erasures.
#[derive(ToSchema)]
pub(crate) struct ErasureConsumer {
    /// The name.
    #[schema(pattern = "^[a-z0-9_-]{1,64}$", max_length = 64)]
    name: String,
    /// When it was registered: UTC, with six fractional digits.
    #[schema(format = DateTime)]
    created_at: String,
    /// The actor that registered it: `service:<name>` or `operator`.
    #[schema(max_length = 128)]
    created_by: String,
}

/// The consumers of erasures, by name.
#[derive(ToSchema)]
pub(crate) struct ErasureConsumerList {
    #[schema(max_items = 64)]
    consumers: Vec<ErasureConsumer>,
}
