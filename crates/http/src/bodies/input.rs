//! From a JSON object to a user as a caller words it.

use serde_json::{Map, Value};
use user_domain::input::{MetadataInput, ProfileInput, Raw, RolesInput, UserInput};
use user_domain::{Fault, Violation};

use super::password::secret;
use crate::problem::MAX_FAULTS;

/// Sorts the members of an object into the fields of an input; what fits nowhere is among its misfits.
pub(crate) fn decode(document: Map<String, Value>) -> UserInput {
    let mut input = UserInput::default();
    let mut misfits = Misfits::default();
    for (name, value) in document {
        match name.as_str() {
            "username" => input.username = text(value),
            "email" => input.email = text(value),
            "email_verified" => input.email_verified = flag(&value),
            "phone_number" => input.phone_number = text(value),
            "phone_number_verified" => input.phone_number_verified = flag(&value),
            "external_id" => input.external_id = text(value),
            "status" => input.status = text(value),
            "roles" => input.roles = roles(value),
            "profile" => input.profile = profile(value, &mut misfits),
            "metadata" => input.metadata = metadata(value, &mut misfits),
            "password" => input.password.password = secret(value),
            "password_hash" => input.password.password_hash = secret(value),
            "id" | "version" | "created_at" | "updated_at" | "deleted_at" => {
                misfits.read_only(name);
            }
            _ => misfits.unknown(&[], name),
        }
    }
    input.misfits = misfits.faults;
    input
}

#[derive(Default)]
pub(super) struct Misfits {
    pub(super) faults: Vec<Fault>,
}

impl Misfits {
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
            Raw::Mistyped("a string")
        }
    }
}

fn flag(value: &Value) -> Raw<bool> {
    match value {
        Value::Null => Raw::Null,
        Value::Bool(flag) => Raw::Value(*flag),
        Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Raw::Mistyped("true or false")
        }
    }
}

fn roles(value: Value) -> RolesInput {
    RolesInput(match value {
        Value::Null => Raw::Null,
        Value::Array(names) => Raw::Value(names.into_iter().map(text).collect()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Raw::Mistyped("an array of strings")
        }
    })
}

fn profile(value: Value, misfits: &mut Misfits) -> ProfileInput {
    let mut input = ProfileInput::default();
    let members = match value {
        Value::Null => {
            const FIELDS: [&str; 11] = [
                "name",
                "given_name",
                "family_name",
                "nickname",
                "picture",
                "website",
                "bio",
                "location",
                "locale",
                "zoneinfo",
                "birthdate",
            ];
            FIELDS
                .into_iter()
                .map(|name| (name.to_owned(), Value::Null))
                .collect()
        }
        Value::Object(members) => members,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            misfits.not_an_object("profile");
            return input;
        }
    };
    for (name, value) in members {
        match name.as_str() {
            "name" => input.name = text(value),
            "given_name" => input.given_name = text(value),
            "family_name" => input.family_name = text(value),
            "nickname" => input.nickname = text(value),
            "picture" => input.picture = text(value),
            "website" => input.website = text(value),
            "bio" => input.bio = text(value),
            "location" => input.location = text(value),
            "locale" => input.locale = text(value),
            "zoneinfo" => input.zoneinfo = text(value),
            "birthdate" => input.birthdate = text(value),
            _ => misfits.unknown(&["profile"], name),
        }
    }
    input
}

fn metadata(value: Value, misfits: &mut Misfits) -> MetadataInput {
    let members = match value {
        Value::Null => {
            return MetadataInput {
                public: Raw::Null,
                user: Raw::Null,
                private: Raw::Null,
            };
        }
        Value::Object(members) => members,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            misfits.not_an_object("metadata");
            return MetadataInput::default();
        }
    };
    let mut input = MetadataInput::default();
    for (name, value) in members {
        match name.as_str() {
            "public" => input.public = drawer(value),
            "user" => input.user = drawer(value),
            "private" => input.private = drawer(value),
            _ => misfits.unknown(&["metadata"], name),
        }
    }
    input
}

fn drawer(value: Value) -> Raw<Map<String, Value>> {
    match value {
        Value::Null => Raw::Null,
        Value::Object(members) => Raw::Value(members),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Raw::Mistyped("an object")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(value: Value) -> UserInput {
        let Value::Object(document) = value else {
            panic!("{value} is no object")
        };
        decode(document)
    }

    fn misfits(value: Value) -> Vec<(String, String)> {
        let misfits = decoded(value).misfits;
        misfits
            .iter()
            .map(|fault| (fault.path().join("|"), fault.code().to_owned()))
            .collect()
    }

    #[test]
    fn what_is_absent_null_and_mistyped_is_told_apart() {
        let input = decoded(
            json!({"username": "ann", "email": null, "status": 1, "email_verified": "yes"}),
        );
        assert_eq!(input.username, Raw::Value("ann".to_owned()));
        assert_eq!(input.email, Raw::Null);
        assert_eq!(input.external_id, Raw::Absent);
        assert_eq!(input.status, Raw::Mistyped("a string"));
        assert_eq!(input.email_verified, Raw::Mistyped("true or false"));
        assert_eq!(input.misfits, vec![]);
    }

    #[test]
    fn a_null_object_clears_all_that_is_in_it() {
        let input = decoded(json!({"profile": null, "metadata": null}));
        assert_eq!(input.named().len(), 14);
        assert_eq!(input.profile.birthdate, Raw::Null);
        assert_eq!(input.metadata.private, Raw::Null);
    }

    #[test]
    fn unknown_and_read_only_members_are_misfits_by_their_own_names() {
        assert_eq!(
            misfits(
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
    fn objects_of_another_type_are_misfits() {
        let type_fault = |name: &str| (name.to_owned(), "type".to_owned());
        assert_eq!(
            misfits(json!({"profile": [], "metadata": "x"})),
            [type_fault("profile"), type_fault("metadata")]
        );
        assert_eq!(
            decoded(json!({"metadata": {"user": []}})).metadata.user,
            Raw::Mistyped("an object")
        );
    }

    #[test]
    fn a_flood_of_unknown_members_is_cut() {
        let members: Map<String, Value> = (0..500).map(|n| (n.to_string(), Value::Null)).collect();
        assert_eq!(decode(members).misfits.len(), MAX_FAULTS);
    }
}
