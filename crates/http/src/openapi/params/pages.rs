//! The positions and sizes of pages.

#![expect(
    dead_code,
    reason = "these types exist only for the derive; the extractors parse the requests"
)]

use utoipa::IntoParams;

use crate::openapi::schemas::{EventInclude, EventTypeFilter, SortOrder};

/// The consumer, position and size of a page of erasures.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ErasuresQuery {
    /// The name of the consumer.
    #[param(pattern = "^[a-z0-9_-]{1,64}$", max_length = 64, example = "posts")]
    pending_for: String,
    /// The `next_cursor` of the previous page for the same consumer.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    cursor: Option<String>,
    /// The maximum number of erasures on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        example = 20,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
}

/// The page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RelatedPageQuery {
    /// The `next_cursor` of the previous page, or of an export, for the same list of the same user.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    cursor: Option<String>,
    /// The maximum number of users on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        example = 20,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
}

/// The cursors that continue the lists of an export.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    clippy::struct_field_names,
    reason = "the fields are named like the parameters"
)]
pub(crate) struct ExportQuery {
    /// Continues the events: the `events_cursor` of an export of the same user.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    events_cursor: Option<String>,
    /// Continues the followers: their `next_cursor` in an export of the same user.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    followers_cursor: Option<String>,
    /// Continues the followed users: their `next_cursor` in an export of the same user.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    following_cursor: Option<String>,
    /// Continues the blocked users: their `next_cursor` in an export of the same user.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    blocks_cursor: Option<String>,
}

/// The position, filter and size of a page of events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The `cursor` of the previous page. `now` returns an empty page with the current position. Without it, the page
    /// starts at the oldest event that is kept. It does not depend on the other parameters.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    cursor: Option<String>,
    /// The maximum number of events on a page.
    #[param(
        minimum = 1,
        maximum = 1000,
        default = 100,
        example = 500,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
    /// The number of seconds to wait for an event if the page would be empty. The response is sent as soon as there is an
    /// event.
    #[param(
        minimum = 0,
        maximum = 25,
        default = 0,
        example = 20,
        required = false,
        nullable = false
    )]
    wait: Option<u16>,
    /// Returns only events of these types, such as `user.created`. `user.*` is every type that the caller may read.
    /// Separate them by commas or repeat the parameter.
    #[param(inline, style = Form, explode = false, min_items = 1, max_items = 200, example = json!(["user.created", "user.updated"]), required = false, nullable = false)]
    types: Option<Vec<EventTypeFilter>>,
    /// Returns only events about the user with this id.
    #[param(format = Uuid, example = "0199b8f2-7c1e-7000-8000-000000000000", required = false, nullable = false)]
    subject: Option<String>,
    /// `user` adds the user as it is when the event is read. Requires `users:read`; with `users:read_private` it is the
    /// full view.
    #[param(example = "user", required = false, nullable = false)]
    include: Option<EventInclude>,
}

/// The page of a list of tokens.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokensQuery {
    /// The `next_cursor` of the previous page.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    cursor: Option<String>,
    /// The maximum number of tokens on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        example = 20,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
}

/// The position and size of a page of a history.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// The `next_cursor` of the previous page for the same user, or the `events_cursor` of an export.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    cursor: Option<String>,
    /// The maximum number of events on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        example = 20,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
}

/// The page and order of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The `next_cursor` of the previous page, with the same filter and order.
    #[param(
        max_length = 1024,
        example = "AXQAAAGaC7jyfA",
        required = false,
        nullable = false
    )]
    cursor: Option<String>,
    /// The maximum number of users on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        example = 20,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
    /// The order; `updated_at` requires `users:read_private`. Pagination by `created_at` or `-created_at` returns each
    /// user that exists throughout exactly once.
    #[param(example = "username", required = false, nullable = false)]
    sort: Option<SortOrder>,
}
