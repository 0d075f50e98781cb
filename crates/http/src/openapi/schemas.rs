//! The bodies as schemas, standing beside the types that read and write them.
//!
//! Responses borrow and leave members out by view, and requests tell absence from null, which no derive can see: a test
//! compares each schema with what is really written and read.

#![expect(
    dead_code,
    reason = "these types are read by the derive only: `bodies` reads and writes the JSON"
)]

use serde_json::{Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, Array, Object, SchemaType, Type,
};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::bodies::FIELD_PATHS;
use crate::problem::Code;

type Named = Vec<(String, RefOr<Schema>)>;

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

/// Whom a batch asks for: exactly one kind of key, at most 500 of them; duplicates are kept.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum BatchQuestion {
    Ids(BatchByIds),
    Usernames(BatchByUsernames),
    Emails(BatchByEmails),
    ExternalIds(BatchByExternalIds),
}

/// Any caller may ask by id.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": ["0199b8f2-7c1e-7000-8000-000000000000"], "fields": ["username", "profile.name"]}))]
pub(crate) struct BatchByIds {
    #[schema(max_items = 500)]
    ids: Vec<String>,
    /// Only these fields; `id` is always there.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Any caller may ask by username.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"usernames": ["alice.smith", "bob"]}))]
pub(crate) struct BatchByUsernames {
    #[schema(max_items = 500)]
    usernames: Vec<String>,
    /// Only these fields; `id` is always there.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Administrators and services with `users:read_private` may ask by email address.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"emails": ["alice@example.org"]}))]
pub(crate) struct BatchByEmails {
    #[schema(max_items = 500)]
    emails: Vec<String>,
    /// Only these fields; `id` is always there.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Services and administrators may ask by the older systems' id.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"external_ids": ["10042"]}))]
pub(crate) struct BatchByExternalIds {
    #[schema(max_items = 500)]
    external_ids: Vec<String>,
    /// Only these fields; `id` is always there.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// The users in the order asked.
#[derive(ToSchema)]
pub(crate) struct BatchAnswer {
    /// Null for a key that is malformed, unknown, or a deleted user's.
    #[schema(max_items = 500)]
    users: Vec<Option<UserSelection>>,
}

/// All that is kept about a user, as far as the caller may see it.
#[derive(ToSchema)]
pub(crate) struct Export {
    user: User,
    /// What happened to the user, the oldest first.
    events: Vec<Event>,
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
    /// Who did it: `user:<id>`, `service:<name>` or `operator`.
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
    /// Which parameter of the query.
    #[schema(nullable = false)]
    parameter: Option<String>,
    /// The rule that is broken, for programs.
    code: String,
    /// The rule in words.
    detail: String,
}

/// What a caller writes. Texts are trimmed and brought to NFC before their characters are counted.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct UserFields {
    /// 3 to 32 letters, digits, `.`, `_` and `-`, beginning and ending with a letter or digit; not reserved.
    #[schema(min_length = 3, max_length = 32)]
    username: String,
    /// At most 254 bytes.
    #[schema(format = "idn-email", max_length = 254)]
    email: String,
    /// `true` only together with the stored address, or with `If-Match`. Not writable by the user.
    email_verified: Option<bool>,
    /// E.164: `+` and 7 to 15 digits.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    phone_number: Option<String>,
    /// `true` only together with the stored number, or with `If-Match`. Not writable by the user.
    phone_number_verified: Option<bool>,
    /// 1 to 255 visible ASCII characters. Once set it does not change. Not writable by the user.
    #[schema(pattern = "^[!-~]{1,255}$")]
    external_id: Option<String>,
    /// Not writable by the user.
    #[schema(nullable = false)]
    status: Option<Standing>,
    #[schema(schema_with = roles, required = false)]
    roles: (),
    #[schema(nullable = true)]
    profile: Option<ProfileFields>,
    #[schema(nullable = true)]
    metadata: Option<MetadataFields>,
}

/// What is written of a profile; null empties a field, or all of them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ProfileFields {
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    given_name: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    family_name: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    nickname: Option<String>,
    /// An absolute http or https address of at most 2048 bytes.
    #[schema(
        format = "uri",
        max_length = 2048,
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://"
    )]
    picture: Option<String>,
    /// An absolute http or https address of at most 2048 bytes.
    #[schema(
        format = "uri",
        max_length = 2048,
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://"
    )]
    website: Option<String>,
    /// Plain text of one or several lines.
    #[schema(min_length = 1, max_length = 2000)]
    bio: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    location: Option<String>,
    /// A well-formed language tag (BCP 47).
    #[schema(min_length = 1, max_length = 64, example = "de-AT")]
    locale: Option<String>,
    /// A time zone of the IANA database.
    #[schema(min_length = 1, example = "Europe/Vienna")]
    zoneinfo: Option<String>,
    /// A day as `YYYY-MM-DD`; the year 0000 withholds the year.
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", example = "1990-04-01")]
    birthdate: Option<String>,
}

/// What is written of the metadata; null empties a drawer, or all of them. Each drawer has at most 16 KiB as compact
/// JSON and 16 levels.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct MetadataFields {
    #[schema(schema_with = public_metadata_or_null, required = false)]
    public: (),
    #[schema(schema_with = user_metadata_or_null, required = false)]
    user: (),
    #[schema(schema_with = private_metadata_or_null, required = false)]
    private: (),
}

/// Some fields of a user: those named, as far as they are in the caller's view.
pub(crate) struct UserSelection;

/// A user, or with `fields` a part of it.
pub(crate) struct UserOrSelection;

/// The dotted path of a field, or of an object of fields.
pub(crate) struct FieldName;

/// What a user is made of.
pub(crate) struct NewUser;

/// All that the caller may write of a user.
pub(crate) struct UserReplacement;

/// Some fields to merge into a user.
pub(crate) struct UserPatch;

impl PartialSchema for UserSelection {
    fn schema() -> RefOr<Schema> {
        let mut user = without_required(object(User::schema()));
        user.required = vec!["id".to_owned()];
        for (name, whole) in [
            ("profile", Profile::schema()),
            ("metadata", Metadata::schema()),
        ] {
            let part = without_required(object(whole));
            user.properties.insert(name.to_owned(), part.into());
        }
        user.description = Some(
            "Some fields of a user: those named, as far as they are in the caller's view."
                .to_owned(),
        );
        user.example = Some(json!({
            "id": "0199b8f2-7c1e-7000-8000-000000000000",
            "username": "Alice.Smith",
            "profile": {"name": "Alice Smith"},
        }));
        user.into()
    }
}

impl ToSchema for UserSelection {
    fn schemas(schemas: &mut Named) {
        schemas.push((Status::name().into(), Status::schema()));
    }
}

impl PartialSchema for UserOrSelection {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .description(Some("A user, or with `fields` a part of it."))
            .item(Ref::from_schema_name("User"))
            .item(Ref::from_schema_name("UserSelection"))
            .into()
    }
}

impl ToSchema for UserOrSelection {
    fn schemas(schemas: &mut Named) {
        schemas.push((User::name().into(), User::schema()));
        schemas.push((UserSelection::name().into(), UserSelection::schema()));
        <User as ToSchema>::schemas(schemas);
        <UserSelection as ToSchema>::schemas(schemas);
    }
}

impl PartialSchema for FieldName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The dotted path of a field, or of an object of fields.",
            ))
            .enum_values(Some(FIELD_PATHS))
            .into()
    }
}

impl ToSchema for FieldName {}

impl PartialSchema for NewUser {
    fn schema() -> RefOr<Schema> {
        let mut fields = object(UserFields::schema());
        fields.description = Some(
            "What a user is made of. Texts are trimmed and brought to NFC before their characters are counted."
                .to_owned(),
        );
        fields.example = Some(json!({
            "username": "Alice.Smith",
            "email": "alice@example.org",
            "profile": {"name": "Alice Smith", "locale": "en-GB"},
            "metadata": {"public": {"plan": "basic"}},
        }));
        fields.into()
    }
}

impl ToSchema for NewUser {
    fn schemas(schemas: &mut Named) {
        UserFields::schemas(schemas);
    }
}

impl PartialSchema for UserReplacement {
    fn schema() -> RefOr<Schema> {
        let mut fields = object(UserFields::schema());
        fields.description = Some(
            "All that the caller may write of a user. What is absent becomes null or its default; `roles`, \
             `external_id` and `status` are left alone if absent."
                .to_owned(),
        );
        fields.example = Some(json!({
            "username": "Alice.Smith",
            "email": "alice@example.org",
            "profile": {"name": "Alice Smith", "website": "https://alice.example"},
        }));
        fields.into()
    }
}

impl ToSchema for UserReplacement {
    fn schemas(schemas: &mut Named) {
        UserFields::schemas(schemas);
    }
}

impl PartialSchema for UserPatch {
    fn schema() -> RefOr<Schema> {
        let mut fields = without_required(object(UserFields::schema()));
        fields.description = Some(
            "Some fields to merge into a user (RFC 7396): null empties a field or removes a member of metadata; \
             `username`, `email` and `status` cannot be null."
                .to_owned(),
        );
        fields.example =
            Some(json!({"profile": {"website": "https://alice.example", "bio": null}}));
        fields.into()
    }
}

impl ToSchema for UserPatch {
    fn schemas(schemas: &mut Named) {
        UserFields::schemas(schemas);
    }
}

/// A user in the full view.
pub(crate) fn user_example() -> Value {
    json!({
        "id": "0199b8f2-7c1e-7000-8000-000000000000",
        "username": "Alice.Smith",
        "status": "active",
        "version": 3,
        "profile": {
            "name": "Alice Smith", "given_name": null, "family_name": null, "nickname": null, "picture": null,
            "website": "https://alice.example", "bio": null, "location": null, "locale": "en-GB", "zoneinfo": null,
            "birthdate": null,
        },
        "metadata": {"public": {"plan": "basic"}, "user": {}, "private": {}},
        "email": "alice@example.org",
        "email_verified": true,
        "phone_number": null,
        "phone_number_verified": false,
        "external_id": "10042",
        "roles": [],
        "created_at": "2026-11-23T00:45:12.123456Z",
        "updated_at": "2026-11-23T08:01:00.000000Z",
        "deleted_at": null,
    })
}

fn object(schema: RefOr<Schema>) -> Object {
    match schema {
        RefOr::T(Schema::Object(object)) => object,
        _ => Object::new(),
    }
}

fn without_required(mut object: Object) -> Object {
    object.required.clear();
    object
}

fn any_object(about: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(about))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build()
}

fn or_null(mut object: Object) -> Object {
    object.schema_type = SchemaType::from_iter([Type::Object, Type::Null]);
    object
}

fn public_metadata() -> Object {
    any_object("Written by services and administrators, seen by everybody.")
}

fn user_metadata() -> Object {
    any_object("Written by the user, services and administrators; of the own and the full view.")
}

fn private_metadata() -> Object {
    any_object("Written by services and administrators; of the full view.")
}

fn public_metadata_or_null() -> Object {
    or_null(public_metadata())
}

fn user_metadata_or_null() -> Object {
    or_null(user_metadata())
}

fn private_metadata_or_null() -> Object {
    or_null(private_metadata())
}

fn roles() -> Array {
    let role = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[a-z0-9:_-]{1,64}$"))
        .build();
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .description(Some(
            "At most 32 different roles. Written by administrators, and services with `roles:write`.",
        ))
        .items(role)
        .build()
}

fn code() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Code::ALL.map(Code::as_str)))
        .build()
}
