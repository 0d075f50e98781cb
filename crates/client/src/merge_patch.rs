//! The difference of two users as a merge patch (RFC 7396).

use serde_json::{Map, Value};

use crate::error::Error;
use crate::user::User;

/// Returns the merge patch that makes `to` of `from`.
///
/// # Errors
/// An invalid request for a new `null`, which a merge patch cannot set.
pub(crate) fn patch_between(from: &User, to: &User) -> Result<Map<String, Value>, Error> {
    difference(&members_of(from)?, &members_of(to)?).map_err(|pointer| {
        Error::invalid_request(format!("a merge patch cannot set {pointer} to null"))
    })
}

fn members_of(user: &User) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(user).map_err(Error::invalid_request)? {
        Value::Object(members) => Ok(members),
        _ => Err(Error::invalid_request("the user is not a JSON object")),
    }
}

/// Returns the merge patch that makes `to` of `from`; as an error, the JSON pointer of a new `null`.
fn difference(
    from: &Map<String, Value>,
    to: &Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let removed = from.keys().filter(|name| !to.contains_key(*name));
    let mut patch: Map<String, Value> = removed.map(|name| (name.clone(), Value::Null)).collect();
    let empty = Map::new();
    for (name, after) in to {
        let before = from.get(name);
        if before == Some(after) {
            continue;
        }
        let change = match after {
            Value::Null => return Err(pointer_to(name)),
            // An object that replaces another value is merged into an empty one (RFC 7396).
            Value::Object(after) => {
                let before = before.and_then(Value::as_object).unwrap_or(&empty);
                let inner = difference(before, after)
                    .map_err(|inner| format!("{}{inner}", pointer_to(name)))?;
                Value::Object(inner)
            }
            _ => after.clone(),
        };
        patch.insert(name.clone(), change);
    }
    Ok(patch)
}

/// Returns the JSON pointer of a member (RFC 6901).
fn pointer_to(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(patch: &Map<String, Value>) -> String {
        serde_json::to_string(patch).unwrap()
    }

    fn user() -> User {
        serde_json::from_str(
            r#"{"id":"0199b8f2-7c1e-7000-8000-000000000000","username":"a.b","status":"active","version":1,
            "profile":{"name":"A","bio":"B"},"metadata":{"public":{"a":1,"b":{"c":2,"d":3},"n":null}},"roles":["x"],
            "email":"a@example.org","email_verified":true,"created_at":"2026-11-23T00:45:12.123456Z"}"#,
        )
        .unwrap()
    }

    #[test]
    fn the_difference_of_two_users_is_a_merge_patch() {
        let before = user();
        assert!(patch_between(&before, &before).unwrap().is_empty());
        let mut after = before.clone();
        after.profile.name = Some("C".to_owned());
        after.profile.bio = None;
        after.metadata.public.shift_remove("a");
        after.metadata.public["b"]["c"] = json!(4);
        after.roles.clear();
        assert_eq!(
            text(&patch_between(&before, &after).unwrap()),
            r#"{"profile":{"bio":null,"name":"C"},"metadata":{"public":{"a":null,"b":{"c":4}}},"roles":[]}"#
        );
    }

    #[test]
    fn a_null_that_a_merge_patch_cannot_set_is_refused() {
        let before = user();
        let patch = |name: &str, value: Value| {
            let mut after = before.clone();
            after.metadata.public.insert(name.to_owned(), value);
            patch_between(&before, &after).map(|patch| text(&patch))
        };
        for (name, value, pointer) in [
            ("a", Value::Null, "/metadata/public/a"),
            (
                "x/y",
                json!({"e": {"f": null}}),
                "/metadata/public/x~1y/e/f",
            ),
            ("b", json!({"c": null}), "/metadata/public/b/c"),
            ("a", json!({"c": null}), "/metadata/public/a/c"),
        ] {
            let error = patch(name, value).unwrap_err().to_string();
            let expected = format!("invalid request: a merge patch cannot set {pointer} to null");
            assert_eq!(error, expected);
        }
        for (value, expected) in [
            (json!([null, {"c": null}]), r#"[null,{"c":null}]"#),
            (json!({"c": {}}), r#"{"c":{}}"#),
        ] {
            let expected = format!(r#"{{"metadata":{{"public":{{"a":{expected}}}}}}}"#);
            assert_eq!(patch("a", value).unwrap(), expected);
        }
    }
}
