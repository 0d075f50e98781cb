//! The bodies of requests that create or change a user.

use serde_json::{Map, Value, json};
use user_domain::input::{
    FieldInput, MetadataInput, PasswordInput, ProfileInput, RolesInput, UserInput,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::RequestBody;
use super::members::{Members, array, text};
use super::password::{password, password_hash};
use crate::openapi::parts::{
    new_user_example, object, private_metadata_or_null, public_metadata_or_null, roles,
    user_metadata_or_null, without_required,
};
use crate::openapi::{NamedSchemas, ProfileFields, WritableStatus};
use crate::problem::Problem;

/// The members of a user that the service sets.
const READ_ONLY: [&str; 6] = [
    "id",
    "version",
    "created_at",
    "updated_at",
    "deleted_at",
    "suspension",
];

/// The writable fields of a user. Texts are trimmed and normalised to NFC before their length is checked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
struct UserFields {
    /// 3 to 32 letters, digits, `.`, `_` and `-`; the first and last character is a letter or digit. Not a reserved
    /// name.
    #[schema(min_length = 3, max_length = 32)]
    username: String,
    /// At most 254 bytes.
    #[schema(format = "idn-email", max_length = 254)]
    email: String,
    /// `true` requires the stored address in the same request, or `If-Match`. Not writable by the user.
    email_verified: Option<bool>,
    /// E.164: `+` and 7 to 15 digits.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$", max_length = 16)]
    phone_number: Option<String>,
    /// `true` requires the stored number in the same request, or `If-Match`. Not writable by the user.
    phone_number_verified: Option<bool>,
    /// 1 to 255 visible ASCII characters. Cannot be changed once set. Not writable by the user.
    #[schema(pattern = "^[!-~]{1,255}$", max_length = 255)]
    external_id: Option<String>,
    /// Not writable by the user.
    #[schema(nullable = false)]
    status: Option<WritableStatus>,
    #[schema(schema_with = roles, required = false)]
    roles: (),
    #[schema(nullable = true)]
    profile: Option<ProfileFields>,
    #[schema(nullable = true)]
    metadata: Option<MetadataFields>,
}

/// The writable metadata. `null` clears an object, or all three. Each object has at most 16 KiB as compact JSON and 16
/// levels.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
struct MetadataFields {
    #[schema(schema_with = public_metadata_or_null, required = false)]
    public: (),
    #[schema(schema_with = user_metadata_or_null, required = false)]
    user: (),
    #[schema(schema_with = private_metadata_or_null, required = false)]
    private: (),
}

/// A user to create.
pub(crate) struct NewUser;

/// A replacement of all fields that the caller may write.
pub(crate) struct UserReplacement;

/// The fields to merge into a user.
pub(crate) struct UserPatch;

macro_rules! read_as_user {
    ($($body:ident)*) => {
        $(
            impl RequestBody for $body {
                type Input = UserInput;

                fn read(document: Map<String, Value>) -> Result<UserInput, Problem> {
                    Ok(read_user(document))
                }
            }
        )*
    };
}

read_as_user!(NewUser UserReplacement UserPatch);

/// Reads the fields of a user. Unknown and read-only members are added to its `unexpected_fields`.
fn read_user(document: Map<String, Value>) -> UserInput {
    let mut members = Members::new(document, &[]);
    let mut input = read_fields(&mut members);
    input.status = members.text("status");
    input.unexpected_fields = members.finish(&READ_ONLY);
    input
}

/// Reads the fields of a user, without the status.
///
/// The input has no `..`, so that a field without a member does not compile.
pub(super) fn read_fields(members: &mut Members) -> UserInput {
    UserInput {
        username: members.text("username"),
        email: members.text("email"),
        email_verified: members.flag("email_verified"),
        phone_number: members.text("phone_number"),
        phone_number_verified: members.flag("phone_number_verified"),
        external_id: members.text("external_id"),
        status: FieldInput::Absent,
        roles: read_roles(members),
        profile: members.nested("profile", read_profile),
        metadata: members.nested("metadata", |members| MetadataInput {
            public: members.object("public"),
            user: members.object("user"),
            private: members.object("private"),
        }),
        password: PasswordInput {
            password: members.secret("password"),
            password_hash: members.secret("password_hash"),
            unexpected_fields: Vec::new(),
        },
        unexpected_fields: Vec::new(),
    }
}

fn read_roles(members: &mut Members) -> RolesInput {
    let names = members.field("roles", |value| array(value, "an array of strings"));
    match names {
        FieldInput::Value(names) => RolesInput::parse(names.iter().map(text)),
        FieldInput::Absent => RolesInput(FieldInput::Absent),
        FieldInput::Null => RolesInput(FieldInput::Null),
        FieldInput::Invalid(violation) => RolesInput(FieldInput::Invalid(violation)),
    }
}

macro_rules! define_profile_reader {
    ($({ $($(#[$doc:meta])* $name:ident: $field:ident($type:ident),)* })*) => {
        fn read_profile(members: &mut Members) -> ProfileInput {
            ProfileInput {
                $($($name: members.text(stringify!($name)),)*)*
            }
        }
    };
}

user_domain::profile_fields!(define_profile_reader);

impl PartialSchema for NewUser {
    fn schema() -> RefOr<Schema> {
        let mut fields = object(UserFields::schema());
        fields.properties.insert("password".to_owned(), password());
        fields
            .properties
            .insert("password_hash".to_owned(), password_hash());
        fields.description = Some(
            "A user to create, with an optional password or password hash. Texts are trimmed and normalised to NFC before their length is checked."
                .to_owned(),
        );
        fields.example = Some(new_user_example());
        fields.into()
    }
}

impl ToSchema for NewUser {
    fn schemas(schemas: &mut NamedSchemas) {
        UserFields::schemas(schemas);
    }
}

impl PartialSchema for UserReplacement {
    fn schema() -> RefOr<Schema> {
        let mut fields = object(UserFields::schema());
        fields.description = Some(
            "All fields that the caller may write. An absent field becomes `null` or its default; `roles`, \
             `external_id` and `status` stay unchanged if absent."
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
    fn schemas(schemas: &mut NamedSchemas) {
        UserFields::schemas(schemas);
    }
}

impl PartialSchema for UserPatch {
    fn schema() -> RefOr<Schema> {
        let mut fields = without_required(object(UserFields::schema()));
        fields.description = Some(
            "The fields to merge into a user (RFC 7396). `null` clears a field or removes a member of metadata. \
             `username`, `email` and `status` cannot be `null`."
                .to_owned(),
        );
        fields.example =
            Some(json!({"profile": {"website": "https://alice.example", "bio": null}}));
        fields.into()
    }
}

impl ToSchema for UserPatch {
    fn schemas(schemas: &mut NamedSchemas) {
        UserFields::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::MAX_FAULTS;

    fn decoded(value: Value) -> UserInput {
        let Value::Object(document) = value else {
            panic!("{value} is not an object")
        };
        read_user(document)
    }

    fn unexpected_fields(value: Value) -> Vec<(String, String)> {
        let unexpected_fields = decoded(value).unexpected_fields;
        unexpected_fields
            .iter()
            .map(|fault| (fault.path().join("|"), fault.code().to_owned()))
            .collect()
    }

    #[test]
    fn absent_null_and_mistyped_values_are_distinguished() {
        let input = decoded(
            json!({"username": "ann", "email": null, "status": 1, "email_verified": "yes"}),
        );
        assert_eq!(input.username, FieldInput::parse("ann"));
        assert_eq!(input.email, FieldInput::Null);
        assert_eq!(input.external_id, FieldInput::Absent);
        assert_eq!(input.status, FieldInput::wrong_type("a string"));
        assert_eq!(
            input.email_verified,
            FieldInput::wrong_type("true or false")
        );
        assert_eq!(input.unexpected_fields, vec![]);
    }

    #[test]
    fn a_null_object_sets_all_its_fields_to_null() {
        let input = decoded(json!({"profile": null, "metadata": null}));
        assert_eq!(input.named_fields().len(), 14);
        assert_eq!(input.profile.birthdate, FieldInput::Null);
        assert_eq!(input.metadata.private, FieldInput::Null);
    }

    #[test]
    fn unknown_and_read_only_members_are_reported_by_name() {
        assert_eq!(
            unexpected_fields(
                json!({"id": "x", "a.b": 1, "profile": {"a/b": 1}, "metadata": {"z": {}}, "deleted_at": null})
            ),
            [
                ("profile|a/b".to_owned(), "unknown_field".to_owned()),
                ("metadata|z".to_owned(), "unknown_field".to_owned()),
                ("id".to_owned(), "read_only".to_owned()),
                ("a.b".to_owned(), "unknown_field".to_owned()),
                ("deleted_at".to_owned(), "read_only".to_owned()),
            ]
        );
    }

    #[test]
    fn profile_and_metadata_of_another_type_are_reported() {
        let type_fault = |name: &str| (name.to_owned(), "type".to_owned());
        assert_eq!(
            unexpected_fields(json!({"profile": [], "metadata": "x"})),
            [type_fault("profile"), type_fault("metadata")]
        );
        assert_eq!(
            decoded(json!({"metadata": {"user": []}})).metadata.user,
            FieldInput::wrong_type("an object")
        );
    }

    #[test]
    fn at_most_100_unexpected_fields_are_reported() {
        let members: Map<String, Value> = (0..500).map(|n| (n.to_string(), Value::Null)).collect();
        assert_eq!(read_user(members).unexpected_fields.len(), MAX_FAULTS);
    }
}
