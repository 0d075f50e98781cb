//! Digests of the schemas of the views, which are part of entity tags.

use std::sync::OnceLock;

use hmac::Hmac;
use serde_json::Value;
use sha2::Sha256;
use user_domain::permissions::Access;
use user_domain::view::UserView;

use super::{SCHEMA_DIGITS, hexadecimal};
use crate::bodies::UserBody;
use crate::keyed_digest::digest;
use crate::problem::Problem;

/// The digests of the schemas of the three views.
///
/// Each is computed from the first representation of its view, because a view has the same members for all users. A new
/// member of the body therefore changes the digest without any other change to the code.
#[derive(Default)]
pub(super) struct SchemaDigests {
    public: OnceLock<String>,
    own: OnceLock<String>,
    full: OnceLock<String>,
}

impl SchemaDigests {
    /// Returns the digest of the schema of a representation.
    pub(super) fn of(&self, key: &Hmac<Sha256>, view: &UserView) -> Result<&str, Problem> {
        let cell = match view.access() {
            Access::Public => &self.public,
            Access::Own => &self.own,
            Access::Full => &self.full,
        };
        if let Some(digest) = cell.get() {
            return Ok(digest);
        }
        let body = serde_json::to_value(UserBody::from(view))
            .map_err(|error| Problem::internal(error.to_string()))?;
        Ok(cell.get_or_init(|| schema_digest(key, &body)))
    }
}

fn schema_digest(key: &Hmac<Sha256>, body: &Value) -> String {
    let paths = paths(body).join("\n");
    let digest = digest(key.clone(), [b"form".as_slice(), paths.as_bytes()]);
    hexadecimal(&digest, SCHEMA_DIGITS)
}

/// The members that are objects in the representation of every user.
///
/// Other members, such as the suspension, may be null, so that their members would make the schema depend on the user.
const OBJECT_MEMBERS: [&str; 2] = ["profile", "metadata"];

/// Returns the sorted paths of the members of a body and of its objects. The content of metadata is not part of the
/// schema.
fn paths(body: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        paths.push(name.clone());
        if !OBJECT_MEMBERS.contains(&name.as_str()) {
            continue;
        }
        for inner in value.as_object().into_iter().flatten() {
            paths.push(format!("{name}.{}", inner.0));
        }
    }
    paths.sort_unstable();
    paths
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit as _;
    use serde_json::json;
    use user_domain::caller::Caller;
    use user_domain::test_support::samples;
    use user_domain::view::{public_view, view};

    use super::*;

    fn key() -> Hmac<Sha256> {
        Hmac::new(&[7; 64].into())
    }

    #[test]
    fn a_new_member_changes_the_digest_and_values_do_not() {
        let digest = |body: Value| schema_digest(&key(), &body);
        let before = digest(
            json!({"id": "1", "profile": {"name": "Ann"}, "metadata": {"public": {"a": 1}}}),
        );
        let same =
            digest(json!({"metadata": {"public": {"b": 2}}, "profile": {"name": null}, "id": "2"}));
        assert_eq!(same, before);
        for after in [
            json!({"id": "1", "profile": {"name": null, "pronouns": null}, "metadata": {"public": {}}}),
            json!({"id": "1", "profile": {"name": null}, "metadata": {"public": {}}, "pronouns": null}),
            json!({"id": "1", "profile": {}, "name": null, "metadata": {"public": {}}}),
        ] {
            assert_ne!(digest(after.clone()), before, "{after}");
        }
    }

    #[test]
    fn the_digest_of_a_view_is_the_same_for_all_users() {
        let plain = samples::user("ann");
        let full = samples::registered(&samples::awkward_user("bob"), &samples::context()).user;
        let digests = |user: &user_domain::user::User| {
            let views = [
                public_view(user.clone()),
                view(user.clone(), &samples::person(user.id)),
                view(user.clone(), &Caller::Operator),
            ];
            views.map(|view| {
                SchemaDigests::default()
                    .of(&key(), &view)
                    .unwrap()
                    .to_owned()
            })
        };
        assert_eq!(digests(&plain), digests(&full));
        let [public, own, all] = digests(&plain);
        assert!(public != own && own != all && public != all);
    }
}
