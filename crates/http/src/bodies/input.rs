//! Decodes a JSON object into the unvalidated input of a user.

use serde_json::{Map, Value};
use user_domain::input::{MetadataInput, ProfileInput, Raw, RolesInput, UserInput};
use user_domain::{Fault, Violation};

use super::password::secret;
use crate::problem::MAX_FAULTS;

/// Decodes the fields of a user. Unknown and read-only members are added to its `unexpected_fields`.
///
/// The inputs are destructured completely, here and below, so that a field without a member does not compile.
pub(crate) fn decode(document: Map<String, Value>) -> UserInput {
    let mut input = UserInput::default();
    let UserInput {
        username,
        email,
        email_verified,
        phone_number,
        phone_number_verified,
        external_id,
        status,
        roles,
        profile,
        metadata,
        password,
        unexpected_fields,
    } = &mut input;
    let mut unexpected = UnexpectedFields::default();
    for (name, value) in document {
        match name.as_str() {
            "username" => *username = text(value),
            "email" => *email = text(value),
            "email_verified" => *email_verified = flag(&value),
            "phone_number" => *phone_number = text(value),
            "phone_number_verified" => *phone_number_verified = flag(&value),
            "external_id" => *external_id = text(value),
            "status" => *status = text(value),
            "roles" => *roles = read_roles(value),
            "profile" => *profile = read_profile(value, &mut unexpected),
            "metadata" => *metadata = read_metadata(value, &mut unexpected),
            "password" => password.password = secret(value),
            "password_hash" => password.password_hash = secret(value),
            "id" | "version" | "created_at" | "updated_at" | "deleted_at" | "suspension" => {
                unexpected.read_only(name);
            }
            _ => unexpected.unknown(&[], name),
        }
    }
    *unexpected_fields = unexpected.faults;
    input
}

/// The members of an object that the caller must not send, at most [`MAX_FAULTS`].
#[derive(Default)]
pub(super) struct UnexpectedFields {
    pub(super) faults: Vec<Fault>,
}

impl UnexpectedFields {
    fn add(&mut self, path: Vec<String>, code: &'static str, detail: &'static str) {
        if self.faults.len() < MAX_FAULTS {
            self.faults
                .push(Fault::at(path, &Violation::new(code, detail)));
        }
    }

    pub(super) fn unknown(&mut self, parents: &[&str], name: String) {
        let path = parents
            .iter()
            .map(|parent| (*parent).to_owned())
            .chain([name])
            .collect();
        self.add(path, "unknown_field", "Is not a field.");
    }

    fn read_only(&mut self, name: String) {
        self.add(
            vec![name],
            "read_only",
            "Is set by the service and cannot be written.",
        );
    }

    fn not_an_object(&mut self, name: &str) {
        self.add(vec![name.to_owned()], "type", "Must be an object.");
    }
}

pub(super) fn text(value: Value) -> Raw<String> {
    match value {
        Value::Null => Raw::Null,
        Value::String(text) => Raw::Value(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Raw::WrongType("a string")
        }
    }
}

fn flag(value: &Value) -> Raw<bool> {
    match value {
        Value::Null => Raw::Null,
        Value::Bool(flag) => Raw::Value(*flag),
        Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Raw::WrongType("true or false")
        }
    }
}

fn read_roles(value: Value) -> RolesInput {
    RolesInput(match value {
        Value::Null => Raw::Null,
        Value::Array(names) => Raw::Value(names.into_iter().map(text).collect()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Raw::WrongType("an array of strings")
        }
    })
}

fn read_profile(value: Value, unexpected_fields: &mut UnexpectedFields) -> ProfileInput {
    let mut input = ProfileInput::default();
    let ProfileInput {
        name,
        given_name,
        family_name,
        nickname,
        picture,
        website,
        bio,
        location,
        locale,
        zoneinfo,
        birthdate,
    } = &mut input;
    let slots = [
        ("name", name),
        ("given_name", given_name),
        ("family_name", family_name),
        ("nickname", nickname),
        ("picture", picture),
        ("website", website),
        ("bio", bio),
        ("location", location),
        ("locale", locale),
        ("zoneinfo", zoneinfo),
        ("birthdate", birthdate),
    ];
    assign_members(slots, "profile", value, text, unexpected_fields);
    input
}

fn read_metadata(value: Value, unexpected_fields: &mut UnexpectedFields) -> MetadataInput {
    let mut input = MetadataInput::default();
    let MetadataInput {
        public,
        user,
        private,
    } = &mut input;
    let slots = [("public", public), ("user", user), ("private", private)];
    assign_members(slots, "metadata", value, metadata_object, unexpected_fields);
    input
}

/// Assigns the members of an object to fields by name. `null` instead of the object is `null` for each field.
fn assign_members<T, const N: usize>(
    mut slots: [(&str, &mut Raw<T>); N],
    parent: &str,
    value: Value,
    read: fn(Value) -> Raw<T>,
    unexpected_fields: &mut UnexpectedFields,
) {
    let members = match value {
        Value::Null => {
            for (_, slot) in slots {
                *slot = Raw::Null;
            }
            return;
        }
        Value::Object(members) => members,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return unexpected_fields.not_an_object(parent);
        }
    };
    for (name, value) in members {
        match slots.iter_mut().find(|(field, _)| *field == name) {
            Some((_, slot)) => **slot = read(value),
            None => unexpected_fields.unknown(&[parent], name),
        }
    }
}

fn metadata_object(value: Value) -> Raw<Map<String, Value>> {
    match value {
        Value::Null => Raw::Null,
        Value::Object(members) => Raw::Value(members),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Raw::WrongType("an object")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(value: Value) -> UserInput {
        let Value::Object(document) = value else {
            panic!("{value} is not an object")
        };
        decode(document)
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
        assert_eq!(input.username, Raw::Value("ann".to_owned()));
        assert_eq!(input.email, Raw::Null);
        assert_eq!(input.external_id, Raw::Absent);
        assert_eq!(input.status, Raw::WrongType("a string"));
        assert_eq!(input.email_verified, Raw::WrongType("true or false"));
        assert_eq!(input.unexpected_fields, vec![]);
    }

    #[test]
    fn a_null_object_sets_all_its_fields_to_null() {
        let input = decoded(json!({"profile": null, "metadata": null}));
        assert_eq!(input.named_fields().len(), 14);
        assert_eq!(input.profile.birthdate, Raw::Null);
        assert_eq!(input.metadata.private, Raw::Null);
    }

    #[test]
    fn unknown_and_read_only_members_are_reported_by_name() {
        assert_eq!(
            unexpected_fields(
                json!({"id": "x", "a.b": 1, "profile": {"a/b": 1}, "metadata": {"z": {}}, "deleted_at": null})
            ),
            [
                ("id".to_owned(), "read_only".to_owned()),
                ("a.b".to_owned(), "unknown_field".to_owned()),
                ("profile|a/b".to_owned(), "unknown_field".to_owned()),
                ("metadata|z".to_owned(), "unknown_field".to_owned()),
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
            Raw::WrongType("an object")
        );
    }

    #[test]
    fn at_most_100_unexpected_fields_are_reported() {
        let members: Map<String, Value> = (0..500).map(|n| (n.to_string(), Value::Null)).collect();
        assert_eq!(decode(members).unexpected_fields.len(), MAX_FAULTS);
    }
}
