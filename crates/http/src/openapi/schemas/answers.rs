//! What the service answers with.

use utoipa::ToSchema;

use super::RelatedUsers;
use super::inputs::UserSelection;
use super::parts::{code, private_metadata, public_metadata, user_example, user_metadata};

/// Whether a user may sign in; `deleted` is shown to services and administrators who ask for it in a list.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Status {
    Active,
    Suspended,
    Deleted,
}

/// A status that can be written: a user is deleted by DELETE.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Standing {
    Active,
    Suspended,
}

/// The order of a list.
#[derive(ToSchema)]
#[schema(default = "-created_at")]
pub(crate) enum SortOrder {
    #[schema(rename = "-created_at")]
    NewestFirst,
    #[schema(rename = "created_at")]
    OldestFirst,
    #[schema(rename = "username")]
    Username,
    #[schema(rename = "updated_at")]
    LongestUnchangedFirst,
}

/// A user, as the caller may see it. The members that are not required belong to the own and the full view.
#[derive(ToSchema)]
#[schema(example = user_example)]
pub(crate) struct User {
    /// A UUID (RFC 9562), version 7 where this service made it. It never changes.
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// As typed; unique among users in any case, and among those that look alike.
    #[schema(min_length = 3, max_length = 32)]
    username: String,
    status: Status,
    /// 1 when the user is made, one more after each change.
    #[schema(minimum = 1)]
    version: i64,
    profile: Profile,
    metadata: Metadata,
    /// As typed; unique among users by its lower-case form.
    #[schema(max_length = 254, nullable = false)]
    email: Option<String>,
    /// Whether the address was proved to be the user's. A change of the address makes it false.
    #[schema(nullable = false)]
    email_verified: Option<bool>,
    /// E.164: `+` and 7 to 15 digits.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$", required = false)]
    phone_number: Option<String>,
    /// Whether the number was proved to be the user's. A change of the number makes it false.
    #[schema(nullable = false)]
    phone_number_verified: Option<bool>,
    /// The id by which the platform's older systems know the user; unique. Once set it does not change.
    #[schema(min_length = 1, max_length = 255, required = false)]
    external_id: Option<String>,
    /// The roles, sorted; at most 32.
    #[schema(max_items = 32, nullable = false)]
    roles: Option<Vec<String>>,
    /// UTC, always with six digits behind the second.
    #[schema(format = DateTime)]
    created_at: String,
    /// UTC, always with six digits behind the second.
    #[schema(format = DateTime, nullable = false)]
    updated_at: Option<String>,
    /// UTC, always with six digits behind the second; null unless the status is `deleted`.
    #[schema(format = DateTime, required = false)]
    deleted_at: Option<String>,
}

/// What people tell about themselves, by the names of OpenID Connect where it has them.
#[derive(ToSchema)]
pub(crate) struct Profile {
    #[schema(max_length = 128, required = true)]
    name: Option<String>,
    #[schema(max_length = 128, required = true)]
    given_name: Option<String>,
    #[schema(max_length = 128, required = true)]
    family_name: Option<String>,
    #[schema(max_length = 128, required = true)]
    nickname: Option<String>,
    /// The address of a picture, as typed.
    #[schema(max_length = 2048, required = true)]
    picture: Option<String>,
    /// The address of a page, as typed.
    #[schema(max_length = 2048, required = true)]
    website: Option<String>,
    /// Plain text of one or several lines; who shows it escapes it.
    #[schema(max_length = 2000, required = true)]
    bio: Option<String>,
    #[schema(max_length = 128, required = true)]
    location: Option<String>,
    /// A language tag (BCP 47).
    #[schema(max_length = 64, required = true)]
    locale: Option<String>,
    /// A time zone of the IANA database.
    #[schema(required = true)]
    zoneinfo: Option<String>,
    /// `YYYY-MM-DD`; the year 0000 withholds the year. Of the own and the full view.
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", required = false)]
    birthdate: Option<String>,
}

/// Free data in three drawers, each a JSON object of at most 16 KiB and 16 levels.
#[derive(ToSchema)]
pub(crate) struct Metadata {
    #[schema(schema_with = public_metadata)]
    public: (),
    #[schema(schema_with = user_metadata, required = false)]
    user: (),
    #[schema(schema_with = private_metadata, required = false)]
    private: (),
}

/// A page of a list.
#[derive(ToSchema)]
pub(crate) struct UserPage {
    #[schema(max_items = 200)]
    users: Vec<User>,
    /// The `cursor` of the next page; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// How many users pass a filter.
#[derive(ToSchema)]
pub(crate) struct Count {
    #[schema(minimum = 0, example = 1284)]
    count: i64,
}

/// The users in the order asked.
#[derive(ToSchema)]
pub(crate) struct BatchAnswer {
    /// Null for a key that is malformed, unknown, a deleted user's, or of somebody whom a block hides.
    #[schema(max_items = 500)]
    users: Vec<Option<UserSelection>>,
}

/// All that is kept about a user, as far as the caller may see it.
#[derive(ToSchema)]
pub(crate) struct Export {
    user: User,
    /// Which credentials the user has.
    credentials: Vec<CredentialKind>,
    /// What happened to the user, the oldest first.
    events: Vec<Event>,
    /// Who has to do with the user.
    relationships: RelatedUsers,
}

/// A credential that a user has; never itself.
#[derive(ToSchema)]
pub(crate) struct CredentialKind {
    /// `password`.
    r#type: String,
    #[schema(value_type = String, format = DateTime)]
    changed_at: (),
}

/// What is remembered of failed tries to be let in as a user.
#[derive(ToSchema)]
#[schema(example = json!({"failures": 7, "failed_at": "2026-11-23T00:45:12.123456Z", "blocked_until": "2026-11-23T00:45:22.123456Z", "blocked_sources": 0}))]
pub(crate) struct Lockout {
    /// The failures in a row, from anywhere.
    failures: u32,
    /// The last of them.
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_at: Option<()>,
    /// Until when nobody is let in, but from a source that was let in before.
    #[schema(value_type = Option<String>, format = DateTime)]
    blocked_until: Option<()>,
    /// The sources from which nobody is let in just now.
    blocked_sources: u64,
}

/// One change of a user.
#[derive(ToSchema)]
pub(crate) struct Event {
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// What happened, such as `user.updated`.
    r#type: String,
    /// What it happened to: `user`.
    subject_kind: String,
    #[schema(value_type = String, format = Uuid)]
    subject_id: (),
    /// The version that the change made.
    #[schema(minimum = 1)]
    version: i64,
    /// The dotted paths of the fields that changed, never their values.
    changed: Vec<String>,
    /// Who did it: `user:<id>`, `service:<name>`, `operator` or `retention`.
    actor: String,
    /// UTC, always with six digits behind the second.
    #[schema(format = DateTime)]
    at: String,
}

/// The process runs.
#[derive(ToSchema)]
pub(crate) struct Liveness {
    #[schema(example = "ok")]
    status: String,
}

/// The process may be sent requests.
#[derive(ToSchema)]
pub(crate) struct ReadinessState {
    #[schema(example = "ok")]
    status: String,
    checks: ReadinessChecks,
}

/// What the process needs.
#[derive(ToSchema)]
pub(crate) struct ReadinessChecks {
    #[schema(example = "ok")]
    database: String,
    #[schema(example = "ok")]
    schema: String,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
pub(crate) struct Problem {
    /// `urn:user-service:problem:` and the code.
    #[schema(format = "uri")]
    r#type: String,
    /// A few words for people, the same for each code.
    title: String,
    /// The response's status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A sentence for people about this occurrence.
    detail: String,
    /// What went wrong, for programs. Releases may add codes.
    #[schema(schema_with = code)]
    code: (),
    /// Names the request in the service's log; as in `X-Request-Id`.
    request_id: String,
    /// The scope that would have sufficed, with `insufficient_scope`.
    #[schema(nullable = false)]
    required_scope: Option<String>,
    /// The faults of the input, at most 100.
    #[schema(min_items = 1, max_items = 100, nullable = false)]
    errors: Option<Vec<InputFault>>,
}

/// One fault of the input, and where it is.
#[derive(ToSchema)]
pub(crate) struct InputFault {
    /// Where in the body (JSON pointer, RFC 6901).
    #[schema(nullable = false)]
    pointer: Option<String>,
    /// Which parameter of the query or the path.
    #[schema(nullable = false)]
    parameter: Option<String>,
    /// The rule that is broken, for programs.
    code: String,
    /// The rule in words.
    detail: String,
}
