//! The parameters of routes, described once.
//!
//! No header field has an `example`. The documentation page would fill it in, so a reader would send the same
//! `Idempotency-Key` with every write, and unintended conditions.

#![expect(
    dead_code,
    reason = "these types exist only for the derive; the extractors parse the requests"
)]

use utoipa::IntoParams;

use super::schemas::{EventInclude, FieldName, Included, RoleName, SortOrder, Status};

/// The user of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct IdPath {
    /// The id of the user: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid)]
    id: (),
}

/// The user of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UsernamePath {
    /// The username. Case and equivalent spellings are ignored.
    #[param(example = "Alice.Smith")]
    username: String,
}

/// The user of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ExternalIdPath {
    /// The id of the user in the older systems of the platform. The match is exact.
    #[param(example = "10042")]
    external_id: String,
}

/// The token of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TokenIdPath {
    /// The id of the token: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid)]
    id: (),
}

/// The consumer of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ConsumerNamePath {
    /// The name of the consumer: 1 to 64 characters of `a-z`, `0-9`, `_` and `-`.
    #[param(pattern = "^[a-z0-9_-]{1,64}$", example = "posts")]
    name: String,
}

/// The erased user and the consumer of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct AcknowledgementPath {
    /// The id that the user had: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid)]
    id: (),
    /// The name of the consumer.
    #[param(pattern = "^[a-z0-9_-]{1,64}$", example = "posts")]
    consumer: String,
}

/// The consumer, position and size of a page of erasures.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ErasuresQuery {
    /// The name of the consumer.
    #[param(example = "posts")]
    pending_for: String,
    /// The `next_cursor` of the previous page for the same consumer.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// The maximum number of erasures on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
}

/// The selected fields of a user.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FieldsQuery {
    /// Returns only these fields. Separate them by commas or repeat the parameter. `id` is always included; a field
    /// outside the caller's view never is. The response has no `ETag`.
    #[param(style = Form, explode = false, min_items = 1, required = false, nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Data to return in addition to the user.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct IncludeQuery {
    /// `counts`: adds the number of followers and of followed users as `counts`. The response has no `ETag`, and
    /// `If-None-Match` is ignored.
    #[param(required = false, nullable = false)]
    include: Option<Included>,
}

/// The users of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PairPath {
    /// The id of the acting user: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid)]
    id: (),
    /// The id of the other user: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid)]
    target: (),
}

/// The page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RelatedPageQuery {
    /// The `next_cursor` of the previous page, or of an export, for the same list of the same user.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// The maximum number of users on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
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
    #[param(required = false, nullable = false)]
    events_cursor: Option<String>,
    /// Continues the followers: their `next_cursor` in an export of the same user.
    #[param(required = false, nullable = false)]
    followers_cursor: Option<String>,
    /// Continues the followed users: their `next_cursor` in an export of the same user.
    #[param(required = false, nullable = false)]
    following_cursor: Option<String>,
    /// Continues the blocked users: their `next_cursor` in an export of the same user.
    #[param(required = false, nullable = false)]
    blocks_cursor: Option<String>,
}

/// The position, filter and size of a page of events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The `cursor` of the previous page. `now` returns an empty page with the current position. Without it, the page
    /// starts at the oldest event that is kept. It does not depend on the other parameters.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// The maximum number of events on a page.
    #[param(
        minimum = 1,
        maximum = 1000,
        default = 100,
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
        required = false,
        nullable = false
    )]
    wait: Option<u16>,
    /// Returns only events of these types, such as `user.created`. `user.*` is every type that the caller may read.
    /// Separate them by commas or repeat the parameter.
    #[param(style = Form, explode = false, min_items = 1, required = false, nullable = false)]
    types: Option<Vec<String>>,
    /// Returns only events about the user with this id.
    #[param(required = false, nullable = false)]
    subject: Option<String>,
    /// `user` adds the user as it is when the event is read. Requires `users:read`; with `users:read_private` it is the
    /// full view.
    #[param(required = false, nullable = false)]
    include: Option<EventInclude>,
}

/// The position and size of a page of a history.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// The `next_cursor` of the previous page for the same user, or the `events_cursor` of an export.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// The maximum number of events on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
}

/// The other users of the relationships.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WithQuery {
    /// The ids of up to 200 other users. Separate them by commas or repeat the parameter.
    #[param(style = Form, explode = false, max_items = 200)]
    with: Vec<String>,
}

/// Whether to delete permanently.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EraseQuery {
    /// `true` deletes the user and all stored data about it immediately and permanently. For services and
    /// administrators only.
    #[param(required = false, nullable = false, default = false)]
    erase: Option<bool>,
}

/// The filters of users. A user must match every filter.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterQuery {
    /// Users with one of these statuses; active and suspended by default. Separate them by commas or repeat the
    /// parameter.
    #[param(style = Form, explode = false, min_items = 1, required = false, nullable = false)]
    status: Option<Vec<Status>>,
    /// Users with one of these roles; requires `users:read_private`. Separate them by commas or repeat the parameter.
    #[param(style = Form, explode = false, min_items = 1, max_items = 32, required = false, nullable = false)]
    role: Option<Vec<RoleName>>,
    /// Users created at or after this time. RFC 3339; an offset like `+0000`, a space instead of `T`, and a date alone
    /// (midnight UTC) are accepted too.
    #[param(format = DateTime, required = false, nullable = false)]
    created_since: Option<String>,
    /// Users created before this time.
    #[param(format = DateTime, required = false, nullable = false)]
    created_until: Option<String>,
    /// Users last changed at or after this time; requires `users:read_private`.
    #[param(format = DateTime, required = false, nullable = false)]
    updated_since: Option<String>,
    /// Users last changed before this time; requires `users:read_private`.
    #[param(format = DateTime, required = false, nullable = false)]
    updated_until: Option<String>,
    /// The user with this email address; requires `users:read_private`.
    #[param(
        format = "idn-email",
        max_length = 254,
        required = false,
        nullable = false
    )]
    email: Option<String>,
    /// The user with this id in the older systems of the platform.
    #[param(pattern = "^[!-~]{1,255}$", required = false, nullable = false)]
    external_id: Option<String>,
    /// Users with a username that starts with this text, ignoring case: 1 to 32 characters.
    #[param(min_length = 1, max_length = 32, required = false, nullable = false)]
    username_prefix: Option<String>,
    /// Users with this text in the username or name, ignoring case: 2 to 64 characters, no wildcards. One character of
    /// Han, Hangul, Hiragana or Katakana is enough.
    #[param(min_length = 1, max_length = 64, required = false, nullable = false)]
    q: Option<String>,
}

/// The page and order of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The `next_cursor` of the previous page, with the same filter and order.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// The maximum number of users on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
    /// The order; `updated_at` requires `users:read_private`. Pagination by `created_at` or `-created_at` returns each
    /// user that exists throughout exactly once.
    #[param(required = false, nullable = false)]
    sort: Option<SortOrder>,
}

/// The expected version of the user.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfMatchHeader {
    /// `*`, or entity tags separated by commas; `"<version>"` is accepted too. Only the version is compared, not the
    /// view. The tag of another user and a weak tag never match.
    #[param(rename = "If-Match", required = false, nullable = false)]
    if_match: Option<String>,
}

/// The expected version of the user; required.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct RequiredIfMatchHeader {
    /// `*`, or entity tags separated by commas; `"<version>"` is accepted too. Only the version is compared, not the
    /// view. The tag of another user and a weak tag never match. A request without it is a 428.
    #[param(rename = "If-Match")]
    if_match: String,
}

/// The representations that the client has stored.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfNoneMatchHeader {
    /// `*`, or entity tags separated by commas. If one of them is the `ETag` of the response, the response is a 304.
    #[param(rename = "If-None-Match", required = false, nullable = false)]
    if_none_match: Option<String>,
}

/// The required freshness of the response.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct CacheControlHeader {
    /// `no-cache` or `max-age=0`: reads the database. Otherwise the response may be up to 1 second old. Without
    /// `Cache-Control`, `Pragma: no-cache` has the same effect.
    #[param(rename = "Cache-Control", required = false, nullable = false)]
    cache_control: Option<String>,
}

/// The key that makes a retry of this write safe.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IdempotencyKeyHeader {
    /// 1 to 255 visible ASCII characters, such as a random UUID; unique among the writes of the caller within 24 hours.
    #[param(
        rename = "Idempotency-Key",
        pattern = "^[!-~]{1,255}$",
        required = false,
        nullable = false
    )]
    idempotency_key: Option<String>,
}
