//! The selection of fields of a user.

use serde_json::{Map, Value};
use user_domain::Violation;
use user_domain::user::ProfileField;

/// The selected fields of a user. `id` is always included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    paths: Vec<&'static str>,
}

/// Returns the dotted paths of all fields and of all objects of fields.
pub(crate) fn field_paths() -> impl Iterator<Item = &'static str> {
    let before_profile = ["id", "username", "status", "version", "profile"];
    let after_profile = [
        "metadata",
        "metadata.public",
        "metadata.user",
        "metadata.private",
        "email",
        "email_verified",
        "phone_number",
        "phone_number_verified",
        "external_id",
        "roles",
        "created_at",
        "updated_at",
        "deleted_at",
        "suspension",
    ];
    let profile = ProfileField::ALL.iter().map(|field| field.path());
    before_profile
        .into_iter()
        .chain(profile)
        .chain(after_profile)
}

impl FieldSet {
    /// Parses the paths of fields.
    ///
    /// # Errors
    ///
    /// The violation of the first unknown path.
    pub(crate) fn parse<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, Violation> {
        let mut set = Self::default();
        for name in names {
            set.add(name)?;
        }
        Ok(set)
    }

    /// Adds the field with this path.
    pub(crate) fn add(&mut self, name: &str) -> Result<(), Violation> {
        let known = field_paths().find(|path| *path == name);
        let path = known.ok_or(Violation::new(
            "unknown_field",
            "Must name fields of a user, such as profile.name.",
        ))?;
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
        Ok(())
    }

    /// Returns the user's JSON with only the selected fields.
    pub(crate) fn select(&self, user: Value) -> Value {
        let Value::Object(user) = user else {
            return user;
        };
        Value::Object(
            user.into_iter()
                .filter_map(|(name, value)| Some((self.part(&name, value)?, name)))
                .map(swap)
                .collect(),
        )
    }

    fn part(&self, name: &str, value: Value) -> Option<Value> {
        if name == "id" || self.paths.contains(&name) {
            return Some(value);
        }
        let is_selected = |inner: &str| {
            self.paths
                .iter()
                .any(|path| path.split_once('.') == Some((name, inner)))
        };
        let Value::Object(inner) = value else {
            return None;
        };
        let inner: Map<String, Value> = inner
            .into_iter()
            .filter(|(inner, _)| is_selected(inner))
            .collect();
        (!inner.is_empty()).then_some(Value::Object(inner))
    }
}

fn swap((value, name): (Value, String)) -> (String, Value) {
    (name, value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selected(fields: &str) -> Value {
        let user = json!({
            "id": "1", "username": "ann", "profile": {"name": null, "bio": "b"}, "metadata": {"public": {"x": 1}},
        });
        FieldSet::parse(fields.split(',')).unwrap().select(user)
    }

    #[test]
    fn the_id_and_the_selected_fields_are_kept() {
        assert_eq!(selected("username"), json!({"id": "1", "username": "ann"}));
        assert_eq!(
            selected("profile.name"),
            json!({"id": "1", "profile": {"name": null}})
        );
        assert_eq!(
            selected("profile,profile.name"),
            json!({"id": "1", "profile": {"name": null, "bio": "b"}})
        );
        assert_eq!(
            selected("metadata.public"),
            json!({"id": "1", "metadata": {"public": {"x": 1}}})
        );
    }

    #[test]
    fn a_field_outside_the_view_is_absent() {
        assert_eq!(
            selected("email,metadata.private,profile.birthdate"),
            json!({"id": "1"})
        );
    }

    #[test]
    fn an_unknown_path_is_refused() {
        for name in [
            "",
            "unknown",
            "profile.",
            "profile.x",
            "metadata.public.x",
            "ID",
            " id",
        ] {
            assert!(FieldSet::parse([name].into_iter()).is_err(), "{name}");
        }
    }
}
